"""Where a bitstream's bytes are: in its header, and in the substream of each group."""

from __future__ import annotations

from dataclasses import dataclass

from shared.codec.bitstream import parse
from shared.model.bundle import Bundle


@dataclass(frozen=True)
class BitstreamSizes:
    """Bytes of the header and of each group's substream (its group byte, length and check sum included)."""

    header: int
    groups: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """The length of the bitstream."""
        return self.header + sum(size for _, size in self.groups)

    def line(self) -> str:
        """Return the total and its parts, for people."""
        parts = ", ".join(f"{name} {size}" for name, size in (("header", self.header), *self.groups))
        return f"{self.total} bytes ({parts})"


def sizes_of(bundle: Bundle, data: bytes) -> BitstreamSizes:
    """Return the sizes of a bitstream that was written with the bundle (docs/format.md); they add up to its length."""
    bitstream = parse(data)
    groups = ((bundle.group_with_id(one.group_id).name, one.size_bytes) for one in bitstream.substreams)
    return BitstreamSizes(bitstream.header_bytes, tuple(groups))
