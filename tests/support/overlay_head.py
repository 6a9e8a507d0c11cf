"""A head for a further task beside the tiny bundle: the mean of the reshading feature's channels, enlarged; one channel."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto

from tests.support.tiny_bundle import GraphBuilder


def write_overlay(folder: Path, digest: bytes, name: str = "depth", /, **changes: str) -> Path:
    """`folder`/`name`.onnx. changes: of its metadata; an empty text leaves the entry out."""
    graph = GraphBuilder()
    mean = graph.node("ReduceMean", ["feature_reshading"], axes=[1], keepdims=1)
    scales = graph.constant([1, 1, 8, 8], "float32")
    graph.node("Resize", [mean, "", scales], "result", mode="linear")
    path = folder / f".{name}.onnx.part"
    graph.save(path, {"feature_reshading": (TensorProto.FLOAT, ["N", 8, 4, 4])}, {"result": TensorProto.FLOAT})
    model = onnx.load(str(path))
    entries = {
        "task": name,
        "group": "geometry",
        "dtype": "float32",
        "unit": "m",
        "shape": "1,H,W",
        "bundle_digest": digest.hex(),
    }
    for key, value in (entries | changes).items():
        if value:
            model.metadata_props.add(key=key, value=value)
    onnx.save(model, str(path))
    return path.rename(folder / f"{name}.onnx")
