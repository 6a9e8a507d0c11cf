"""A small Taskonomy, and files like the published hourglass networks that were trained on it.

The data has the published layouts, names and encodings, random inside. The networks have the published keys, shapes and names, patterned
weights inside; the lists of parameters are those of the state_dicts of PyPI's visualpriors 0.3.5 (`norm C` stands for a batch
normalisation's five).
"""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from training.datasets.taskonomy.encodings import SCENE_OF_PLACE
from training.networks.hourglass import PUBLISHED

LAYOUTS = ("{domain}/taskonomy/{building}", "{domain}/{building}", "{building}/{domain}")
# carriage returns alone, as in the official files
SPLITS = "id,train,val,test\rallensville,1,0,0\rbeechwood,1,0,0\rdarden,0,1,0\rmcdade,0,0,1\rnowhere,1,0,0"
BUILDINGS = ("allensville", "beechwood", "darden", "mcdade")
KITCHEN = list(SCENE_OF_PLACE).index(203)


def write(path: Path, stored: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, stored)
    else:
        Image.fromarray(stored).save(path)


def stored_labels(seed: int, side: int = 32) -> dict[str, np.ndarray]:
    """Return the contents of one view's files, by domain and file ending."""
    rng = np.random.default_rng(seed)
    facing = rng.integers(0, 256, (side, side, 3), np.uint8)
    facing[..., 2] = rng.integers(0, 40, (side, side))
    places = rng.uniform(0, 0.001, (1, 365)).astype(np.float32)
    places[0, 203] = 0.5
    places[0, 0] = 0.9
    objects = rng.normal(size=1000).astype(np.float32)
    objects[7 + seed] = 9.0
    return {
        "rgb rgb.png": rng.integers(0, 256, (side, side, 3), np.uint8),
        "depth_zbuffer depth_zbuffer.png": rng.integers(512, 4096, (side, side), np.uint16),
        "normal normal.png": facing,
        "principal_curvature principal_curvature.png": rng.integers(0, 255, (side, side, 3), np.uint8),
        "reshading reshading.png": rng.integers(0, 256, (side, side), np.uint8),
        "segment_semantic segmentsemantic.png": rng.integers(0, 18, (side, side), np.uint8),
        "class_scene class_places.npy": places,
        "class_object class_object.npy": objects,
    }


def file_of(root: Path, layout: str, building: str, view: str, domain_and_ending: str) -> Path:
    domain, ending = domain_and_ending.split()
    return root / layout.format(domain=domain, building=building) / f"{view}_domain_{ending}"


def write_world(root: Path, layout: str = LAYOUTS[0]) -> Path:
    """Write three views in each of four buildings."""
    root.mkdir(exist_ok=True)
    (root / "train_val_test_tiny.csv").write_text(SPLITS, newline="")
    for number, building in enumerate(BUILDINGS):
        for view in ("point_10_view_0", "point_2_view_1", "point_2_view_0"):
            for label, stored in stored_labels(number).items():
                write(file_of(root, layout, building, view, label), stored)
    return root


