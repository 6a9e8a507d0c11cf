"""Writes a bundle with everything that docs/format.md asks for, small enough to be built in a test: 32x32 pixels in,
graphs of a few nodes with fixed weights, all six tasks. Its results mean nothing; its shapes, types and names do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from shared.codec.hyper_synthesis import LatentShape
from shared.contract.geometry import InputSize
from shared.model.manifest import OperatingPoint, TaskEntry, TaskGroup, write_manifest
from shared.model.tasks import SEGMENTATION_LABELS
from tests.support.fixed_models import arrays, scattered_array, tables

INPUT = InputSize(32, 32)
RATES = 3
SIDE = 6
OPSET, IR = 17, 8

SEMANTIC = TaskGroup(
    "semantic",
    0,
    ("class_scene", "class_object", "segment_semantic"),
    "semantic/encoder.onnx",
    "semantic/decoder.onnx",
    "semantic/reference.onnx",
    "semantic/entropy.npz",
    LatentShape(4, 4, 4, 5),
    SIDE,
)
GEOMETRY = TaskGroup(
    "geometry",
    1,
    ("normal", "reshading", "principal_curvature"),
    "geometry/encoder.onnx",
    "geometry/decoder.onnx",
    "geometry/reference.onnx",
    "geometry/entropy.npz",
    LatentShape(2, 4, 4, 0),
    SIDE,
)
CHANNELS = {"segment_semantic": 13, "normal": 3, "reshading": 1, "principal_curvature": 2}
CLASSES = {"class_scene": 10, "class_object": 1000}


@dataclass
class GraphBuilder:
    """Collects nodes and constants; tensors are known by name."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, array: Any, dtype: Any) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def weight(self, shape: tuple[int, ...], limit: float) -> str:
        values = scattered_array(shape, sum(shape) + len(self.constants), 1000)
        return self.constant(values * (limit / 1000), np.float32)

    def node(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        output = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def save(self, path: Path, inputs: dict[str, tuple[int, list[Any]]], outputs: dict[str, int]) -> None:
        graph = helper.make_graph(
            self.nodes,
            path.stem,
            [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
            [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, str(path))


def write_tiny_bundle(directory: Path, scale: int = 1) -> bytes:
    """Write the bundle and return its digest. scale: the input's side in units of 32 pixels."""
    directory.mkdir(parents=True)
    size = InputSize(INPUT.height * scale, INPUT.width * scale)
    _backbone(directory / "backbone.onnx", size)
    for group in (SEMANTIC, GEOMETRY):
        _encoder(directory / group.encoder, group)
        _decoder(directory / group.decoder, group)
        _reference(directory / group.reference, group, scale)
        np.savez(directory / group.entropy, **arrays(group.latent, SIDE, RATES, seed=group.id + 1))
        for task in group.tasks:
            _head(directory / f"heads/{task}.onnx", task, scale)
    made = tables()
    np.savez(directory / "cdf_tables.npz", radius=made.radius, offset=made.offset, cdf=made.cdf)
    (directory / "MODEL_CARD.md").write_text("Fixed weights for tests; its results mean nothing.\n")
    labels = {
        "class_scene": tuple(f"scene {i}" for i in range(10)),
        "class_object": tuple(f"object {i}" for i in range(1000)),
        "segment_semantic": SEGMENTATION_LABELS,
    }
    return write_manifest(
        directory,
        name="tiny",
        version="1",
        input=size,
        groups=(SEMANTIC, GEOMETRY),
        tasks=[
            TaskEntry(task, f"heads/{task}.onnx", labels.get(task, ()), 0.1 if task == "principal_curvature" else None)
            for group in (SEMANTIC, GEOMETRY)
            for task in group.tasks
        ],
        operating_points=[OperatingPoint(i, name) for i, name in enumerate(("lowest", "low", "middle"))],
        default_rate=1,
        measured={"note": "nothing was measured"},
    )


def _backbone(path: Path, size: InputSize) -> None:
    g = GraphBuilder()
    image = g.node("Transpose", [g.node("Cast", ["image"], to=TensorProto.FLOAT)], perm=[0, 3, 1, 2])
    image = g.node("Div", [image, g.constant(64, np.float32)])
    window = [size.height // 4, size.width // 4]
    g.node("AveragePool", [image], "f8", kernel_shape=window, strides=window)
    g.save(path, {"image": (TensorProto.UINT8, ["N", size.height, size.width, 3])}, {"f8": TensorProto.FLOAT})


def _encoder(path: Path, group: TaskGroup) -> None:
    """Write E and the hyper-analysis: global pooling, and a gain for each rate. The reference takes `h`, the latent before rounding."""
    g = GraphBuilder()
    latent = group.latent
    pooled = g.node("Flatten", [g.node("GlobalAveragePool", ["f8"])])
    parts = [g.node("Flatten", [g.node("Conv", ["f8", g.weight((latent.channels, 3, 1, 1), 2)])])]
    if latent.vector:
        parts.append(g.node("MatMul", [pooled, g.weight((3, latent.vector), 2)]))
    g.node("Concat", parts, "h", axis=1)
    gain = g.node("Gather", [g.constant([[0.4], [0.7], [1.0]], np.float32), "rate"])
    side = g.node("MatMul", [pooled, g.weight((3, group.side_information), 2)])
    for name, value in (("z", "h"), ("v", side)):
        g.node("Cast", [g.node("Round", [g.node("Mul", [value, gain])])], name, to=TensorProto.INT32)
    g.save(
        path,
        {"f8": (TensorProto.FLOAT, ["N", 3, 4, 4]), "rate": (TensorProto.INT64, ["N"])},
        {"z": TensorProto.INT32, "v": TensorProto.INT32, "h": TensorProto.FLOAT},
    )


def _features(g: GraphBuilder, flat: str, group: TaskGroup) -> dict[str, str]:
    latent = group.latent
    spatial_size = latent.size - latent.vector
    spatial = g.node("Slice", [flat, *(g.constant([i], np.int64) for i in (0, spatial_size, 1))])
    shape = g.constant([-1, latent.channels, latent.height, latent.width], np.int64)
    spatial = g.node("Reshape", [spatial, shape])
    made: dict[str, str] = {}
    for task in group.tasks:
        if task in CLASSES:
            made[task] = g.node("MatMul", [flat, g.weight((latent.size, 16), 1)], f"feature_{task}")
        else:
            made[task] = g.node("Conv", [spatial, g.weight((8, latent.channels, 1, 1), 1)], f"feature_{task}")
    return made


def _result(g: GraphBuilder, task: str, feature: str, output: str, scale: int) -> int:
    """Add the head's nodes, and return the output's element type."""
    if task in CLASSES:
        g.node("Softmax", [g.node("MatMul", [feature, g.weight((16, CLASSES[task]), 1)])], output, axis=1)
        return int(TensorProto.FLOAT)
    dense = g.node("Conv", [feature, g.weight((CHANNELS[task], 8, 1, 1), 1)])
    dense = g.node("Resize", [dense, "", g.constant([1, 1, 8 * scale, 8 * scale], np.float32)], mode="linear")
    if task == "segment_semantic":
        g.node("Cast", [g.node("ArgMax", [dense], axis=1, keepdims=0)], output, to=TensorProto.UINT8)
        return int(TensorProto.UINT8)
    kind = {"normal": "LpNormalization", "reshading": "Sigmoid", "principal_curvature": "Tanh"}[task]
    g.node(kind, [dense], output, **({"axis": 1} if task == "normal" else {}))
    return int(TensorProto.FLOAT)


def _decoder(path: Path, group: TaskGroup) -> None:
    g = GraphBuilder()
    features = _features(g, g.node("Cast", ["z"], to=TensorProto.FLOAT), group)
    g.save(
        path, {"z": (TensorProto.INT32, ["N", group.latent.size])}, dict.fromkeys(features.values(), TensorProto.FLOAT)
    )


def _head(path: Path, task: str, scale: int) -> None:
    g = GraphBuilder()
    kind = _result(g, task, "feature", "result", scale)
    g.save(path, {"feature": (TensorProto.FLOAT, ["N", 16] if task in CLASSES else ["N", 8, 4, 4])}, {"result": kind})


def _reference(path: Path, group: TaskGroup, scale: int) -> None:
    g = GraphBuilder()
    kinds = {
        f"result_{task}": _result(g, task, feature, f"result_{task}", scale)
        for task, feature in _features(g, "h", group).items()
    }
    g.save(path, {"h": (TensorProto.FLOAT, ["N", group.latent.size])}, kinds)


def write_overlay(folder: Path, digest: bytes, name: str = "depth", /, **changes: str) -> Path:
    """Write `folder`/`name`.onnx. changes: its metadata; an empty text leaves the entry out."""
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
