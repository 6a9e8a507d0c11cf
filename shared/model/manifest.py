"""A bundle's `manifest.json`: its typed form, read and written.

    bytes --read_manifest--> Manifest        pieces --write_manifest--> manifest.json with every file's size and SHA-256

Law: equal contents give equal bytes, so that a bundle's digest (the SHA-256 of those bytes) names its contents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from shared.codec.hyper_synthesis import LatentShape
from shared.contract.geometry import InputSize
from shared.errors import BundleError, UnknownName
from shared.model.tasks import TASKS

FORMAT = 1
MANIFEST = "manifest.json"
_LARGEST_COUNT = (1 << 53) - 1
"""The number up to which JSON is exact everywhere; the size of a file may need it."""
_LARGEST_SIDE = 255 * 32
"""The largest side of the input in pixels that the bitstream's header can say."""


@dataclass(frozen=True)
class TaskGroup:
    """A group of tasks that share a substream, and the files that make it.

    id: 0..15. side_information: V, the length of v.
    """

    name: str
    id: int
    tasks: tuple[str, ...]
    encoder: str
    decoder: str
    reference: str
    entropy: str
    latent: LatentShape
    side_information: int


@dataclass(frozen=True)
class TaskEntry:
    """A task as this bundle has it.

    labels: the names of its classes, where it has classes. minimum_radius_metres: the unit of curvature.
    """

    name: str
    head: str
    labels: tuple[str, ...] = ()
    minimum_radius_metres: float | None = None


@dataclass(frozen=True)
class OperatingPoint:
    """A trade of bits for quality. rate counts from 0, the fewest bits."""

    rate: int
    name: str


@dataclass(frozen=True)
class FileEntry:
    """A file's size in bytes and its SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The contents of `manifest.json`. Paths are relative to the bundle, with forward slashes."""

    name: str
    version: str
    input: InputSize
    backbone: str
    cdf_tables: str
    groups: tuple[TaskGroup, ...]
    tasks: Mapping[str, TaskEntry]
    operating_points: tuple[OperatingPoint, ...]
    default_rate: int
    files: Mapping[str, FileEntry]
    measured: Mapping[str, Any]

    def group(self, name: str) -> TaskGroup:
        """Return the group of that name; raises UnknownName."""
        for group in self.groups:
            if group.name == name:
                return group
        raise UnknownName("task group", name, (group.name for group in self.groups))

    def group_of(self, task: str) -> TaskGroup:
        """Return the group that carries a task; raises UnknownName."""
        for group in self.groups:
            if task in group.tasks:
                return group
        raise UnknownName("task", task, self.tasks)

    @property
    def graphs(self) -> tuple[str, ...]:
        """Every file that the manifest's other fields name."""
        of_groups = (path for g in self.groups for path in (g.encoder, g.decoder, g.reference, g.entropy))
        return (self.backbone, self.cdf_tables, *of_groups, *(task.head for task in self.tasks.values()))