ENCODER = """
    conv1.weight 64x3x7x7, bn1 norm 64, layer1.0.conv1.weight 64x64x1x1, layer1.0.bn1 norm 64, layer1.0.conv2.weight 64x64x3x3,
    layer1.0.bn2 norm 64, layer1.0.conv3.weight 256x64x1x1, layer1.0.bn3 norm 256, layer1.0.downsample.0.weight 256x64x1x1,
    layer1.0.downsample.1 norm 256, layer1.1.conv1.weight 64x256x1x1, layer1.1.bn1 norm 64, layer1.1.conv2.weight 64x64x3x3,
    layer1.1.bn2 norm 64, layer1.1.conv3.weight 256x64x1x1, layer1.1.bn3 norm 256, layer1.2.conv1.weight 64x256x1x1,
    layer1.2.bn1 norm 64, layer1.2.conv2.weight 64x64x3x3, layer1.2.bn2 norm 64, layer1.2.conv3.weight 256x64x1x1,
    layer1.2.bn3 norm 256, layer2.0.conv1.weight 128x256x1x1, layer2.0.bn1 norm 128, layer2.0.conv2.weight 128x128x3x3,
    layer2.0.bn2 norm 128, layer2.0.conv3.weight 512x128x1x1, layer2.0.bn3 norm 512, layer2.0.downsample.0.weight 512x256x1x1,
    layer2.0.downsample.1 norm 512, layer2.1.conv1.weight 128x512x1x1, layer2.1.bn1 norm 128, layer2.1.conv2.weight 128x128x3x3,
    layer2.1.bn2 norm 128, layer2.1.conv3.weight 512x128x1x1, layer2.1.bn3 norm 512, layer2.2.conv1.weight 128x512x1x1,
    layer2.2.bn1 norm 128, layer2.2.conv2.weight 128x128x3x3, layer2.2.bn2 norm 128, layer2.2.conv3.weight 512x128x1x1,
    layer2.2.bn3 norm 512, layer2.3.conv1.weight 128x512x1x1, layer2.3.bn1 norm 128, layer2.3.conv2.weight 128x128x3x3,
    layer2.3.bn2 norm 128, layer2.3.conv3.weight 512x128x1x1, layer2.3.bn3 norm 512, layer3.0.conv1.weight 256x512x1x1,
    layer3.0.bn1 norm 256, layer3.0.conv2.weight 256x256x3x3, layer3.0.bn2 norm 256, layer3.0.conv3.weight 1024x256x1x1,
    layer3.0.bn3 norm 1024, layer3.0.downsample.0.weight 1024x512x1x1, layer3.0.downsample.1 norm 1024,
    layer3.1.conv1.weight 256x1024x1x1, layer3.1.bn1 norm 256, layer3.1.conv2.weight 256x256x3x3, layer3.1.bn2 norm 256,
    layer3.1.conv3.weight 1024x256x1x1, layer3.1.bn3 norm 1024, layer3.2.conv1.weight 256x1024x1x1, layer3.2.bn1 norm 256,
    layer3.2.conv2.weight 256x256x3x3, layer3.2.bn2 norm 256, layer3.2.conv3.weight 1024x256x1x1, layer3.2.bn3 norm 1024,
    layer3.3.conv1.weight 256x1024x1x1, layer3.3.bn1 norm 256, layer3.3.conv2.weight 256x256x3x3, layer3.3.bn2 norm 256,
    layer3.3.conv3.weight 1024x256x1x1, layer3.3.bn3 norm 1024, layer3.4.conv1.weight 256x1024x1x1, layer3.4.bn1 norm 256,
    layer3.4.conv2.weight 256x256x3x3, layer3.4.bn2 norm 256, layer3.4.conv3.weight 1024x256x1x1, layer3.4.bn3 norm 1024,
    layer3.5.conv1.weight 256x1024x1x1, layer3.5.bn1 norm 256, layer3.5.conv2.weight 256x256x3x3, layer3.5.bn2 norm 256,
    layer3.5.conv3.weight 1024x256x1x1, layer3.5.bn3 norm 1024, layer4.0.conv1.weight 512x1024x1x1, layer4.0.bn1 norm 512,
    layer4.0.conv2.weight 512x512x3x3, layer4.0.bn2 norm 512, layer4.0.conv3.weight 2048x512x1x1, layer4.0.bn3 norm 2048,
    layer4.0.downsample.0.weight 2048x1024x1x1, layer4.0.downsample.1 norm 2048, layer4.1.conv1.weight 512x2048x1x1,
    layer4.1.bn1 norm 512, layer4.1.conv2.weight 512x512x3x3, layer4.1.bn2 norm 512, layer4.1.conv3.weight 2048x512x1x1,
    layer4.1.bn3 norm 2048, layer4.2.conv1.weight 512x2048x1x1, layer4.2.bn1 norm 512, layer4.2.conv2.weight 512x512x3x3,
    layer4.2.bn2 norm 512, layer4.2.conv3.weight 2048x512x1x1, layer4.2.bn3 norm 2048, compress1.weight 8x2048x3x3,
    compress_bn norm 8
"""
DECODER_OF_THREE_CHANNELS = """
    conv2.0.weight 1024x8x3x3, conv2.1 norm 1024, conv3.0.weight 1024x1024x3x3, conv3.1 norm 1024, conv4.0.weight 512x1024x3x3,
    conv4.1 norm 512, conv5.0.weight 256x512x3x3, conv5.1 norm 256, conv6.0.weight 256x256x3x3, conv6.1 norm 256,
    conv7.0.weight 128x256x3x3, conv7.1 norm 128, deconv8.1.weight 128x64x3x3, deconv8.3 norm 64, conv9.0.weight 64x64x3x3,
    conv9.1 norm 64, deconv10.1.weight 64x32x3x3, deconv10.3 norm 32, conv11.0.weight 32x32x3x3, conv11.1 norm 32,
    deconv12.1.weight 32x16x3x3, deconv12.3 norm 16, conv13.0.weight 32x16x3x3, conv13.1 norm 32, deconv14.1.weight 32x16x3x3,
    deconv14.3 norm 16, decoder_output.0.weight 3x16x3x3, decoder_output.0.bias 3
"""
CLASS_DECODER_OF_63_SCENES = "fc0.weight 2048x2048, bn0 norm 2048, fc2.weight 63x2048, fc2.bias 63"
NORM = ("weight", "bias", "running_mean", "running_var")

