"""The bundle loader: the manifest, and the integer arrays of the entropy model.

    manifest.json --Bundle.load--> Bundle, which can be told of on the wire
    .npz files --CdfTables, HyperSynthesis--> EntropyCodec --encode, decode--> the same latent

Law: only a BundleError is raised; a codec that is taken decodes what it encodes, whatever its numbers are.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from shared.codec.cdf_tables import CdfTables
from shared.codec.entropy_codec import EntropyCodec
from shared.codec.hyper_synthesis import HyperSynthesis
from shared.errors import BundleError, LatentError
from shared.model.bundle import Bundle
from shared.model.manifest import MANIFEST
from shared.wire import results_pb2
from tests.support import fixed_models
from tests.trials.fuzz.mutation import TELLING_NUMBERS, mutated
from tests.trials.fuzz.target import LawBroken, Target

_FILE, _TABLES_FILE, _SYNTHESIS_FILE, _TABLES_ARRAY, _SYNTHESIS_ARRAY = range(5)
MEMORY = Path("/dev/shm")
"""A folder in memory: files that live for one input need no disk."""

_STRANGE: tuple[Any, ...] = (
    *TELLING_NUMBERS,
    *(None, True, "", "\ud800", "../x", "a" * 300, "a/" * 3000, "\0", [], {}, -0.0, 1e308, 10**400, [[]], {"": {}}),
)


class BundleTarget(Target):
    """The first byte says what the others are: a manifest, a whole .npz, or (behind its number) one array of an otherwise good one."""

    name = "bundle"
    longest = 16384

    def __init__(self) -> None:
        made = fixed_models.tables()
        self._tables = {"radius": made.radius, "offset": made.offset, "cdf": made.cdf}
        self._arrays = fixed_models.arrays()
        self._good_tables = made
        self._good_synthesis = HyperSynthesis(self._arrays, fixed_models.SHAPE, fixed_models.SIDE)
        self._latents = [
            fixed_models.latent(seed, limit, seed % fixed_models.RATES) for seed, limit in ((1, 3), (5, 30000))
        ]
        self._members = {kind: [_npy(one) for one in arrays.values()] for kind, arrays in self._by_kind().items()}
        self._folder = Path()
        self._seeds = [bytes([_FILE]) + json.dumps(_manifest()).encode()]
        self._seeds += [bytes([_TABLES_FILE]) + _npz(self._tables), bytes([_SYNTHESIS_FILE]) + _npz(self._arrays)]
        for kind, members in self._members.items():
            self._seeds += [
                bytes([kind, number]) + one for number, one in enumerate(members) if len(one) < self.longest
            ]

    def opened(self) -> AbstractContextManager[object]:
        folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self._folder = Path(folder.name)
        for name in ("file", "heads"):
            (self._folder / name).write_bytes(b"x")
        return folder

    def seeds(self) -> Sequence[bytes]:
        return self._seeds

    def run(self, data: bytes) -> bool:
        kind, content = data[0] if data else _FILE, data[1:]
        try:
            if kind in (_TABLES_FILE, _TABLES_ARRAY):
                tables = CdfTables.load(self._written(kind, content))
                return self._codes(EntropyCodec(0, self._good_synthesis, tables, fixed_models.DIGEST))
            if kind in (_SYNTHESIS_FILE, _SYNTHESIS_ARRAY):
                path = self._written(kind, content)
                synthesis = HyperSynthesis.load(path, fixed_models.SHAPE, fixed_models.SIDE)
                return self._codes(EntropyCodec(0, synthesis, self._good_tables, fixed_models.DIGEST))
            return self._loaded(content)
        except BundleError:
            return False

    def mutate(self, data: bytes, random: Random) -> bytes:
        kind, content = data[:1], data[1:]
        if random.randrange(4) == 0:
            return super().mutate(data, random)
        if kind == bytes([_FILE]):
            return kind + _manifest_changed(content, random)
        if kind in (bytes([_TABLES_ARRAY]), bytes([_SYNTHESIS_ARRAY])):
            return kind + content[:1] + _array_changed(content[1:], random)
        return super().mutate(data, random)

    def _by_kind(self) -> dict[int, Mapping[str, Any]]:
        return {_TABLES_ARRAY: self._tables, _SYNTHESIS_ARRAY: self._arrays}

    def _written(self, kind: int, content: bytes) -> Path:
        path = self._folder / "arrays.npz"
        if kind in (_TABLES_FILE, _SYNTHESIS_FILE):
            path.write_bytes(content)
            return path
        names, members = tuple(self._by_kind()[kind]), list(self._members[kind])
        members[(content[0] if content else 0) % len(members)] = content[1:]
        with zipfile.ZipFile(path, "w") as archive:
            for name, member in zip(names, members, strict=True):
                archive.writestr(f"{name}.npy", member)
        return path

    def _codes(self, codec: EntropyCodec) -> bool:
        for latent in self._latents:
            try:
                coded = codec.encode(latent)
            except LatentError:
                continue
            found = codec.decode(coded.substream)
            if not (np.array_equal(found.z, coded.latent.z) and np.array_equal(found.v, coded.latent.v)):
                raise LawBroken("a bundle was taken whose codec does not decode what it encodes")
        return True

    def _loaded(self, manifest: bytes) -> bool:
        (self._folder / MANIFEST).write_bytes(manifest)
        bundle = Bundle.load(self._folder)
        # A served bundle is described to everybody who asks.
        named = bundle.manifest
        results_pb2.BundleDescription(
            name=named.name,
            version=named.version,
            input_width=named.input.width,
            input_height=named.input.height,
            operating_points=[point.name for point in named.operating_points],
            tasks=[results_pb2.TaskDescription(name=task.name, labels=task.labels) for task in named.tasks.values()],
        )
        return True


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npz(arrays: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _manifest() -> dict[str, Any]:
    """Return a small manifest that is taken: every graph is the file `file`."""
    latent = {"channels": 4, "height": 4, "width": 4, "vector": 5}
    files = dict.fromkeys(("encoder", "decoder", "reference", "entropy"), "file")
    group = {"name": "geometry", "id": 1, "tasks": ["normal", "principal_curvature"], "latent": latent}
    listed = {"bytes": 1, "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
    return {
        "format": 1,
        "name": "small",
        "version": "1",
        "input": {"height": 32, "width": 32},
        "backbone": "file",
        "cdf_tables": "file",
        "groups": [{**group, **files, "side_information": 6}],
        "tasks": {
            "normal": {"head": "file", "labels": ["a", "b"]},
            "principal_curvature": {"head": "heads", "minimum_radius_metres": 0.1},
        },
        "operating_points": [{"rate": 0, "name": "low"}],
        "default_rate": 0,
        "files": {"file": listed, "heads": listed},
        "measured": {},
    }


def _manifest_changed(content: bytes, random: Random) -> bytes:
    """Replace a value of it by a strange one, or by one more nested than anybody means."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return mutated(content, random, b'{"format": 1}')
    if random.randrange(50) == 0:
        return content[:-1] + b', "deep": ' + b"[" * 5000
    if not isinstance(document, dict | list):
        return mutated(content, random, b'{"format": 1}')
    where: Any = document
    for _ in range(random.randint(0, 4)):
        keys = list(where) if isinstance(where, dict) else list(range(len(where)))
        inner = [key for key in keys if isinstance(where[key], dict | list)]
        if inner and isinstance(where, dict | list):
            where = where[random.choice(inner)]
    if isinstance(where, dict) and where:
        key = random.choice(list(where))
        if random.randrange(8) == 0:
            where[str(random.choice(_STRANGE))] = where.pop(key)
        else:
            where[key] = random.choice(_STRANGE)
    elif isinstance(where, list):
        where.insert(random.randrange(len(where) + 1), random.choice(_STRANGE))
    with suppress(ValueError, RecursionError):
        return json.dumps(document).encode()
    return content


def _array_changed(content: bytes, random: Random) -> bytes:
    """Replace some of its numbers, or its type, or its shape."""
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:  # whatever numpy stumbles over: it is not an array any more
        return mutated(content, random, b"\x93NUMPY\x01\0v\0{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }")
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu" or array.size == 0:
        return mutated(content, random, b"")
    changed = array.copy()
    for _ in range(random.randint(1, 3)):
        place = random.randrange(changed.size)
        number = random.choice(TELLING_NUMBERS)
        changed.reshape(-1)[place] = np.array(number % (1 << 64), np.uint64).astype(changed.dtype)
    match random.randrange(8):
        case 0:
            changed = changed.astype(random.choice(("<u8", "<i4", ">i8", "<f8", "|u1", "<c16", "|S3")))
        case 1:
            changed = changed.reshape(-1)[: random.randrange(1, changed.size + 1)]
        case 2:
            changed = changed.T
    made = _npy(changed)
    return made if len(made) < BundleTarget.longest else content
