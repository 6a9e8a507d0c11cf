"""The codec without services: a picture becomes bytes, and the bytes become the tasks' results.

    picture --preprocess, encoder graphs, entropy codec--> bytes --entropy codec, decoder graphs, heads--> DecodedTasks

    codec = Codec.load()
    data = codec.encode("photo.jpg", rate=2)
    normals = codec.decode(data, tasks=("normal",))["normal"]

Laws: the bytes are those that the edge service makes of the same picture, and the results those of the cloud service.
A group that is not asked for costs neither time nor bits, and a task that is not asked for costs no time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import TaskResult, results
from cloud_analytics.rendering.render import labels_for, ranked
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess, preprocess_pixels
from shared.codec.bitstream import parse
from shared.contract.results import ClassProbability
from shared.model.bundle import Bundle
from taxon.defaults import load_bundle
from taxon.errors import InputError
from taxon.files import LARGEST_PICTURE_BYTES, read_bytes


class DecodedTasks(TypedDict, total=False):
    """The results of one picture, with a key for each task that was decoded.

    H and W are the height and width of the network's input; the picture was stretched to it. A normal's axes point right,
    up and towards the camera. Shading is 0 to 1. Principal curvatures k1 and k2 are -1 to 1, in units of 1 / (3 cm) with
    the shipped bundle.
    """

    class_scene: tuple[ClassProbability, ...]
    """Every class, most probable first."""
    class_object: tuple[ClassProbability, ...]
    segment_semantic: NDArray[np.uint8]
    """[H, W] of class ids; `Codec.labels` names them."""
    normal: NDArray[np.float32]
    """[H, W, 3] of unit vectors."""
    reshading: NDArray[np.float32]
    """[H, W]."""
    principal_curvature: NDArray[np.float32]
    """[H, W, 2]."""


@dataclass(frozen=True, eq=False)
class Codec:
    """Both halves of one bundle. Networks are loaded when they are first needed, and kept."""

    bundle: Bundle

    @classmethod
    def load(cls, bundle: Bundle | Path | str | None = None) -> Self:
        """Return the codec of a bundle, or of the bundle in a folder.

        Without one it is the folder that TAXON_BUNDLE names, else the shipped bundle. Raises BundleError or InputError.
        """
        if isinstance(bundle, Bundle):
            return cls(bundle)
        return cls(load_bundle(None if bundle is None else Path(bundle)))

    def encode(
        self,
        picture: bytes | Path | str | NDArray[np.uint8],
        rate: int | None = None,
        groups: Collection[str] | None = None,
    ) -> bytes:
        """Return the bitstream of one picture.

        picture: a file's path, its bytes (JPEG, PNG, WebP or AVIF), or upright RGB as uint8 [H, W, 3].
        rate: the operating point, 0 for the fewest bytes; None for the bundle's default.
        groups: the task groups to send; None for all. Raises ImageError, InputError or UnknownName.
        """
        wanted, size = chosen_groups(self.bundle, groups), self.bundle.manifest.input
        if isinstance(picture, np.ndarray):
            frame = preprocess_pixels(picture, size)
        else:
            frame = preprocess(picture if isinstance(picture, bytes) else _read(Path(picture)), size)
        return self._encoder.encode(frame.pixels, wanted, chosen_rate(self.bundle, rate)).bitstream

    def decode(self, data: bytes, tasks: Sequence[str] | None = None) -> DecodedTasks:
        """Return the results of one bitstream, for some tasks or for all whose group was sent.

        Raises a BitstreamError for bytes that are refused, MissingGroup for a task whose group was not sent, UnknownName.
        """
        # Each task has its own type of value, which mypy cannot follow through a key that is not a literal.
        return cast(DecodedTasks, {one.task.name: self._value(one) for one in self.results(data, tasks)})

    def results(self, data: bytes, tasks: Sequence[str] | None = None) -> tuple[TaskResult, ...]:
        """Return the same results as the networks give them: channels first, and a batch of one. Raises as `decode`."""
        if tasks is None:
            # Foreign bytes are refused here already; no group is decoded yet.
            self._decoder.latents(data, groups=())
            sent = {substream.group_id for substream in parse(data).substreams}
            tasks = [task for group in self.bundle.manifest.groups if group.id in sent for task in group.tasks]
        return results(self._decoder, [data], tasks)

    def labels(self, task: str) -> tuple[str, ...]:
        """Return the names of a task's classes, by class id; none for a task without classes. Raises UnknownName."""
        self.bundle.manifest.group_of(task)
        return self.bundle.manifest.tasks[task].labels

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self.bundle)

    @cached_property
    def _decoder(self) -> Decoder:
        return Decoder(self.bundle)

    def _value(self, result: TaskResult) -> tuple[ClassProbability, ...] | NDArray[Any]:
        """Return one task's value as DecodedTasks holds it."""
        values: NDArray[Any] = result.values[0]
        if not result.task.is_dense:
            return ranked(labels_for(self.labels(result.task.name), len(values)), values, len(values))
        if values.ndim == 2:
            return values
        channels_last = np.ascontiguousarray(np.moveaxis(values, 0, -1))
        return channels_last[..., 0] if channels_last.shape[-1] == 1 else channels_last


def chosen_groups(bundle: Bundle, names: Collection[str] | None) -> tuple[str, ...]:
    """Return the names of these groups in the bundle's order, or of all of them; raises UnknownName.

    names: at least one group, or None for all.
    """
    if names is not None and not names:
        raise ValueError("name at least one task group, or give None for all of the bundle")
    for name in names or ():
        bundle.group(name)
    return tuple(group.name for group in bundle.manifest.groups if names is None or group.name in names)


def chosen_rate(bundle: Bundle, rate: int | None) -> int:
    """Return this operating point, or the bundle's default; raises UnknownName."""
    return bundle.manifest.default_rate if rate is None else bundle.operating_point(rate).rate


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, LARGEST_PICTURE_BYTES)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
