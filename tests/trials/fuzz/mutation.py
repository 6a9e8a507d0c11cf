"""Bytes to other bytes, knowing nothing of their format.  Law: the same random state gives the same bytes."""

from __future__ import annotations

from random import Random

TELLING_BYTES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
TELLING_NUMBERS = (
    *(0, 1, -1, 2, 15, 16, 127, 128, 255, 256, 32767, 32768, -32768, 65535, 65536, (1 << 20) - 1, 1 << 20),
    *(
        1 << 31,
        (1 << 31) - 1,
        1 << 32,
        (1 << 53) - 1,
        1 << 53,
        1 << 61,
        1 << 62,
        (1 << 63) - 1,
        -(1 << 63),
        (1 << 64) - 1,
    ),
)
"""The ends of integers of some width."""


def mutated(data: bytes, random: Random, other: bytes) -> bytes:
    """Make one to four changes: bits, bytes, pieces left out, doubled or taken from `other`."""
    made = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(made) + 1)
        until = min(len(made), at + random.choice((1, 1, 2, 4, 8, 32)))
        match random.randrange(7):
            case 0 if at < len(made):
                made[at] ^= 1 << random.randrange(8)
            case 1 if at < len(made):
                made[at] = random.choice(TELLING_BYTES)
            case 2:
                del made[at:until]
            case 3:
                made[at:at] = made[at:until]
            case 4:
                made[at:at] = random.randbytes(random.randint(1, 8))
            case 5 if other:
                begin = random.randrange(len(other))
                made[at:until] = other[begin : begin + random.randint(1, 32)]
            case 6 if random.randrange(4) == 0:
                del made[at:]
            case _ if made:
                made[random.randrange(len(made))] = random.randrange(256)
    return bytes(made)
