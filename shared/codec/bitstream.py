"""The bitstream of one frame (docs/format.md, version 1): a header and one substream for each task group.

    bytes --parse--> Bitstream --serialise--> bytes        cut: keeps the substreams of some groups and codes nothing anew

This module knows the framing alone; `shared.codec.entropy_codec` says what a payload means.
Law: serialise(parse(b)) == b for every b that parse accepts, and parse accepts nothing else.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from shared.errors import (
    CorruptBitstream,
    NotABitstream,
    TruncatedBitstream,
    UnknownBitstreamVersion,
    UnknownName,
    WrongBundle,
)

MAGIC = 0xA7
VERSION = 1

_PREFIX_BYTES = 4
_CRC_BYTES = 4
_HAS_INPUT_SIZE = 1
_LARGEST_VARINT_BYTES = 3


@dataclass(frozen=True)
class Substream:
    """The part of a frame that belongs to one task group.

    group_id, rate: 0..15. crc: the CRC-32C of the decoded symbols (see the codec). payload: the bytes of the range
    coder.
    """

    group_id: int
    rate: int
    crc: int
    payload: bytes

    @property
    def size_bytes(self) -> int:
        """The size in the bitstream, with the header, the check sum and the payload."""
        return 1 + len(_varint(len(self.payload))) + _CRC_BYTES + len(self.payload)


@dataclass(frozen=True)
class Bitstream:
    """The bitstream of one frame.

    digest_prefix: the first 4 bytes of the bundle's digest. substreams: at least one, with rising group ids.
    input_size: (height, width) of the network's input in units of 32 pixels, 1..255 each; None for the bundle's own.
    """

    digest_prefix: bytes
    substreams: tuple[Substream, ...]
    input_size: tuple[int, int] | None = None

    @property
    def header_bytes(self) -> int:
        """The size of what stands before the first substream."""
        return 2 + _PREFIX_BYTES + len(self.input_size or ())

    def require_bundle(self, digest: bytes) -> None:
        """Raise WrongBundle unless this was written with the bundle of that digest (32 bytes)."""
        if digest[:_PREFIX_BYTES] != self.digest_prefix:
            raise WrongBundle(self.digest_prefix, digest[:_PREFIX_BYTES])


def build(digest: bytes, substreams: Collection[Substream], input_size: tuple[int, int] | None = None) -> Bitstream:
    """Return a bitstream of the substreams, in the order that the format asks for. digest: the bundle's 32 bytes."""
    ordered = tuple(sorted(substreams, key=lambda substream: substream.group_id))
    return Bitstream(digest[:_PREFIX_BYTES], ordered, input_size)


def serialise(bitstream: Bitstream) -> bytes:
    """Return the bytes of a bitstream; raises ValueError for one that the format cannot hold."""
    groups = [substream.group_id for substream in bitstream.substreams]
    if not groups or groups != sorted(set(groups)) or len(bitstream.digest_prefix) != _PREFIX_BYTES:
        raise ValueError(f"a bitstream needs a 4-byte digest prefix and rising group ids, not {groups}")
    flags = 0 if bitstream.input_size is None else _HAS_INPUT_SIZE
    parts = [bytes([MAGIC, VERSION << 4 | flags]), bitstream.digest_prefix, bytes(bitstream.input_size or ())]
    for substream in bitstream.substreams:
        if not (0 <= substream.group_id < 16 and 0 <= substream.rate < 16):
            raise ValueError(f"group id and rate are 0..15, not {substream.group_id} and {substream.rate}")
        parts += [
            bytes([substream.group_id << 4 | substream.rate]),
            _varint(len(substream.payload)),
            substream.crc.to_bytes(_CRC_BYTES, "little"),
            substream.payload,
        ]
    return b"".join(parts)


def parse(data: bytes) -> Bitstream:
    """Read the bitstream that fills `data` exactly; raises a BitstreamError that says what is wrong."""
    reader = _Reader(data)
    if reader.take(1, "the magic byte")[0] != MAGIC:
        raise NotABitstream(f"the first byte is {data[0]:#04x}, not {MAGIC:#04x}: this is no Taxon bitstream")
    version, flags = divmod(reader.take(1, "the version")[0], 16)
    if version != VERSION:
        raise UnknownBitstreamVersion(version, VERSION)
    if flags & ~_HAS_INPUT_SIZE:
        raise CorruptBitstream(f"unknown flags {flags:#03x} in the header: damaged; ask for the frame again")
    prefix = reader.take(_PREFIX_BYTES, "the bundle's digest")
    input_size: tuple[int, int] | None = None
    if flags & _HAS_INPUT_SIZE:
        height, width = reader.take(2, "the input size")
        input_size = (height, width)
        if 0 in input_size:
            raise CorruptBitstream("the input size in the header is 0: damaged; ask for the frame again")
    substreams = [_substream(reader)]
    while not reader.at_end:
        substreams.append(_substream(reader))
        if substreams[-1].group_id <= substreams[-2].group_id:
            raise CorruptBitstream("group ids do not rise: damaged; ask for the frame again")
    return Bitstream(prefix, tuple(substreams), input_size)


def cut(bitstream: Bitstream, groups: Collection[int]) -> Bitstream:
    """Return the same frame with the substreams of these group ids alone; raises UnknownName for one that is missing."""
    present = [substream.group_id for substream in bitstream.substreams]
    for group in groups:
        if group not in present:
            raise UnknownName("group id", group, present)
    kept = tuple(substream for substream in bitstream.substreams if substream.group_id in groups)
    if not kept:
        raise ValueError("a bitstream holds at least one group: name the groups to keep")
    return replace(bitstream, substreams=kept)


class _Reader:
    """A position in the bytes, with an error that says what was expected there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def at_end(self) -> bool:
        return self._position == len(self._data)

    def take(self, count: int, what: str) -> bytes:
        taken = self._data[self._position : self._position + count]
        if len(taken) < count:
            raise TruncatedBitstream(f"it ends after {len(self._data)} bytes, within {what}; ask for the frame again")
        self._position += count
        return taken


def _substream(reader: _Reader) -> Substream:
    group_id, rate = divmod(reader.take(1, "a substream's group")[0], 16)
    length = _read_varint(reader)
    crc = int.from_bytes(reader.take(_CRC_BYTES, "a substream's check sum"), "little")
    return Substream(group_id, rate, crc, reader.take(length, "a substream's payload"))


def _varint(number: int) -> bytes:
    """Write a number in LEB128, in its shortest form."""
    encoded = bytearray()
    while number >= 128:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    if len(encoded) > _LARGEST_VARINT_BYTES:
        raise ValueError("a payload is shorter than 2 MiB")
    return bytes(encoded)


def _read_varint(reader: _Reader) -> int:
    number = 0
    for place in range(_LARGEST_VARINT_BYTES):
        byte = reader.take(1, "a payload's length")[0]
        number |= (byte & 127) << (7 * place)
        if byte < 128:
            if byte == 0 and place > 0:
                break
            return number
    raise CorruptBitstream("a payload's length is not in its shortest form: damaged; ask for the frame again")
