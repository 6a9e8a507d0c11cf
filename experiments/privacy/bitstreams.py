"""Pictures through the public bundle: the bytes that are sent, and everything that follows from them without a secret.

    picture --backbone, encoder--> z, v --EntropyCodec--> bitstream --parse, decode--> z --decoder--> h^_t of every task
                     `--y, before rounding--------------------------------------------> (the same decoder) --> h_t

Stages are the operating points, and `unrounded` behind them: y at the finest point's gain, which no bitstream carries.
Law: what stands in an operating point's stage was decoded from the very bytes that are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper

from shared.codec.bitstream import build, parse, serialise
from shared.codec.latents import Latent
from shared.model.bundle import Bundle
from shared.model.manifest import TaskGroup
from shared.model.onnx_graphs import CPU, AnyArray, OpenBundle, session_options
from training.datasets.frame import DataError

FloatArray = npt.NDArray[np.float32]
UNROUNDED = "without rounding"
_OUTPUT = "unrounded"


@dataclass(frozen=True, eq=False)
class Seen:
    """The content of N bitstreams of one stage, as the attack takes it.

    grid [N, C, G, G]: the dense features h^_t of all groups. latent [N, c, g, g]: the spatial latents z. vector [N, V]: the vector latents
    and features. bytes_: int64 [N], whole bitstreams with headers and check sums; 0 where there is none.
    """

    grid: FloatArray
    latent: FloatArray
    vector: FloatArray
    bytes_: npt.NDArray[np.int64]


def joined(parts: Sequence[Seen]) -> Seen:
    """Several bitstreams' together, all of one stage."""
    return Seen(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("grid", "latent", "vector", "bytes_"))
    )


@dataclass(frozen=True, eq=False)
class Thief:
    """A bundle, opened by somebody who has nothing else. threads: of one operator."""

    bundle: Bundle
    threads: int = 1

    @cached_property
    def opened(self) -> OpenBundle:
        """Sessions and codecs."""
        return OpenBundle(self.bundle, CPU, self.threads)

    @property
    def stages(self) -> tuple[str, ...]:
        """The operating points' names from the fewest bytes to the most, then UNROUNDED."""
        points = sorted(self.bundle.manifest.operating_points, key=lambda point: point.rate)
        return (*(point.name for point in points), UNROUNDED)

    def steal(self, pictures: npt.NDArray[np.uint8]) -> list[Seen]:
        """Return what the bitstreams of pictures uint8 [N, H, W, 3] tell, for every stage."""
        features = self.opened.graphs.run(self.bundle.manifest.backbone, {"image": pictures})
        rates = len(self.bundle.manifest.operating_points)
        return [
            *(self._coded(features, rate, len(pictures)) for rate in range(rates)),
            self._unrounded(features, rates - 1),
        ]

    def _coded(self, features: dict[str, AnyArray], rate: int, count: int) -> Seen:
        groups = self.bundle.manifest.groups
        available = features | {"rate": np.full(count, rate, np.int64)}
        made = {g.name: self.opened.graphs.run(g.encoder, available, ("z", "v")) for g in groups}
        sent = [self._bitstream(made, i, rate) for i in range(count)]
        z = {group.name: np.stack([self._latent(data, group) for data in sent]) for group in groups}
        decoded = {
            g.name: self.opened.graphs.run(g.decoder, {"z": z[g.name].astype(np.int32)} | available) for g in groups
        }
        return self._seen(z, decoded, np.array([len(data) for data in sent]))

    def _bitstream(self, made: dict[str, dict[str, AnyArray]], frame: int, rate: int) -> bytes:
        substreams = []
        for name, one in made.items():
            latent = Latent(one["z"][frame].astype(np.int64), one["v"][frame].astype(np.int64), rate)
            substreams.append(self.opened.codecs[name].encode(latent).substream)
        return serialise(build(self.bundle.digest, substreams))

    def _latent(self, data: bytes, group: TaskGroup) -> npt.NDArray[np.int64]:
        stolen = next(substream for substream in parse(data).substreams if substream.group_id == group.id)
        return self.opened.codecs[group.name].decode(stolen).z

    def _unrounded(self, features: dict[str, AnyArray], rate: int) -> Seen:
        count = len(next(iter(features.values())))
        available = features | {"rate": np.full(count, rate, np.int64)}
        z: dict[str, AnyArray] = {}
        decoded: dict[str, dict[str, AnyArray]] = {}
        for group in self.bundle.manifest.groups:
            encoder, decoder = self._smooth[group.name]
            z[group.name] = _run(encoder, available)[_OUTPUT]
            decoded[group.name] = _run(decoder, {"z": z[group.name]} | available)
        return self._seen(z, decoded, np.zeros(count, np.int64))

    @cached_property
    def _smooth(self) -> dict[str, tuple[onnxruntime.InferenceSession, onnxruntime.InferenceSession]]:
        """Each group's encoder with y as its output, and its decoder with y as its input."""
        found = {}
        for group in self.bundle.manifest.groups:
            models = (onnx.load(self.bundle.path(path)) for path in (group.encoder, group.decoder))
            encoder, decoder = (
                edit(model) for edit, model in zip((without_rounding, taking_floats), models, strict=True)
            )
            found[group.name] = (self._session(encoder), self._session(decoder))
        return found

    def _session(self, model: onnx.ModelProto) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), session_options(self.threads), providers=["CPUExecutionProvider"]
        )

    def _seen(
        self, z: dict[str, AnyArray], decoded: dict[str, dict[str, AnyArray]], sizes: npt.NDArray[np.int64]
    ) -> Seen:
        features = [values for one in decoded.values() for values in one.values()]
        spatial, vectors = [], [values for values in features if values.ndim == 2]
        for group in self.bundle.manifest.groups:
            shape = group.latent
            flat, size = z[group.name].astype(np.float32), shape.channels * shape.height * shape.width
            spatial.append(flat[:, :size].reshape(-1, shape.channels, shape.height, shape.width))
            vectors.append(flat[:, size:])
        grids = [values for values in features if values.ndim == 4]
        return Seen(_joined(grids), _joined(spatial), np.concatenate(vectors, 1), sizes)


