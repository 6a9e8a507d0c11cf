"""Where a bitstream's bytes are: its header and each group's substream, framing included."""

from __future__ import annotations

from dataclasses import dataclass

from shared.codec.bitstream import cut, parse, serialise
from shared.model.bundle import Bundle


@dataclass(frozen=True)
class Sizes:
    """Bytes of the header and of each group's substream (its group byte, length and check sum included)."""

    header: int
    groups: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """The length of the bitstream."""
        return self.header + sum(size for _, size in self.groups)

    def line(self) -> str:
        """For people: the total, then its parts."""
        parts = ", ".join(f"{name} {size}" for name, size in (("header", self.header), *self.groups))
        return f"{self.total} bytes ({parts})"


def sizes_of(bundle: Bundle, data: bytes) -> Sizes:
    """The sizes of a bitstream that was written with the bundle (docs/format.md); they add up to its length."""
    bitstream = parse(data)
    header = 6 if bitstream.input_size is None else 8
    return Sizes(
        header,
        tuple(
            (
                bundle.group_with_id(substream.group_id).name,
                len(serialise(cut(bitstream, [substream.group_id]))) - header,
            )
            for substream in bitstream.substreams
        ),
    )
