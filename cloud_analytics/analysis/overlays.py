"""Heads for further tasks, added beside a bundle; each is one ONNX file that describes itself (paper 3.2, phase two).

    <name>/<version>.overlay/<task>.onnx --load, check, try--> Overlay
    features and z of its group --run--> its result

The file's metadata_props are task, group, dtype, unit, shape ("1,H,W"), bundle_digest (hexadecimal) and, where the task
has classes, labels (a JSON list). Its inputs are among the group's decoder outputs (`feature_<task>`) and `z`; its
output is `result`.
Law: a file that does not keep to this, or whose result does not, is refused before anyone is offered its task.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud_analytics.decoding.decoder import Decoder
from shared.codec.latents import LatentBatch
from shared.contract.descriptions import TaskInfo
from shared.contract.packets import checked_name
from shared.errors import BundleError, TaxonError
from shared.model.bundle import Bundle
from shared.model.onnx_graphs import AnyArray, onnxruntime, session_options

FOLDER_SUFFIX = ".overlay"
LATENT_INPUT = "z"
RESULT = "result"
_DTYPES = ("float32", "uint8")
_FEATURE = "feature_"


@dataclass(frozen=True, eq=False)
class Overlay:
    """A loaded head.

    features: the tasks whose features it takes.
    takes_latent: True where it takes z, int32 [N, K].
    size: the sides that H and W stand for, in pixels.
    """

    path: Path
    task: TaskInfo
    features: tuple[str, ...]
    takes_latent: bool
    size: Mapping[str, int]
    _session: Any = field(repr=False)

    def run(self, features: Mapping[str, AnyArray], batch: LatentBatch) -> NDArray[Any]:
        """Return the results [N, ...] of N frames. Raises BundleError for a result that is not as promised.

        features: by task, at least those that this head takes.
        """
        feeds: dict[str, AnyArray] = {f"{_FEATURE}{name}": features[name] for name in self.features}
        if self.takes_latent:
            feeds[LATENT_INPUT] = batch.z.astype(np.int32)
        made: NDArray[Any] = self._session.run([RESULT], feeds)[0]
        shape = (len(batch), *(self.size.get(str(side), side) for side in self.task.sides))
        if made.dtype != np.dtype(self.task.dtype) or made.shape != shape:
            raise BundleError(
                str(self.path), f"gives {made.dtype} {made.shape}, its metadata says {self.task.dtype} {shape}"
            )
        return made


def load_overlay(path: Path, decoder: Decoder) -> Overlay:
    """Read, check and try a head of the decoder's bundle. Raises BundleError with the reason."""
    try:
        session = onnxruntime.InferenceSession(
            str(path), session_options(decoder.threads), providers=list(decoder.providers)
        )
    except Exception as error:  # ONNX Runtime raises errors of its own for whatever a file may be
        raise BundleError(str(path), f"is no ONNX graph that loads ({_one_line(error)})") from error
    inputs = [node.name for node in session.get_inputs()]
    if RESULT not in [node.name for node in session.get_outputs()]:
        raise BundleError(str(path), f"has no output {RESULT}")
    task = _task(session.get_modelmeta().custom_metadata_map, path, decoder.bundle)
    features = _features(inputs, path, decoder.bundle, task.group)
    manifest = decoder.bundle.manifest
    sides = {"H": manifest.input.height, "W": manifest.input.width}
    overlay = Overlay(path, task, features, LATENT_INPUT in inputs, sides, session)
    _try(overlay, decoder)
    return overlay


def _task(props: Mapping[str, str], path: Path, bundle: Bundle) -> TaskInfo:
    try:
        digest, group = props["bundle_digest"], bundle.group(props["group"])
        shape = ",".join(_side(side) for side in props["shape"].split(","))
        labels = json.loads(props.get("labels") or "[]")
        name = checked_name("task", props["task"])
        task = TaskInfo(name, group.name, shape, props["dtype"], props.get("unit", ""), tuple(labels), overlay=True)
    except KeyError as error:
        raise BundleError(str(path), f"its metadata lacks {error}") from error
    except (ValueError, TypeError, TaxonError) as error:
        raise BundleError(str(path), f"its metadata cannot be used ({error})") from error
    if digest.lower() != bundle.digest.hex():
        raise BundleError(str(path), f"was made for the bundle {digest[:16]}..., not for {bundle.id}")
    if task.name in bundle.manifest.tasks or task.name != path.stem:
        raise BundleError(str(path), f"its task {task.name} is the bundle's own, or not the file's name")
    if task.dtype not in _DTYPES or not all(isinstance(label, str) for label in task.labels):
        raise BundleError(str(path), f"its dtype must be one of {', '.join(_DTYPES)}, and its labels a list of texts")
    return task


def _side(text: str) -> str:
    side = text.strip()
    if side not in ("H", "W") and not 1 <= int(side) <= 65536:
        raise ValueError(f"a side of its shape is {side}, not 1 to 65536")
    return side


def _features(inputs: Sequence[str], path: Path, bundle: Bundle, group: str) -> tuple[str, ...]:
    known = {f"{_FEATURE}{task}": task for task in bundle.group(group).tasks}
    unknown = [name for name in inputs if name not in known and name != LATENT_INPUT]
    if unknown or not inputs:
        raise BundleError(
            str(path),
            f"takes {', '.join(unknown) or 'nothing'}; heads of {group} can take {', '.join([*known, LATENT_INPUT])}",
        )
    return tuple(known[name] for name in inputs if name in known)


def _try(overlay: Overlay, decoder: Decoder) -> None:
    """Run the head with one frame of zeros: what fails here would fail for every frame."""
    batch = zero_latents(decoder, overlay.task.group, 1)
    try:
        overlay.run(decoder.features(overlay.task.group, batch, overlay.features) if overlay.features else {}, batch)
    except BundleError:
        raise
    except Exception as error:  # as above
        raise BundleError(str(overlay.path), f"does not run ({_one_line(error)})") from error


def zero_latents(decoder: Decoder, group: str, frames: int) -> LatentBatch:
    """Return latents of zeros, to warm a network or to try it."""
    entry = decoder.bundle.group(group)
    return LatentBatch(
        np.zeros((frames, entry.latent.size), np.int64),
        np.zeros((frames, entry.side_information), np.int64),
        np.zeros(frames, np.int64),
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
