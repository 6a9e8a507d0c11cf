from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.codec.bitstream import Bitstream, Substream, build, cut, parse, serialise
from shared.errors import (
    BitstreamError,
    CorruptBitstream,
    NotABitstream,
    TruncatedBitstream,
    UnknownBitstreamVersion,
    UnknownName,
)

nibbles = st.integers(0, 15)
substreams = st.builds(Substream, nibbles, nibbles, st.integers(0, 2**32 - 1), st.binary(max_size=300))
bitstreams = st.builds(
    build,
    st.binary(min_size=32, max_size=32),
    st.lists(substreams, min_size=1, max_size=5, unique_by=lambda substream: substream.group_id),
    st.none() | st.tuples(st.integers(1, 255), st.integers(1, 255)),
)

DIGEST = bytes.fromhex("0102030405") + bytes(27)
ONE = build(DIGEST, [Substream(2, 1, 0x04030201, b"abc")])


def test_the_layout_is_the_format_pages() -> None:
    assert serialise(ONE).hex() == "a71001020304210301020304616263"
    sized = build(DIGEST, [Substream(2, 1, 0x04030201, bytes(200))], (8, 12))
    assert serialise(sized).hex() == "a71101020304080c21c80101020304" + "00" * 200


@given(bitstreams)
def test_parse_undoes_serialise(bitstream: Bitstream) -> None:
    assert parse(serialise(bitstream)) == bitstream


@given(bitstreams)
def test_the_sizes_of_the_parts_add_up_to_the_bytes(bitstream: Bitstream) -> None:
    whole = len(serialise(bitstream))
    assert bitstream.header_bytes + sum(one.size_bytes for one in bitstream.substreams) == whole


@given(bitstreams, st.data())
def test_whatever_parse_accepts_it_would_write_the_same(bitstream: Bitstream, data: st.DataObject) -> None:
    changed = bytearray(serialise(bitstream))
    place = data.draw(st.integers(0, min(len(changed), 24) - 1))
    changed[place] = data.draw(st.integers(0, 255))
    try:
        parsed = parse(bytes(changed))
    except BitstreamError:
        return
    assert serialise(parsed) == changed


@given(bitstreams)
def test_cutting_copies_and_never_recodes(bitstream: Bitstream) -> None:
    for substream in bitstream.substreams:
        alone = Bitstream(bitstream.digest_prefix, (substream,), bitstream.input_size)
        assert cut(bitstream, [substream.group_id]) == alone
        header = 6 if bitstream.input_size is None else 8
        assert serialise(alone)[header:] in serialise(bitstream)
    assert cut(bitstream, [one.group_id for one in bitstream.substreams]) == bitstream


def test_cutting_out_nothing_or_what_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown group id 3; choose one of: 2"):
        cut(ONE, [2, 3])
    with pytest.raises(ValueError, match="at least one group"):
        cut(ONE, [])


HEADER = "a71001020304"


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ("", TruncatedBitstream, "within the magic byte"),
        ("ffd8ffe0", NotABitstream, "first byte is 0xff, not 0xa7"),
        ("a7", TruncatedBitstream, "within the version"),
        ("a720010203042103", UnknownBitstreamVersion, "version 2 is unknown: this release reads version 1"),
        ("a712010203042103", CorruptBitstream, "unknown flags"),
        ("a71001", TruncatedBitstream, "within the bundle's digest"),
        ("a7110102030400", TruncatedBitstream, "within the input size"),
        ("a711010203040008", CorruptBitstream, "input size in the header is 0"),
        (HEADER, TruncatedBitstream, "within a substream's group"),
        (HEADER + "21", TruncatedBitstream, "within a payload's length"),
        (HEADER + "2103010203", TruncatedBitstream, "within a substream's check sum"),
        (HEADER + "2103010203046162", TruncatedBitstream, "within a substream's payload"),
        (HEADER + "21830001020304616263", CorruptBitstream, "not in its shortest form"),
        (HEADER + "2183808001010203", CorruptBitstream, "not in its shortest form"),
        (HEADER + "210001020304" + "210001020304", CorruptBitstream, "group ids do not rise"),
        (HEADER + "310001020304" + "210001020304", CorruptBitstream, "group ids do not rise"),
    ],
)
def test_damage_is_named(data: str, error: type[BitstreamError], message: str) -> None:
    with pytest.raises(error, match=message):
        parse(bytes.fromhex(data))


@pytest.mark.parametrize(
    "bitstream",
    [
        Bitstream(DIGEST[:4], ()),
        Bitstream(DIGEST[:3], ONE.substreams),
        Bitstream(DIGEST[:4], (Substream(2, 0, 0, b""), Substream(2, 1, 0, b""))),
        Bitstream(DIGEST[:4], (Substream(16, 0, 0, b""),)),
        Bitstream(DIGEST[:4], (Substream(0, 16, 0, b""),)),
        Bitstream(DIGEST[:4], (Substream(0, 0, 0, bytes(1 << 21)),)),
    ],
)
def test_what_the_format_cannot_hold_is_not_written(bitstream: Bitstream) -> None:
    with pytest.raises(ValueError):
        serialise(bitstream)