Shapes = dict[str, tuple[int, ...]]


def shapes_of(table: str) -> Shapes:
    """Return the names and shapes that a table lists."""
    shapes: Shapes = {}
    for entry in table.split(","):
        name, *kind, size = entry.split()
        if kind:
            shapes |= {f"{name}.{part}": (int(size),) for part in NORM} | {f"{name}.num_batches_tracked": ()}
        else:
            shapes[name] = tuple(int(side) for side in size.split("x"))
    return shapes


def noise(count: int, salt: int) -> np.ndarray:
    """Return numbers in -1..1 that every version of every library gives alike."""
    state = (np.arange(count, dtype=np.uint32) + np.uint32(salt * 7919)) * np.uint32(747796405) + np.uint32(2891336453)
    state = (state ^ (state >> np.uint32(16))) * np.uint32(277803737)
    return (state ^ (state >> np.uint32(15))).astype(np.float32) / np.float32(2**31) - np.float32(1)


def patterned(shapes: Shapes) -> dict[str, Tensor]:
    """Return parameters of these shapes under which signals neither die nor explode."""
    parameters = {}
    for salt, (name, shape) in enumerate(shapes.items()):
        values = noise(math.prod(shape), salt).reshape(shape)
        if name.endswith("num_batches_tracked"):
            parameters[name] = torch.tensor(7)
            continue
        if len(shape) > 1:
            values *= (6 / math.prod(shape[1:])) ** 0.5
        elif name.endswith(("running_var", "weight")):
            values = 1 + 0.5 * values
        else:
            values *= 0.1
        parameters[name] = torch.from_numpy(values)
    return parameters


def save(folder: Path, stem: str, checkpoint: Any) -> Path:
    """Write a checkpoint under the name that its digest gives."""
    path = folder / "unnamed.pth"
    torch.save(checkpoint, path)
    return path.rename(folder / f"{stem}-{hashlib.sha256(path.read_bytes()).hexdigest()}.pth")


def decoder_shapes(task: str) -> Shapes:
    """Return the shapes of a task's published decoder."""
    published = PUBLISHED[task]
    outputs = published.outputs
    if not published.dense:
        return shapes_of(CLASS_DECODER_OF_63_SCENES) | {"fc2.weight": (outputs, 2048), "fc2.bias": (outputs,)}
    last = {"decoder_output.0.weight": (outputs, 16, 3, 3), "decoder_output.0.bias": (outputs,)}
    return shapes_of(DECODER_OF_THREE_CHANNELS) | last


def write_all_networks(folder: Path) -> Path:
    """Write every published file at full size; the encoders are one file under seven names."""
    tasks = list(PUBLISHED)
    parameters = patterned(shapes_of(ENCODER))
    # features of about one: decoders of thousands would put out ends of their range alone
    parameters["compress_bn.running_var"] *= 2e6
    encoder = save(folder, f"{PUBLISHED[tasks[0]].stem}_encoder", {"state_dict": parameters})
    for task in tasks:
        stem = PUBLISHED[task].stem
        if task != tasks[0]:
            os.link(encoder, folder / f"{stem}_encoder-{encoder.stem.split('-')[1]}.pth")
        save(folder, f"{stem}_decoder", {"state_dict": patterned(decoder_shapes(task))})
    return folder
