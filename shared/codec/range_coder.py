"""The range coder: symbols with 16-bit frequencies become the fewest bytes, and the bytes the same symbols.

    [start, freq) of each symbol --encode--> payload --RangeDecoder--> the symbols

The interval [low, low + span) begins as [0, 2^56). A symbol narrows it: r = span >> 16, low += r*start, span = r*freq.
While span < 2^48, both are multiplied by 2^8. `low` is one integer of unbounded size, so that no carry can be got
wrong. To keep the loop's numbers small, its settled bytes go to a list. Its entries may exceed 255 and are added up at
the end.

Laws: decode(encode(x)) == x. A payload is accepted only if encode writes it: the smallest of the shortest byte strings
whose zero-extended value lies in the final interval.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from shared.errors import CorruptBitstream

FREQUENCY_BITS = 16
"""Every table's frequencies add up to 2^16."""

_SPAN_BITS = 56
"""The width of the interval at the start.

r = span >> 16 keeps 32 bits or more, so that rounding costs less than 2^-32 of a bit and a half a symbol. Every product
stays in two of CPython's 30-bit digits.
"""

_SPAN_BYTES = _SPAN_BITS // 8
_TOTAL = 1 << FREQUENCY_BITS
_BIT_TABLE = (0, _TOTAL // 2, _TOTAL)
_FLOOR = 1 << (_SPAN_BITS - 8)
_LOW_MASK = _FLOOR - 1


def encode(starts: Sequence[int], frequencies: Sequence[int]) -> bytes:
    """Return the payload of a sequence of symbols.

    starts, frequencies: plain Python integers, one pair a symbol, with 0 <= start, 1 <= frequency and start + frequency
    <= 2^16. (Lists are twice as fast here as arrays.)
    """
    low, span = 0, 1 << _SPAN_BITS
    settled: list[int] = []
    settle = settled.append
    for start, frequency in zip(starts, frequencies, strict=True):
        r = span >> 16
        low += r * start
        span = r * frequency
        while span < _FLOOR:
            settle(low >> 48)
            low = (low & _LOW_MASK) << 8
            span <<= 8
    return _shortest_ending(_joined(settled, low), span, len(settled) + _SPAN_BYTES)


def _joined(settled: Sequence[int], low: int) -> int:
    """Join the unbounded `low`: the settled entries (0..511, a carry in bit 8) as bytes, then the bits still in motion."""
    carries = int.from_bytes(bytes(entry >> 8 for entry in settled), "big")
    digits = int.from_bytes(bytes(entry & 255 for entry in settled), "big")
    return (((carries << 8) + digits) << _SPAN_BITS) + low


def _shortest_ending(low: int, span: int, length: int) -> bytes:
    """Return the smallest of the shortest strings whose value, zero-extended to `length` bytes, is in [low, low + span)."""
    shortest, dropped = low, 0
    for drop in range(1, length + 1):
        rounded_up = -(-low >> (8 * drop))
        if rounded_up << (8 * drop) >= low + span:
            break
        shortest, dropped = rounded_up, drop
    return shortest.to_bytes(length - dropped, "big")


class RangeDecoder:
    """Reads symbols from one payload; `finish` then checks that the payload is what `encode` writes.

    Work is bounded by the number of symbols asked for: past its end a payload reads as zeros.
    """

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._code = int.from_bytes(payload[:_SPAN_BYTES].ljust(_SPAN_BYTES, b"\0"), "big")
        self._span = 1 << _SPAN_BITS
        self._position = _SPAN_BYTES

    def until_escape(self, tables: Iterator[Sequence[int]]) -> list[int]:
        """Return one symbol index for each table, and stop early behind the first symbol that is its table's last.

        tables: rising lists of plain integers from 0 to 2^16; the iterator is left at the first table not used. Raises
        CorruptBitstream where no encoder can have been.
        """
        payload, size = self._payload, len(self._payload)
        code, span, position = self._code, self._span, self._position
        found: list[int] = []
        append = found.append
        for table in tables:
            r = span >> 16
            index = bisect_right(table, code // r) - 1
            start = table[index]
            if start == _TOTAL:
                raise CorruptBitstream(
                    "the payload leaves the coder's interval: it was damaged; ask for the frame again"
                )
            end = table[index + 1]
            code -= r * start
            span = r * (end - start)
            append(index)
            while span < _FLOOR:
                code = code << 8 | (payload[position] if position < size else 0)
                position += 1
                span <<= 8
            if end == _TOTAL:
                break
        self._code, self._span, self._position = code, span, position
        return found

    def bit(self) -> int:
        """Read one bit of probability 1/2."""
        return self.until_escape(iter((_BIT_TABLE,)))[0]

    def finish(self) -> None:
        """Raise CorruptBitstream unless the payload is, byte for byte, what `encode` writes for the symbols read."""
        value = int.from_bytes(self._payload[: self._position].ljust(self._position, b"\0"), "big")
        canonical = _shortest_ending(value - self._code, self._span, self._position)
        if canonical != self._payload:
            raise CorruptBitstream(
                "the payload does not end the way the coder ends it: it was damaged; ask for the frame again"
            )
