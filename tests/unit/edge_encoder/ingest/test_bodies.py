"""Bodies as they come: compressed, in pieces, too large. They are read from a request that no server made."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
from starlette.requests import Request

from edge_encoder.ingest.admission import PostLimits
from edge_encoder.ingest.bodies import Bodies
from shared.errors import Busy, ImageError, TooLarge, UnsupportedEncoding

PICTURE = b"\xff\xd8\xff" + bytes(range(256)) * 30
LIMITS = PostLimits(picture_bytes=10_000, reading_bytes=15_000, deadline_seconds=5)


def request(body: bytes, step: int = 1000, **headers: str) -> Request:
    pieces = [body[at : at + step] for at in range(0, len(body), step)] or [b""]

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": named}, receive)


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.asyncio
@pytest.mark.parametrize("step", [1, 7, 100_000])
async def test_a_compressed_body_is_the_picture_in_it(step: int) -> None:
    halves = gzip.compress(PICTURE[:3000]) + gzip.compress(PICTURE[3000:]) + bytes(20)
    for encoding, body in (
        ("", PICTURE),
        ("identity", PICTURE),
        ("gzip", gzip.compress(PICTURE)),
        ("X-GZip", halves),
        ("deflate", zlib.compress(PICTURE)),
        ("deflate", bare_deflate(PICTURE)),
    ):
        assert await Bodies(LIMITS).read(request(body, step, content_encoding=encoding)) == PICTURE


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip"])
async def test_an_encoding_that_is_not_taken_is_named(encoding: str) -> None:
    with pytest.raises(UnsupportedEncoding, match=encoding):
        await Bodies(LIMITS).read(request(PICTURE, content_encoding=encoding))


@pytest.mark.asyncio
async def test_a_bomb_is_stopped_at_the_bound() -> None:
    bodies = Bodies(LIMITS)
    for bomb in (gzip.compress(bytes(50_000_000)), gzip.compress(bytes(6000)) * 3, gzip.compress(b"") * 1000):
        with pytest.raises(TooLarge):
            await bodies.read(request(bomb, 100_000, content_encoding="gzip"))
    with pytest.raises(TooLarge):
        await bodies.read(request(bytes(20_000)))
    assert await bodies.read(request(PICTURE)) == PICTURE, "a refused body gives back its room"


@pytest.mark.asyncio
async def test_a_damaged_or_cut_body_is_refused() -> None:
    for wrong in (gzip.compress(PICTURE)[:-20], b"\x1f\x8bnot gzip at all", PICTURE):
        with pytest.raises(ImageError, match="compressed body"):
            await Bodies(LIMITS).read(request(wrong, content_encoding="gzip"))


@pytest.mark.asyncio
async def test_all_bodies_together_are_bounded() -> None:
    bodies = Bodies(PostLimits(picture_bytes=10_000, reading_bytes=5_000, deadline_seconds=5))
    with pytest.raises(Busy):
        await bodies.read(request(PICTURE))
    with pytest.raises(ImageError, match="there is no picture"):
        await bodies.read(request(b""))
