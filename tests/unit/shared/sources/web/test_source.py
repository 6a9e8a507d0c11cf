"""URLs as sources, each asked of a real server: pictures, streams, recordings, logins and every way of failing."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from shared.errors import SourceError, SourceRefused, SourceStalled
from shared.sources import SourceFrame, open_source, play
from shared.sources.state import SourceState
from shared.sources.web import client
from shared.sources.web.source import WebSource
from tests.support.clips import CLIP_FPS, index_of, write_clip
from tests.support.http_camera import HttpCamera, Lock, Reply, Request, http_camera, jpeg, tcp_camera

pytestmark = pytest.mark.starts_server

USER, PASSWORD = "user/1", "p@ss:w/o?rd#%41ü \"'\\"


def numbered(_: Request, number: int) -> Reply:
    """A picture whose grey is the number of the request."""
    return Reply(jpeg(10 * number))


def answering(reply: Reply, lock: Lock | None = None) -> HttpCamera:
    """A camera that gives the same answer to all."""
    return HttpCamera(lambda *_: reply, lock)


def first(url: str, fps: float | None = 20, count: int = 1) -> list[bytes]:
    """The first pictures of a URL, as its thread reads them."""
    with open_source(url, fps=fps) as source:
        found = [reading.picture for reading in itertools.islice(source.read(), count)]
    assert all(isinstance(picture, bytes) for picture in found)
    return [picture for picture in found if isinstance(picture, bytes)]


async def played(url: str, fps: float | None, seconds: float) -> list[SourceFrame]:
    found = []
    with open_source(url, fps=fps, loop=True) as source:
        async with aclosing(play(source)) as frames:
            try:
                async with asyncio.timeout(seconds):
                    async for frame in frames:
                        found.append(frame)
            except TimeoutError:
                pass
    return found


@pytest.mark.asyncio
async def test_a_picture_url_is_one_get_and_one_frame_a_second_on_one_connection() -> None:
    with http_camera(HttpCamera(numbered)) as camera:
        frames = await played(camera.url(), None, 2.5)
    assert [frame.picture for frame in frames] == [jpeg(0), jpeg(10), jpeg(20)]
    assert len(camera.requests) == 3, "each GET is a frame"
    assert np.diff([one.seconds for one in camera.requests]) == pytest.approx([1, 1], abs=0.2)
    assert len({one.client for one in camera.requests}) == 1, "the connection is kept"


@pytest.mark.asyncio
async def test_an_interval_is_kept() -> None:
    with http_camera(HttpCamera(numbered)) as camera:
        frames = await played(camera.url(), 10, 1.05)
    assert 9 <= len(frames) <= 11
    assert len(camera.requests) == len(frames)


@pytest.mark.asyncio
async def test_a_camera_that_is_slower_than_the_interval_is_asked_once_at_a_time() -> None:
    at_once, most = 0, 0

    def slow(_: Request, number: int) -> Reply:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.3)
        at_once -= 1
        return Reply(jpeg(number))

    with http_camera(HttpCamera(slow)) as camera:
        frames = await played(camera.url(), 20, 1.4)
    assert most == 1
    assert 3 <= len(frames) <= 5
    assert len(camera.requests) <= len(frames) + 1


@pytest.mark.parametrize(
    ("ways", "qop"),
    [
        (("basic",), None),
        (("MD5",), "auth"),
        (("MD5",), None),
        (("SHA-256",), "auth"),
        (("MD5", "SHA-256"), "auth,auth-int"),
        (("MD5",), "auth-int"),
        (("MD5-sess",), "auth"),
        (("SHA-512-256",), "auth"),
        (("basic", "MD5"), "auth"),
        (("CRC", "basic"), "auth"),
    ],
)
def test_a_login_is_shown_as_the_camera_wants_it(ways: tuple[str, ...], qop: str | None) -> None:
    lock = Lock(USER.encode(), PASSWORD.encode(), ways, qop, together=len(ways) > 1)
    with http_camera(HttpCamera(numbered, lock)) as camera:
        url = camera.url("/snap.jpg?channel=1&q=a b", f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}")
        assert first(url, count=3) == [jpeg(0), jpeg(10), jpeg(20)]
        assert len(camera.requests) == 4, "after the first question the login is shown at once"
        assert "Authorization" not in camera.requests[0].headers
        shown = [one.headers["Authorization"].split()[0] for one in camera.requests[1:]]
    assert set(shown) == {"Basic" if ways[-1] == "basic" else "Digest"}


def test_a_password_may_be_written_as_it_is() -> None:
    with http_camera(HttpCamera(numbered, Lock(b"admin", b"p@ss"))) as camera:
        assert first(camera.url(login="admin:p@ss")) == [jpeg(0)]


def test_a_nonce_that_has_grown_old_is_taken_anew() -> None:
    lock = Lock(b"admin", b"pass", ("MD5",))

    def numbered_once(request: Request, number: int) -> Reply:
        lock.nonce = f"nonce{number}"
        return numbered(request, number)

    camera = HttpCamera(numbered_once, lock)
    with http_camera(camera):
        assert len(first(camera.url(login="admin:pass"), count=4)) == 4


@pytest.mark.parametrize("way", ["basic", "MD5", "SHA-256"])
@pytest.mark.parametrize("stale", [False, True])
def test_a_wrong_password_is_refused_after_few_attempts_and_never_shown(way: str, stale: bool) -> None:
    with http_camera(HttpCamera(numbered, Lock(b"admin", b"right", (way,), stale=stale))) as camera:
        with pytest.raises(SourceRefused, match="401") as caught:
            first(camera.url(login="admin:wrongsecret"))
        assert len(camera.requests) <= 3
    assert "wrongsecret" not in str(caught.value)
    assert f"127.0.0.1:{camera.port}/snap.jpg" in str(caught.value)


@pytest.mark.asyncio
async def test_a_camera_that_refuses_a_login_is_not_asked_again_at_once() -> None:
    with http_camera(HttpCamera(numbered, Lock(b"admin", b"right"))) as camera:
        source = open_source(camera.url(login="admin:wrong"), loop=True)
        reading = threading.Thread(target=lambda: list(source.read()))
        reading.start()
        await asyncio.sleep(1.5)
        condition = source.status.condition()
        source.stopping.set()
        reading.join(5)
        assert not reading.is_alive()
    assert (condition.state, condition.breaks) == (SourceState.REFUSED, 1)
    assert "wrong" not in condition.error.replace("missing or wrong", "")
    assert len(camera.requests) == 2, "a camera may lock its user out after a few wrong passwords"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(status=404, content_type="text/html"), "404"),
        (Reply(status=403), "403"),
        (Reply(status=500), "500"),
        (Reply(b"<html>log in</html>", "text/html; charset=utf-8"), "page"),
        (Reply(b"<!DOCTYPE html><p>log in", None), "page"),
        (Reply(b'{"error": "busy"}', "application/json"), "page"),
        (Reply(b"<html>log in</html>", "image/jpeg"), "page"),
        (Reply(b"", "image/jpeg"), "without a body"),
        (Reply(b"", None), "without a body"),
        (Reply(status=204, content_type=None), "204"),
        (Reply(status=302, headers=[("Location", "/snap.jpg")]), "redirects"),
        (Reply(status=302, headers=[("Location", "ftp://host/")]), "redirects"),
        (Reply(status=302, headers=[("Location", "http://[")]), "redirects"),
        (Reply(status=302), "302"),
    ],
)
def test_what_is_no_picture_is_refused_clearly(reply: Reply, said: str) -> None:
    with http_camera(answering(reply)) as camera:
        with pytest.raises(SourceRefused, match=said):
            first(camera.url())
        assert len(camera.requests) <= client.MOST_REDIRECTS + 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(jpeg(10), "image/jpeg"),
        Reply(jpeg(10), "IMAGE/JPG; charset=binary"),
        Reply(jpeg(10), "application/octet-stream"),
        Reply(jpeg(10), "text/plain"),
        Reply(jpeg(10), "text/html"),
        Reply(jpeg(10), None),
        Reply(jpeg(10), "image/jpeg", length=False),
        Reply(b"\r\n" + jpeg(10), None),
        Reply(jpeg(10), "image/jpeg", status=203),
    ],
)
def test_a_picture_is_known_by_its_type_or_its_first_bytes_and_not_by_its_name(reply: Reply) -> None:
    with http_camera(answering(reply)) as camera:
        assert first(camera.url("/cgi-bin/video.mp4?user=1"), count=2) == [reply.body] * 2


def test_a_packed_answer_is_unpacked_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = Reply(gzip.compress(jpeg(10)), headers=[("Content-Encoding", "gzip")])
    with http_camera(answering(packed)) as camera:
        assert first(camera.url()) == [jpeg(10)]
        monkeypatch.setattr(client, "LARGEST_ANSWER_BYTES", 400)
        packed.body = gzip.compress(bytes(10_000))
        with pytest.raises(SourceRefused, match="more than"):
            first(camera.url())


@pytest.mark.parametrize("length", [True, False])
def test_an_answer_has_a_largest_size(length: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LARGEST_ANSWER_BYTES", 1000)
    with (
        http_camera(answering(Reply(bytes(2000), length=length))) as camera,
        pytest.raises(SourceRefused, match="more than"),
    ):
        first(camera.url())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_followed_and_the_lasting_ones_remembered(status: int) -> None:
    def redirecting(request: Request, number: int) -> Reply:
        if request.path == "/new/snap.jpg?a=1":
            return Reply(jpeg(10))
        return Reply(b"moved", "text/html", status, [("Location", "new/snap.jpg?a=1")])

    with http_camera(HttpCamera(redirecting, Lock(b"a", b"b", ("MD5",)))) as camera:
        assert first(camera.url(login="a:b"), count=3) == [jpeg(10)] * 3
        asked = [one.path for one in camera.let_in]
    assert asked.count("/snap.jpg") == (1 if status in client.PERMANENT else 3)


def test_a_login_is_not_shown_to_another_host() -> None:
    with http_camera(HttpCamera(numbered, Lock(b"a", b"b"))) as other:
        redirect = Reply(status=302, headers=[("Location", other.url())])
        with http_camera(answering(redirect, Lock(b"a", b"b"))) as camera:
            with pytest.raises(SourceRefused, match="401"):
                first(camera.url(login="a:b"))
            assert camera.let_in
        assert not other.let_in
        assert not any("Authorization" in one.headers for one in other.requests)


def test_a_picture_that_has_not_changed_is_a_frame_again() -> None:
    def tagged(request: Request, number: int) -> Reply:
        if request.headers.get("If-None-Match") == '"v1"':
            return Reply(status=304, content_type=None)
        return Reply(jpeg(10), headers=[("ETag", '"v1"')])

    with http_camera(HttpCamera(tagged)) as camera:
        assert first(camera.url(), count=3) == [jpeg(10)] * 3
        assert "If-None-Match" in camera.requests[1].headers


def test_an_answer_that_takes_too_long_is_a_stall_even_where_bytes_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.6)

    def dripping(connection: socketserver.StreamRequestHandler) -> None:
        connection.request.recv(4096)
        connection.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 9999\r\n\r\n\xff\xd8\xff"
        )
        while True:
            time.sleep(0.1)
            connection.wfile.write(b"x")

    def dripping_head(connection: socketserver.StreamRequestHandler) -> None:
        connection.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            time.sleep(0.1)
            connection.wfile.write(b"X-A: b\r\n")

    def silent(connection: socketserver.StreamRequestHandler) -> None:
        time.sleep(1.5)

    for answer in (dripping, dripping_head, silent):
        with tcp_camera(answer) as url:
            begun = time.monotonic()
            with pytest.raises(SourceStalled, match="stalled"):
                first(url)
            assert time.monotonic() - begun < 1.4


def broken(text: bytes) -> Callable[[socketserver.StreamRequestHandler], None]:
    def answer(connection: socketserver.StreamRequestHandler) -> None:
        connection.request.recv(4096)
        connection.wfile.write(text)

    return answer


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"", SourceError),
        (b"hello\r\n\r\n", SourceRefused),
        (b"SSH-2.0-OpenSSH_9.6\r\n", SourceRefused),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff", SourceError),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: image/jpeg\r\n\r\n40\r\n\xff\xd8",
            SourceError,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: image/jpeg\r\n\r\nzz\r\n\xff\xd8",
            SourceError,
        ),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500, SourceRefused),
    ],
)
def test_an_answer_that_is_broken_is_an_error_and_no_picture(text: bytes, kind: type[SourceError]) -> None:
    with tcp_camera(broken(text)) as url, pytest.raises(kind):
        first(url)


@pytest.mark.asyncio
async def test_a_camera_that_dies_and_comes_back_is_asked_again() -> None:
    with http_camera(HttpCamera(numbered)) as camera:
        source = open_source(camera.url(), fps=20, loop=True)
        frames = play(source)
        await anext(frames)
        camera.answer = lambda *_: Reply(status=503)
        async with asyncio.timeout(5):
            while source.status.condition().state is not SourceState.REFUSED:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await asyncio.sleep(1)
        camera.answer = numbered
        async with asyncio.timeout(5):
            while source.status.condition().state is not SourceState.LIVE:
                await asyncio.sleep(0.05)
        await frames.aclose()
    assert source.status.condition().breaks == 1


def test_a_kept_connection_that_the_camera_has_ended_is_opened_again() -> None:
    def ending(connection: socketserver.StreamRequestHandler) -> None:
        # It says that it keeps the connection, and ends it.
        broken(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\r\n\xff\xd8\xff")(connection)

    with tcp_camera(ending) as url:
        assert first(url, count=3) == [b"\xff\xd8\xff"] * 3


def stream(size: tuple[int, int] = (64, 48)) -> Iterator[bytes]:
    for index in range(500):
        body = jpeg(20 + 20 * (index % 11), size)
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
        yield head.encode() + body + b"\r\n"
        time.sleep(0.02)


def test_motion_jpeg_is_live_video_whatever_its_name() -> None:
    kind = "multipart/x-mixed-replace; boundary=frame"
    camera = HttpCamera(lambda *_: Reply(b"", kind, length=False, parts=stream()))
    with http_camera(camera), open_source(camera.url("/picture.jpg"), fps=10) as source:
        found = list(itertools.islice(source.read(), 3))
    assert all(isinstance(one.picture, np.ndarray) and one.due_seconds is None for one in found)


def test_a_video_without_an_end_is_live_and_one_with_an_end_a_recording(tmp_path: Path) -> None:
    content = write_clip(tmp_path / "clip.ts", 20, format="mpegts").read_bytes()
    for reply, is_live in (
        (Reply(content, "video/mp2t", length=False), True),
        (Reply(content, "video/mp2t"), False),
        (Reply(content, "application/octet-stream"), False),
        (Reply(content, None), False),
    ):
        with http_camera(answering(reply)) as camera, open_source(camera.url("/snap.jpg")) as source:
            found = list(itertools.islice(source.read(), 15 if is_live else None))
        assert len(found) == (15 if is_live else 20)
        assert all((one.due_seconds is None) is is_live for one in found)


def test_a_recording_of_a_server_is_thinned_and_looped_as_a_file_is(tmp_path: Path) -> None:
    content = write_clip(tmp_path / "clip.mp4", CLIP_FPS).read_bytes()
    with http_camera(answering(Reply(content, "video/mp4"), Lock(b"a", b"p@"))) as camera:
        source = open_source(camera.url("/clip", "a:p%40"), fps=0.5, loop=True)
        found = list(itertools.islice(source.read(), 4))
    assert [one.due_seconds for one in found] == pytest.approx([0, 2, 4, 6], abs=0.021)
    assert {index_of(one.picture) for one in found} == {0}


def test_the_name_of_a_source_has_no_password() -> None:
    source = open_source("http://admin:hunter2@127.0.0.1:1/snap.jpg")
    assert isinstance(source, WebSource)
    assert "hunter2" not in source.name
    with pytest.raises(SourceError, match="cannot be opened") as caught:
        list(source.read())
    assert "hunter2" not in str(caught.value)


def test_a_proxy_of_the_environment_is_asked_with_the_whole_address_and_its_own_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with http_camera(HttpCamera(numbered)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:p%40@127.0.0.1:{proxy.port}")
        assert first("http://camera.invalid/snap.jpg?a=1", count=2) == [jpeg(0), jpeg(10)]
    assert {one.path for one in proxy.requests} == {"http://camera.invalid:80/snap.jpg?a=1"}
    assert {one.headers["Proxy-Authorization"] for one in proxy.requests} == {"Basic bWU6cEA="}
    assert len({one.client for one in proxy.requests}) == 1


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_no_proxy_is_asked_for_this_machine_itself_or_what_no_proxy_names(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    with http_camera(HttpCamera(numbered)) as camera:
        assert first(camera.url()) == [jpeg(0)]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with pytest.raises(SourceError, match=r"through the proxy 127\.0\.0\.1:1 of"):
        first("http://camera.invalid/snap.jpg")
    with http_camera(answering(Reply(b"", status=502))) as refusing:
        monkeypatch.setenv("http_proxy", f"http://me:hunter2@127.0.0.1:{refusing.port}")
        with pytest.raises(SourceError, match=f"502 .* through the proxy 127.0.0.1:{refusing.port} of") as refused:
            first("http://camera.invalid/snap.jpg")
        assert "hunter2" not in str(refused.value)
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "camera.invalid")
    with pytest.raises(SourceError, match=r"cannot be opened \("):
        first("http://camera.invalid/snap.jpg")
