"""Pretrained networks that label pictures without labels; training learns from what they say and ships none of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

MOSAIC_FILES = ("mobile_segmenter_r3_quant_argmax_uint8.tflite", "mobile_segmenter_r4_quant_argmax_uint8.tflite")
MOSAIC_INPUT_PX = 512
MOSAIC_CLASSES = 32
MOSAIC_LOGITS = "decoder/add"
STORED_PX = 64


class MosaicTeacher:
    """MOSAIC (MLCommons mobile segmenter R3 and R4, ADE20K's top 31 classes + other), averaged; absent files mean no labels."""

    def __init__(self, folder: Path) -> None:
        self._networks = []
        if all((folder / name).is_file() for name in MOSAIC_FILES):
            from ai_edge_litert.interpreter import Interpreter

            for name in MOSAIC_FILES:
                network = Interpreter(str(folder / name), experimental_preserve_all_tensors=True, num_threads=1)
                network.allocate_tensors()
                logits = next(t for t in network.get_tensor_details() if t["name"].startswith(MOSAIC_LOGITS))
                self._networks.append((network, logits))

    def probabilities(self, picture: Image.Image) -> npt.NDArray[np.uint8] | None:
        """Class probabilities uint8 [32, 64, 64] (255 = 1) of a picture stretched to 512x512."""
        if not self._networks:
            return None
        size = (MOSAIC_INPUT_PX, MOSAIC_INPUT_PX)
        image = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))[None]
        total = np.zeros((STORED_PX, STORED_PX, MOSAIC_CLASSES))
        for network, logits in self._networks:
            network.set_tensor(network.get_input_details()[0]["index"], image)
            network.invoke()
            scale, zero = logits["quantization"]
            values = (network.get_tensor(logits["index"])[0].astype(np.float64) - zero) * scale
            soft = np.exp(values - values.max(-1, keepdims=True))
            soft /= soft.sum(-1, keepdims=True)
            total += soft.reshape(STORED_PX, 2, STORED_PX, 2, MOSAIC_CLASSES).mean((1, 3)) / len(self._networks)
        return np.rint(total.transpose(2, 0, 1) * 255).astype(np.uint8)
