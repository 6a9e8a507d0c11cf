"""The wall's addresses over real HTTP and real WebSockets: headers, bounds, refusals, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from prometheus_client import CollectorRegistry
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from cloud_analytics.frames import Lost
from cloud_analytics.wall import WallLimits, WallMetrics, add_wall
from shared.contract.results import Encoding
from shared.errors import Busy, Draining
from shared.model.bundle import Bundle
from shared.server.connections.http_limit import TOO_MANY, HttpConnectionLimit
from shared.server.http_server import WebServer, web_app
from shared.telemetry.metrics import Meters
from tests.support.wall import Feeder
from tests.unit.cloud_analytics.wall.frames import frame, picture

pytestmark = pytest.mark.starts_server

LIMITS = WallLimits(poll_seconds=0.1)
ALL_ON = '{"type":"want","new_cameras":["normal","class_scene"],"cameras":{}}'


@dataclass
class Wall:
    feeder: Feeder
    port: int
    registry: CollectorRegistry

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"taxon_cloud_wall_{name}", labels) or 0.0

    def socket(self, **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}/wall/socket", **options)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            return await client.get(path, headers=headers)


@pytest.fixture
def feeder(tiny_bundle: Bundle, tmp_path: Path) -> Feeder:
    Image.linear_gradient("L").resize((64, 48)).save(tmp_path / "0.png")
    return Feeder(tiny_bundle, {"kitchen": [tmp_path / "0.png"], "door": [tmp_path / "0.png"]}, 50.0)


@asynccontextmanager
async def serving(
    feeder: Feeder, limits: WallLimits = LIMITS, door: HttpConnectionLimit | None = None
) -> AsyncIterator[Wall]:
    registry = CollectorRegistry()
    app = web_app("taxon cloud", "", lambda: None, registry)
    add_wall(app, feeder, limits, WallMetrics(Meters("taxon_cloud", registry)))
    server = WebServer(app, "127.0.0.1:0", limit=door)
    await server.start()
    try:
        yield Wall(feeder, server.port, registry)
    finally:
        await server.stop(1)


async def heard(socket: ClientConnection, kind: str, holds: Callable[[Any], bool] = lambda _: True) -> Any:
    """The next text message of a kind for which `holds` is true."""
    async with asyncio.timeout(10):
        while True:
            message = await socket.recv()
            if isinstance(message, str) and (found := json.loads(message))["type"] == kind and holds(found):
                return found


async def close_of(socket: ClientConnection) -> tuple[int | None, str | None]:
    """How the service ended the connection: code and reason."""
    async with asyncio.timeout(10):
        await socket.wait_closed()
    return socket.close_code, socket.close_reason


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_page_and_files_come_with_a_strict_policy_and_name_no_other_host(feeder: Feeder) -> None:
    async with serving(feeder) as wall:
        page = await wall.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        names = ["/", "/wall/wall.css", "/wall/main.js", "/wall/favicon.svg"]
        for answer in [await wall.get(name) for name in names]:
            assert answer.status_code == 200
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            strangers = [word for word in ("https://", "//cdn", "@import", "eval(") if word in answer.text]
            assert strangers == [], f"{answer.url} points elsewhere"
        again = await wall.get("/", **{"If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        # A proxy that compresses makes the tag a weak one.
        assert (await wall.get("/", **{"If-None-Match": f'"x", W/{page.headers["etag"]}'})).status_code == 304
        assert (await wall.get("/", **{"If-None-Match": '"x"'})).status_code == 200


@pytest.mark.asyncio
async def test_a_copy_of_a_file_is_told_by_its_content_and_never_by_its_time(feeder: Feeder) -> None:
    async with serving(feeder) as wall:
        script = await wall.get("/wall/main.js")
        assert script.headers["etag"] == f'"{hashlib.sha256(script.content).hexdigest()[:32]}"'
        assert script.headers["cache-control"] == "no-cache"
        assert "last-modified" not in script.headers
        later = "Fri, 01 Jan 2100 00:00:00 GMT"
        assert (await wall.get("/wall/main.js", **{"If-Modified-Since": later})).status_code == 200


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path", ["/wall/none.js", "/wall/..%2froutes.py", "/wall/%2e%2e/session.py", "/wall/__init__.py"]
)
async def test_nothing_but_the_pages_files_is_served(feeder: Feeder, path: str) -> None:
    async with serving(feeder) as wall:
        answer = await wall.get(path)
        assert answer.status_code == 404
        assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.asyncio
async def test_a_page_hears_of_tasks_cameras_frames_and_what_it_is_subscribed_to(feeder: Feeder) -> None:
    async with serving(feeder) as wall, wall.socket() as socket:
        tasks = await heard(socket, "tasks")
        assert [task["name"] for task in tasks["tasks"]][:3] == ["class_scene", "class_object", "segment_semantic"]
        segmentation = tasks["tasks"][2]
        assert (segmentation["kind"], len(segmentation["classes"])) == ("dense", 13)
        assert segmentation["classes"][0] == {"label": "bed", "colour": "#db5c8a"}
        cameras = await heard(socket, "cameras")
        assert [one["camera"] for one in cameras["cameras"]] == ["door", "kitchen"]
        await socket.send(ALL_ON)
        assert (await heard(socket, "wanted"))["of_all"] == ["class_scene", "normal"]
        (wish,) = feeder.wishes
        assert (wish.encoding, wish.longest_side_pixels, wish.hold_seconds) == (Encoding.PNG, 192, 0.0)
        await feeder.frame("kitchen", feeder.feeds["kitchen"], feeder.groups_wanted("kitchen"))
        frames = await heard(socket, "frames")
        assert frames["camera"] == "kitchen"
        assert wall.counted("received_messages_total") == 1
        assert wall.counted("sent_messages_total", kind="text") >= 4
        assert wall.counted("sent_bytes_total", kind="text") > 500
        (cost,) = frames["frames"]
        assert sum(cost["groups"].values()) + 6 == cost["bytes"], "groups and the header are the whole"
        binary = await asyncio.wait_for(socket.recv(), 10)
        assert isinstance(binary, bytes)
        assert b"\x89PNG" in binary


@pytest.mark.asyncio
async def test_switches_of_one_camera_leave_the_others(feeder: Feeder) -> None:
    async with serving(feeder) as wall:
        async with wall.socket() as socket:
            await socket.send(ALL_ON)
            await heard(socket, "wanted")
            await socket.send(
                '{"type":"want","new_cameras":["normal","class_scene"],"cameras":{"kitchen":["class_scene"]}}'
            )
            changed = await heard(socket, "wanted")
            assert (changed["of_all"], changed["of_single"]) == (["class_scene"], {"door": ["normal"]})
            assert feeder.groups_wanted("kitchen") == ("semantic",)
            assert feeder.groups_wanted("door") == ("semantic", "geometry")
            await socket.send('{"type":"want","new_cameras":[],"cameras":{"kitchen":[],"door":[]}}')
            await heard(socket, "wanted")
            assert feeder.groups_wanted("door") == ()
        await until(lambda: not feeder.streams)


@pytest.mark.asyncio
async def test_a_camera_that_is_named_and_not_there_is_no_error(feeder: Feeder) -> None:
    async with serving(feeder) as wall, wall.socket() as socket:
        await socket.send('{"type":"want","new_cameras":[],"cameras":{"cellar":["normal"]}}')
        assert (await heard(socket, "wanted"))["of_single"] == {}
        feeder.feeds["cellar"] = feeder.feeds["door"]
        assert (await heard(socket, "wanted"))["of_single"] == {"cellar": ["normal"]}
        del feeder.feeds["cellar"]
        assert (await heard(socket, "wanted"))["of_single"] == {}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ("shout", 1008, "BAD_REQUEST: not a message of the wall"),
        ('{"type":"shout"}', 1008, "BAD_REQUEST: not a message of the wall"),
        (b"binary", 1008, "BAD_REQUEST: not a message of the wall: binary"),
        (" " * 40_000, 1009, "TOO_LARGE: a message of the page has 40000 bytes; at most 32768"),
    ],
)
async def test_what_the_page_may_not_say_ends_it_with_a_reason(
    feeder: Feeder, said: str | bytes, code: int, reason: str
) -> None:
    async with serving(feeder) as wall, wall.socket() as socket:
        await socket.send(ALL_ON)
        await heard(socket, "wanted")
        await socket.send(said)
        closed = await close_of(socket)
        assert closed[0] == code
        assert str(closed[1]).startswith(reason)
        assert feeder.streams == [], "its wishes ended with it"


@pytest.mark.asyncio
async def test_a_page_that_talks_too_much_or_says_nothing_is_sent_away(feeder: Feeder) -> None:
    async with serving(feeder, replace(LIMITS, first_want_seconds=0.3, most_messages=20)) as wall:
        async with wall.socket() as talker:
            for _ in range(21):
                await talker.send('{"type":"ping","at":1}')
            assert "more than 20 messages in 10 seconds" in str((await close_of(talker))[1])
        async with wall.socket() as silent:
            assert await close_of(silent) == (1008, "BAD_REQUEST: the page did not say what it wants; reload it")


@pytest.mark.asyncio
async def test_walls_are_bounded_and_a_closed_one_makes_room(feeder: Feeder) -> None:
    async with serving(feeder, replace(LIMITS, most_walls=1)) as wall:
        async with wall.socket() as first:
            await heard(first, "tasks")
            async with wall.socket() as second:
                assert await close_of(second) == (1013, "BUSY: 1 walls are open already; close one, or wait")
            assert (wall.counted("pages"), wall.counted("pages_opened_total")) == (1, 1)
            assert wall.counted("pages_sent_away_total", reason="BUSY") == 1
        async with asyncio.timeout(10):
            while True:
                async with wall.socket() as third:
                    await third.send(ALL_ON)
                    try:
                        await heard(third, "wanted")
                        return
                    except ConnectionClosed:
                        await asyncio.sleep(0.05)


@pytest.mark.asyncio
async def test_a_flood_of_walls_that_say_no_goodbye_is_bounded_and_counted(feeder: Feeder) -> None:
    dropped: list[str] = []
    async with (
        serving(feeder, replace(LIMITS, most_walls=2), HttpConnectionLimit(16, dropped.append)) as wall,
        wall.socket() as page,
    ):
        await page.send(ALL_ON)
        flood = [await asyncio.open_connection("127.0.0.1", wall.port) for _ in range(60)]
        for _, writer in flood:
            writer.write(
                b"GET /wall/socket HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            await asyncio.sleep(0)
        feeding = asyncio.create_task(feeder.play())
        # The page that was there goes on, and who comes anew finds the door.
        await heard(page, "wanted")
        await heard(page, "cameras", lambda found: len(found["cameras"]) == 2)
        assert (await wall.get("/")).status_code == 200
        assert wall.counted("pages") <= 2
        assert len(dropped) >= 60 + 1 - 16
        assert set(dropped) == {TOO_MANY}
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        for _, writer in flood:
            writer.close()


@pytest.mark.asyncio
async def test_a_page_of_another_origin_is_refused(feeder: Feeder) -> None:
    async with serving(feeder) as wall:
        with pytest.raises(Exception, match="403"):
            async with wall.socket(origin="http://elsewhere.example"):
                pass
        assert wall.counted("pages_sent_away_total", reason="ORIGIN") == 1
        async with wall.socket(origin=f"http://127.0.0.1:{wall.port}") as own:
            await heard(own, "tasks")


@pytest.mark.asyncio
@pytest.mark.parametrize(("error", "code"), [(Busy("1000 subscribers are connected"), 1013), (Draining(), 1012)])
async def test_what_the_cloud_refuses_is_told_to_the_page(feeder: Feeder, error: Busy | Draining, code: int) -> None:
    feeder.refuse = error
    async with serving(feeder) as wall, wall.socket() as socket:
        await socket.send(ALL_ON)
        closed = await close_of(socket)
        assert closed[0] == code
        assert str(error)[:60] in str(closed[1])


@pytest.mark.asyncio
async def test_a_subscription_that_ends_ends_the_page(feeder: Feeder) -> None:
    async with serving(feeder) as wall, wall.socket() as socket:
        await socket.send(ALL_ON)
        await heard(socket, "wanted")
        feeder.streams[0].queue.put_nowait(Draining())
        assert (await close_of(socket))[0] == 1012
        assert feeder.streams == []


@pytest.mark.asyncio
async def test_lost_frames_are_told_with_their_sum(feeder: Feeder) -> None:
    async with serving(feeder) as wall, wall.socket() as socket:
        await socket.send(ALL_ON)
        await heard(socket, "wanted")
        feeder.streams[0].queue.put_nowait(Lost(3))
        feeder.streams[0].queue.put_nowait(Lost(4))
        await heard(socket, "lost", lambda message: message["frames"] == 7)


@pytest.mark.asyncio
async def test_a_page_that_does_not_read_is_let_go(feeder: Feeder) -> None:
    limits = replace(LIMITS, pictures_per_second=100.0, send_seconds=0.5, most_unseen_bytes=1 << 40)
    async with serving(feeder, limits) as wall, wall.socket(max_queue=1, max_size=None, close_timeout=0.2) as socket:
        await socket.send(ALL_ON)
        await heard(socket, "wanted")
        stream = feeder.streams[0]
        large = picture(png=os.urandom(1 << 20))
        sequence = 0
        async with asyncio.timeout(20):
            while feeder.streams:
                sequence += 1
                if not stream.queue.full():
                    stream.queue.put_nowait(frame(sequence, large, camera="kitchen"))
                await asyncio.sleep(0.005)
        assert sequence > 10, "the connection took some before it was full"


@pytest.mark.asyncio
async def test_a_page_that_does_not_keep_up_skips_pictures_but_no_frame(feeder: Feeder) -> None:
    limits = replace(LIMITS, pictures_per_second=1000.0, most_unseen_bytes=1000)
    async with serving(feeder, limits) as wall, wall.socket() as socket:
        await socket.send(ALL_ON)
        await heard(socket, "wanted")
        for sequence in range(1, 21):
            feeder.streams[0].queue.put_nowait(frame(sequence, picture(png=b"x" * 1000)))
            await asyncio.sleep(0.01)
        seen, frames, binary = 0, 0, 0
        async with asyncio.timeout(10):
            while frames < 20:
                message = await socket.recv()
                if isinstance(message, bytes):
                    seen, binary = seen + len(message), binary + 1
                elif (told := json.loads(message))["type"] == "frames":
                    frames += len(told["frames"])
            assert binary == 1, "no more pictures before it has seen the first"
            await socket.send(json.dumps({"type": "seen", "bytes": seen}))
            while not isinstance(message := await socket.recv(), bytes):
                pass
        assert b'"sequence":20' in message, "then the newest"
