"""The bundle's graphs as torch modules with the inputs and outputs of docs/format.md, and their export to ONNX."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from shared.model.tasks import TASKS_OF_GROUP
from training.networks.backbone import F8_CHANNELS, F16_CHANNELS, F32_CHANNELS, Branch, ImageNetBranch, Trunk
from training.networks.task import DENSE_CHANNELS, DENSE_OUTPUTS, OBJECT_FEATURES, SCENE_FEATURES, dense_result
from training.networks.task_networks import CodedNetworks, TaskNetworks

INPUT_PX = 256
OPSET = 18
SMALLEST_ELEMENTS = 1024
FEATURES = {"f8": (F8_CHANNELS, 32, 32), "f16": (F16_CHANNELS, 16, 16), "f32": (F32_CHANNELS, 8, 8)}


class BackboneGraph(nn.Module):
    """image uint8 [N, 256, 256, 3] -> f8, f16, f32."""

    def __init__(self, trunk: Trunk, branch: Branch) -> None:
        super().__init__()
        self.trunk, self.branch = trunk, branch

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        f8 = self.trunk(image)
        f16, f32 = self.branch(f8)
        return f8, f16, f32


class EncoderGraph(nn.Module):
    """f8, f16, f32, rate int64 [N] -> z int32 [N, K], v int32 [N, V] (and pooled [N, 1280] in the semantic group)."""

    def __init__(self, networks: CodedNetworks, group: str, imagenet: ImageNetBranch) -> None:
        super().__init__()
        self.tasks, self.codec, self.group = networks.tasks, networks.codec(group), group
        self.imagenet = imagenet if "class_object" in TASKS_OF_GROUP[group] else None

    def forward(self, f8: Tensor, f16: Tensor, f32: Tensor, rate: Tensor) -> tuple[Tensor, ...]:
        pooled = self.imagenet(f8) if self.imagenet is not None else f8
        features, _ = self.tasks.group_features(self.group, f8, f16, f32, pooled)
        _, z, v = self.codec.quantised(features, rate)
        coded = (z.to(torch.int32), v.to(torch.int32))
        return (*coded, pooled) if self.imagenet is not None else coded


class DecoderGraph(nn.Module):
    """z int32 [N, K], rate int64 [N] -> h^_t of the group's tasks, in their order."""

    def __init__(self, networks: CodedNetworks, group: str) -> None:
        super().__init__()
        self.codec, self.group = networks.codec(group), group

    def forward(self, z: Tensor, rate: Tensor) -> tuple[Tensor, ...]:
        features = self.codec.decode(z.float(), rate)
        return tuple(features[task] for task in TASKS_OF_GROUP[self.group])


class HeadGraph(nn.Module):
    """Feature -> the task's result as docs/format.md has it."""

    def __init__(self, networks: TaskNetworks, task: str) -> None:
        super().__init__()
        self.head, self.task = networks.heads[task], task

    def forward(self, feature: Tensor) -> Tensor:
        return finished(self.task, self.head(feature))


class ReferenceGraph(nn.Module):
    """Backbone outputs (and pooled) -> the uncompressed task networks' results; the object class by the whole ImageNet classifier."""

    def __init__(self, tasks: TaskNetworks, group: str, imagenet: ImageNetBranch) -> None:
        super().__init__()
        self.tasks, self.group, self.classifier = tasks, group, imagenet.classifier

    def forward(self, f8: Tensor, f16: Tensor, f32: Tensor, pooled: Tensor | None = None) -> tuple[Tensor, ...]:
        features, _ = self.tasks.group_features(self.group, f8, f16, f32, f8 if pooled is None else pooled)
        results = self.tasks.results({task: feature for task, feature in features.items() if task != "class_object"})
        if pooled is not None:
            results["class_object"] = self.classifier(pooled)
        return tuple(finished(task, results[task]) for task in TASKS_OF_GROUP[self.group])


def finished(task: str, raw: Tensor) -> Tensor:
    """Raw head output -> result at the input's size: probabilities, uint8 class ids, or the dense values."""
    if task not in DENSE_OUTPUTS:
        return raw.softmax(1)
    enlarged = F.interpolate(raw, size=(INPUT_PX, INPUT_PX), mode="bilinear", align_corners=False)
    return enlarged.argmax(1).to(torch.uint8) if task == "segment_semantic" else dense_result(task, enlarged)


def export_graphs(
    networks: CodedNetworks, uncompressed: TaskNetworks, trunk: Trunk, imagenet: ImageNetBranch, directory: Path
) -> None:
    """Write every graph of the bundle into `directory`."""
    # Networks are trained in channels-last order; the graphs are plain NCHW.
    for module in (networks, uncompressed, trunk, imagenet):
        module.cpu().eval().to(memory_format=torch.contiguous_format)
    rate = torch.zeros(2, dtype=torch.int64)
    features = {name: torch.randn(2, *shape) for name, shape in FEATURES.items()}
    image = {"image": torch.zeros(2, INPUT_PX, INPUT_PX, 3, dtype=torch.uint8)}
    export(BackboneGraph(trunk, uncompressed.branch), image, list(FEATURES), directory / "backbone.onnx")
    for group, tasks in TASKS_OF_GROUP.items():
        spec = networks.codec(group).spec
        size = spec.channels * spec.height * spec.width + spec.vector
        latent = {"z": torch.zeros(2, size, dtype=torch.int32), "rate": rate}
        extra = {"pooled": torch.rand(2, 1280)} if "class_object" in tasks else {}
        coded, decoded = ["z", "v", *extra], [f"feature_{task}" for task in tasks]
        results = [f"result_{task}" for task in tasks]
        folder = directory / group
        export(EncoderGraph(networks, group, imagenet), features | {"rate": rate}, coded, folder / "encoder.onnx")
        export(DecoderGraph(networks, group), latent, decoded, folder / "decoder.onnx")
        export(ReferenceGraph(uncompressed, group, imagenet), features | extra, results, folder / "reference.onnx")
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(DENSE_OUTPUTS, (DENSE_CHANNELS, 16, 16))
    shapes |= {"class_scene": (SCENE_FEATURES,), "class_object": (OBJECT_FEATURES,)}
    for task, shape in shapes.items():
        feature = {"feature": torch.randn(2, *shape)}
        export(HeadGraph(networks.tasks, task), feature, ["result"], directory / "heads" / f"{task}.onnx")


def export(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], path: Path) -> None:
    """Write one graph with a free batch dimension, weights inside the file; `inputs` are in the order of `forward`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # This is the tracing exporter: the newer one fixes the batch size that it was shown, and takes ten times as long.
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=outputs,
            opset_version=OPSET,
            dynamo=False,
            dynamic_axes={name: {0: "batch"} for name in (*inputs, *outputs)},
        )


def store_weights_in_half(path: Path) -> None:
    """Store the large float32 weights of the ONNX file at `path` as float16, cast back where they are used.

    The runtime folds the casts when it loads the graph and computes in float32 as before; the file is half as large.
    Raises ValueError where a weight is too large for float16.
    """
    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) < SMALLEST_ELEMENTS:
            continue
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ValueError(f"{path}: weight {tensor.name} is too large for half precision")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], f"{name}.cast", to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