def without_rounding(encoder: onnx.ModelProto) -> onnx.ModelProto:
    """An encoder graph whose one output is what its z is rounded from; raises DataError where nothing is rounded."""
    makers = {output: node for node in encoder.graph.node for output in node.output}
    waiting, seen = ["z"], set[str]()
    while waiting:
        node = makers.get(waiting.pop(0))
        if node is None or node.output[0] in seen:
            continue
        if node.op_type == "Round":
            encoder.graph.node.append(helper.make_node("Identity", [node.input[0]], [_OUTPUT]))
            del encoder.graph.output[:]
            encoder.graph.output.append(helper.make_tensor_value_info(_OUTPUT, TensorProto.FLOAT, None))
            return encoder
        seen.add(node.output[0])
        waiting.extend(node.input)
    raise DataError("the encoder's z comes from no Round node: this bundle's graphs cannot be run without rounding")


def taking_floats(decoder: onnx.ModelProto) -> onnx.ModelProto:
    """A decoder graph whose input z is float32; raises DataError where z does not go through a Cast to float first."""
    users = [node for node in decoder.graph.node if "z" in node.input]
    if not users or any(node.op_type != "Cast" for node in users):
        raise DataError("the decoder does not cast its z first: this bundle's graphs cannot be run without rounding")
    for node in decoder.graph.input:
        if node.name == "z":
            node.type.tensor_type.elem_type = TensorProto.FLOAT
    return decoder


def _run(session: onnxruntime.InferenceSession, available: dict[str, AnyArray]) -> dict[str, AnyArray]:
    names = [node.name for node in session.get_outputs()]
    feeds = {node.name: np.ascontiguousarray(available[node.name]) for node in session.get_inputs()}
    return dict(zip(names, session.run(names, feeds), strict=True))


def _joined(parts: Sequence[AnyArray]) -> FloatArray:
    sizes = {part.shape[2:] for part in parts}
    if len(sizes) != 1:
        raise DataError(f"the groups' maps are of several sizes, {sorted(sizes)}: the attack takes one")
    return np.concatenate(parts, 1).astype(np.float32)
