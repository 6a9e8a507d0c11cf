from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.codec.range_coder import RangeDecoder, encode
from shared.errors import CorruptBitstream
from tests.support.fixed_models import scattered

TABLES = (
    (0, 32768, 65536),
    (0, 1, 65535, 65536),
    (0, 65534, 65535, 65536),
    (0, 1, 2, 65536),
    (0, 7, 799, 14841, 50694, 64736, 65528, 65535, 65536),
)

symbols = st.lists(
    st.integers(0, len(TABLES) - 1).flatmap(lambda t: st.tuples(st.just(t), st.integers(0, len(TABLES[t]) - 2))),
    max_size=300,
)


def payload_of(chosen: Sequence[tuple[int, int]]) -> bytes:
    starts = [TABLES[t][i] for t, i in chosen]
    return encode(starts, [TABLES[t][i + 1] - start for (t, i), start in zip(chosen, starts, strict=True)])


def read(payload: bytes, chosen: Sequence[tuple[int, int]]) -> list[int]:
    decoder = RangeDecoder(payload)
    upcoming = iter([TABLES[t] for t, _ in chosen])
    found: list[int] = []
    while len(found) < len(chosen):
        found += decoder.until_escape(upcoming)
    decoder.finish()
    return found


def big_integer_payload(chosen: Sequence[tuple[int, int]]) -> bytes:
    """The format page's own words, with one unbounded integer."""
    low, span, n = 0, 1 << 56, 7
    for t, i in chosen:
        r = span >> 16
        low, span = low + r * TABLES[t][i], r * (TABLES[t][i + 1] - TABLES[t][i])
        while span < 1 << 48:
            low, span, n = low << 8, span << 8, n + 1
    best = max(d for d in range(n + 1) if -(-low // 256**d) * 256**d < low + span)
    return (-(-low // 256**best)).to_bytes(n - best, "big")


@given(symbols)
def test_decoding_returns_what_was_encoded(chosen: list[tuple[int, int]]) -> None:
    assert read(payload_of(chosen), chosen) == [i for _, i in chosen]


@given(symbols)
def test_settled_bytes_change_nothing_against_one_big_integer(chosen: list[tuple[int, int]]) -> None:
    assert payload_of(chosen) == big_integer_payload(chosen)


def test_carries_run_through_many_settled_bytes() -> None:
    # The symbols of the value 0x80 keep `low` at 0x7fffff..., until a symbol from above carries through all of it.
    straddling = [(4, i) for i in RangeDecoder(b"\x80").until_escape(iter([TABLES[4]] * 120))]
    assert len(straddling) == 120
    settled = 0
    for length in range(0, 120, 3):
        payload = payload_of([*straddling[:length], (4, 7), (4, 7)])
        assert payload == big_integer_payload([*straddling[:length], (4, 7), (4, 7)])
        settled = max(settled, len(payload) - len(payload[1:].lstrip(b"\0")))
    assert settled > 10, "a carry has left a row of zero bytes behind"


def test_long_sequences_round_trip() -> None:
    chosen = [(t % 5, abs(i) % (len(TABLES[t % 5]) - 1)) for t, i in enumerate(scattered(1500, 3, 1000))]
    assert payload_of(chosen) == big_integer_payload(chosen)
    assert read(payload_of(chosen), chosen) == [i for _, i in chosen]


@given(symbols)
def test_the_payload_is_within_a_byte_of_the_information(chosen: list[tuple[int, int]]) -> None:
    bits = sum(16 - math.log2(TABLES[t][i + 1] - TABLES[t][i]) for t, i in chosen)
    assert 8 * len(payload_of(chosen)) < 1.0001 * bits + 8.001


@given(symbols)
def test_no_payload_ends_in_a_zero_byte(chosen: list[tuple[int, int]]) -> None:
    assert not payload_of(chosen).endswith(b"\0")


def test_no_symbols_cost_no_bytes() -> None:
    assert encode([], []) == b""
    RangeDecoder(b"").finish()


@given(symbols, st.integers(1, 3))
def test_a_longer_payload_is_refused(chosen: list[tuple[int, int]], more: int) -> None:
    with pytest.raises(CorruptBitstream, match="does not end"):
        read(payload_of(chosen) + b"\0" * more, chosen)


@given(symbols.filter(lambda chosen: len(payload_of(chosen)) > 0), st.data())
def test_a_flipped_bit_changes_the_symbols_or_is_refused(chosen: list[tuple[int, int]], data: st.DataObject) -> None:
    payload = payload_of(chosen)
    place = data.draw(st.integers(0, 8 * len(payload) - 1))
    flipped = bytearray(payload)
    flipped[place // 8] ^= 1 << place % 8
    with contextlib.suppress(CorruptBitstream):
        assert read(bytes(flipped), chosen) != [i for _, i in chosen]


def test_a_value_beyond_the_interval_is_refused() -> None:
    with pytest.raises(CorruptBitstream, match="leaves the coder's interval"):
        read(b"\xff" * 40, [(4, 0), (3, 0)] * 20)
