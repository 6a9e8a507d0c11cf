"""The names of streams, buckets, subjects and keys in NATS.

Law: the name of a camera or subscription is one part of a subject, or one key, and comes back unchanged. Such names
have no `=`, so that it can stand for a dot, which would divide the subject.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """The names of one installation. prefix: all names begin with it; `CloudSettings.bus_name` sets it."""

    prefix: str

    @property
    def frames(self) -> str:
        """The name of the stream of frames."""
        return f"{self.prefix}-frames"

    @property
    def cameras(self) -> str:
        """The name of the bucket of cameras."""
        return f"{self.prefix}-cameras"

    @property
    def wishes(self) -> str:
        """The name of the bucket of wishes."""
        return f"{self.prefix}-wishes"

    @property
    def alive(self) -> str:
        """The subject of the replicas' beats."""
        return f"{self.prefix}.alive"

    def frames_of(self, camera_id: str) -> str:
        """Return the subject of a camera's frames; `*` stands for all cameras."""
        return f"{self.prefix}.frames.{as_key(camera_id)}"


def as_key(name: str) -> str:
    """Return the name of a camera or subscription as a key, or as one part of a subject."""
    return name.replace(".", "=")


def name_in(subject: str) -> str:
    """Return the name with which the subject of a frame or of a bucket's entry ends."""
    return subject.rpartition(".")[2].replace("=", ".")
