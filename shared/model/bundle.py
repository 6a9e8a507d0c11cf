"""A model bundle on disk: it is checked once, then trusted and typed.

    models/<name>/<version>/ --Bundle.load--> Bundle --codec(group)--> EntropyCodec

Law: nothing of a bundle is used before the presence, size and SHA-256 of every file are checked against the manifest.
The manifest's own SHA-256 is the digest that edge and cloud compare.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from shared.codec.cdf_tables import CdfTables
from shared.codec.entropy_codec import EntropyCodec
from shared.codec.hyper_synthesis import HyperSynthesis
from shared.errors import BundleError, UnknownName
from shared.model.manifest import MANIFEST, FileEntry, Manifest, OperatingPoint, TaskGroup, read_manifest


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle whose files have all been checked.

    directory: its folder. digest: 32 bytes, the SHA-256 of manifest.json.
    """

    directory: Path
    manifest: Manifest
    digest: bytes

    @classmethod
    def load(cls, directory: Path | str) -> Bundle:
        """Read and verify a bundle; raises BundleError that names the file and the reason."""
        root = Path(directory)
        path = root / MANIFEST
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BundleError(str(path), f"cannot be read ({error.strerror}); is this a bundle's directory?") from error
        manifest = read_manifest(data, str(path))
        for relative, entry in manifest.files.items():
            _verify(root, relative, entry)
        return cls(root, manifest, hashlib.sha256(data).digest())

    @property
    def id(self) -> str:
        """The name, version and first four bytes of the digest, for people and logs."""
        return f"{self.manifest.name}/{self.manifest.version} ({self.digest[:4].hex()})"

    def path(self, relative: str) -> Path:
        """Return a listed file's place on disk; raises BundleError for a file that the manifest does not list."""
        if relative not in self.manifest.files:
            raise BundleError(relative, f"is not listed in the manifest of {self.id}")
        return self.directory / relative

    def group(self, name: str) -> TaskGroup:
        """Return the group of that name; raises UnknownName."""
        return self.manifest.group(name)

    def group_with_id(self, group_id: int) -> TaskGroup:
        """Return the group that a substream's id means; raises UnknownName."""
        for group in self.manifest.groups:
            if group.id == group_id:
                return group
        raise UnknownName("group id", group_id, (group.id for group in self.manifest.groups))

    def operating_point(self, rate: int) -> OperatingPoint:
        """Return the operating point of that number; raises UnknownName."""
        for point in self.manifest.operating_points:
            if point.rate == rate:
                return point
        raise UnknownName("operating point", rate, (point.rate for point in self.manifest.operating_points))

    def tables(self) -> CdfTables:
        """Read the CDF tables, which the groups share; raises BundleError."""
        return CdfTables.load(self.path(self.manifest.cdf_tables))

    def codec(self, group: TaskGroup, tables: CdfTables) -> EntropyCodec:
        """Read a group's integer hyper-synthesis and make its codec; raises BundleError."""
        synthesis = HyperSynthesis.load(self.path(group.entropy), group.latent, group.side_information)
        if synthesis.rates != len(self.manifest.operating_points):
            raise BundleError(
                group.entropy,
                f"has {synthesis.rates} operating points, the manifest {len(self.manifest.operating_points)}",
            )
        return EntropyCodec(group.id, synthesis, tables, self.digest)

    def codecs(self) -> dict[str, EntropyCodec]:
        """Return the codecs of all groups, by name; raises BundleError."""
        tables = self.tables()
        return {group.name: self.codec(group, tables) for group in self.manifest.groups}


def _verify(root: Path, relative: str, entry: FileEntry) -> None:
    path = root / relative
    try:
        there = path.is_file()
    except OSError as error:  # a name longer than the file system's
        raise BundleError(relative, f"cannot be looked at ({error.strerror})") from error
    if not there:
        raise BundleError(relative, f"is listed in the manifest but missing in {root}; copy the bundle again")
    if not path.resolve().is_relative_to(root.resolve()):
        raise BundleError(relative, "is a link that leads out of the bundle; refused")
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            raise BundleError(relative, f"has {size} bytes, the manifest says {entry.bytes}; copy the bundle again")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BundleError(relative, f"cannot be read ({error.strerror})") from error
    if digest != entry.sha256:
        raise BundleError(relative, f"has the SHA-256 {digest}, the manifest says {entry.sha256}; copy it again")
