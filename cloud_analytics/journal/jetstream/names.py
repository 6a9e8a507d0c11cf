"""How things are called in NATS.

Law: a camera's or subscription's name is one part of a subject, or one key, and comes back unchanged: those names have no
`=`, which stands for the dot that would divide a subject.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """prefix: of everything; `CloudSettings.bus_name`."""

    prefix: str

    @property
    def frames(self) -> str:
        """The stream of frames."""
        return f"{self.prefix}-frames"

    @property
    def cameras(self) -> str:
        """The bucket of cameras."""
        return f"{self.prefix}-cameras"

    @property
    def wishes(self) -> str:
        """The bucket of wishes."""
        return f"{self.prefix}-wishes"

    @property
    def alive(self) -> str:
        """The subject of the replicas' beats."""
        return f"{self.prefix}.alive"

    def frames_of(self, camera_id: str) -> str:
        """The subject of a camera's frames; `*` for all cameras."""
        return f"{self.prefix}.frames.{as_key(camera_id)}"


def as_key(name: str) -> str:
    """A camera's or subscription's name as a key, or as one part of a subject."""
    return name.replace(".", "=")


def name_in(subject: str) -> str:
    """The name that a subject, of a frame or of a bucket's entry, ends with."""
    return subject.rpartition(".")[2].replace("=", ".")
