"""`taxon encode` on every kind of picture that we know.

What is refused ends in one line on stderr for each refused input, a non-zero exit status, and not a byte written.
"""

from __future__ import annotations

import pytest

from tests.integration.conftest import BAD, GOOD, Encoding
from tests.support.services import files_in

pytestmark = pytest.mark.starts_process


def stem(encoding: Encoding, name: str) -> str:
    """Inputs share stems (truncated.jpg, truncated.png), so all are named with their suffix."""
    (found,) = (path.name.removesuffix(".txn") for path in encoding.output.glob(f"{name}.*.txn"))
    return found


def test_the_good_pictures_among_bad_ones_are_encoded_and_nothing_else_is_written(encoding):
    assert encoding.finished.status == 1
    assert [name.split(".")[0] for name in files_in(encoding.output)] == sorted(GOOD)
    for name in GOOD:
        assert (
            f"{stem(encoding, name)}.txn: {len(encoding.bitstream(stem(encoding, name)))} bytes"
            in encoding.finished.out
        )


@pytest.mark.parametrize(("name", "said"), BAD.items())
def test_a_bad_picture_is_refused_in_one_line(encoding, name, said):
    assert len(encoding.finished.errors) == len(BAD)
    assert said in encoding.finished.error_about(name)


def test_a_turned_picture_is_turned_upright(encoding):
    assert encoding.bitstream("turned.png") == encoding.bitstream("upright.png")


def test_lossless_ways_to_store_the_same_picture_give_the_same_bytes(encoding):
    assert encoding.bitstream("alpha.png") == encoding.bitstream("upright.png")
    assert encoding.bitstream("webp.webp") == encoding.bitstream("upright.png")
    assert encoding.bitstream("grey16.png") == encoding.bitstream("grey.png")