def read_manifest(data: bytes, origin: str) -> Manifest:
    """Read a manifest; raises BundleError that names `origin` and what is missing, unknown or inconsistent."""
    try:
        document = json.loads(data)
        found = document["format"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        # RecursionError comes from brackets that are nested deeper than the interpreter goes.
        raise BundleError(origin, f"is no bundle manifest ({error!r})") from error
    if found != FORMAT:
        raise BundleError(
            origin,
            f"has format {found!r}, this release supports format {FORMAT}; update it, or export the bundle again",
        )
    try:
        manifest = _manifest(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BundleError(origin, f"a field is missing or has the wrong type ({error!r}); export again") from error
    _check(manifest, origin)
    return manifest


def write_manifest(
    directory: Path,
    *,
    name: str,
    version: str,
    input: InputSize,
    groups: Sequence[TaskGroup],
    tasks: Sequence[TaskEntry],
    operating_points: Sequence[OperatingPoint],
    default_rate: int,
    measured: Mapping[str, Any] | None = None,
    backbone: str = "backbone.onnx",
    cdf_tables: str = "cdf_tables.npz",
) -> bytes:
    """List every file that lies in `directory`, write `manifest.json` there, and return the bundle's digest.

    Everything else is written first, the model card included. Raises BundleError for a file that is named but missing.
    """
    files = {
        path.relative_to(directory).as_posix(): path
        for path in directory.rglob("*")
        if path.is_file() and path != directory / MANIFEST
    }
    document = {
        "format": FORMAT,
        "name": name,
        "version": version,
        "input": {"height": input.height, "width": input.width},
        "backbone": backbone,
        "cdf_tables": cdf_tables,
        "groups": [vars(group) | {"tasks": list(group.tasks), "latent": vars(group.latent)} for group in groups],
        "tasks": {task.name: _task_document(task) for task in tasks},
        "operating_points": [{"rate": point.rate, "name": point.name} for point in operating_points],
        "default_rate": default_rate,
        "files": {
            path: {"bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
            for path, file in sorted(files.items())
        },
        "measured": dict(measured or {}),
    }
    data = (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    read_manifest(data, str(directory / MANIFEST))
    (directory / MANIFEST).write_bytes(data)
    return hashlib.sha256(data).digest()


def _task_document(task: TaskEntry) -> dict[str, Any]:
    document: dict[str, Any] = {"head": task.head}
    if task.labels:
        document["labels"] = list(task.labels)
    if task.minimum_radius_metres is not None:
        document["minimum_radius_metres"] = task.minimum_radius_metres
    return document


def _manifest(document: dict[str, Any]) -> Manifest:
    return Manifest(
        name=_text(document["name"]),
        version=_text(document["version"]),
        input=InputSize(_count(document["input"]["height"]), _count(document["input"]["width"])),
        backbone=_text(document["backbone"]),
        cdf_tables=_text(document["cdf_tables"]),
        groups=tuple(_group(entry) for entry in document["groups"]),
        tasks={_text(name): _task(name, entry) for name, entry in document["tasks"].items()},
        operating_points=tuple(
            OperatingPoint(_count(point["rate"], 0), _text(point["name"])) for point in document["operating_points"]
        ),
        default_rate=_count(document["default_rate"], 0),
        files={
            _text(path): FileEntry(_count(entry["bytes"], 0), _text(entry["sha256"]))
            for path, entry in document["files"].items()
        },
        measured=dict(document["measured"]),
    )


def _group(entry: dict[str, Any]) -> TaskGroup:
    latent = entry["latent"]
    return TaskGroup(
        name=_text(entry["name"]),
        id=_count(entry["id"], 0),
        tasks=tuple(_text(task) for task in entry["tasks"]),
        encoder=_text(entry["encoder"]),
        decoder=_text(entry["decoder"]),
        reference=_text(entry["reference"]),
        entropy=_text(entry["entropy"]),
        latent=LatentShape(
            _count(latent["channels"]), _count(latent["height"]), _count(latent["width"]), _count(latent["vector"], 0)
        ),
        side_information=_count(entry["side_information"]),
    )


def _task(name: str, entry: dict[str, Any]) -> TaskEntry:
    radius = entry.get("minimum_radius_metres")
    return TaskEntry(
        name,
        _text(entry["head"]),
        tuple(_text(label) for label in entry.get("labels", ())),
        None if radius is None else float(radius),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    value.encode()  # JSON can say half of a surrogate pair, which no log and no message can: a ValueError
    return value


def _count(value: object, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LARGEST_COUNT:
        raise ValueError(f"{value!r} is not a whole number of at least {least} and at most {_LARGEST_COUNT}")
    return value


def _check(manifest: Manifest, origin: str) -> None:
    """Check that the bitstream's fields can hold the numbers, and that the manifest's parts agree with one another."""
    ids = [group.id for group in manifest.groups]
    carried = [task for group in manifest.groups for task in group.tasks]
    known = {task.name for task in TASKS}
    rates = [point.rate for point in manifest.operating_points]
    complaints = {
        "groups need different ids in 0..15": not ids or len(set(ids)) < len(ids) or max(ids) > 15,
        "every task of a group needs an entry in tasks, and the other way round": sorted(carried)
        != sorted(manifest.tasks),
        f"tasks must be among {', '.join(sorted(known))}": not known.issuperset(carried),
        "operating points must be numbered 0, 1, ... and be at most 16": rates != list(range(len(rates)))
        or not 1 <= len(rates) <= 16,
        "default_rate is no operating point": manifest.default_rate not in rates,
        f"the input's height and width are at most {_LARGEST_SIDE}": max(manifest.input.height, manifest.input.width)
        > _LARGEST_SIDE,
        "a latent's height and width are at most 255": any(
            max(group.latent.height, group.latent.width) > 255 for group in manifest.groups
        ),
    }
    for complaint, applies in complaints.items():
        if applies:
            raise BundleError(origin, complaint)
    for path in (*manifest.files, *manifest.graphs):
        if not _stays_inside(path):
            raise BundleError(origin, f"names the path {path!r}, which is not a plain path inside the bundle; refused")
    for path in manifest.graphs:
        if path not in manifest.files:
            raise BundleError(path, f"is named by {origin} but not listed under its files; export the bundle again")


def _stays_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    plain = path == pure.as_posix() and not pure.is_absolute() and path != "."
    return plain and ".." not in pure.parts and not any(character in path for character in "\\:\0")
