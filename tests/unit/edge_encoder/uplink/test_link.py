from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge_encoder.control.backpressure import Backpressure
from edge_encoder.control.wanted_groups import CurrentWish, kept_wish
from edge_encoder.frames import FrameRef, KnownCamera
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.spool.spool import CodedFrame, Spool
from edge_encoder.uplink.link import BackOff, LinkTerms, Uplink
from edge_encoder.uplink.stream import UplinkNeighbours
from shared.contract.geometry import Geometry
from tests.support.edge import RecordingCloud, wanted

DIGEST, OLDER = bytes([7]) * 32, bytes([6]) * 32
SMALL, LARGE = Geometry(64, 48, 32, 32), Geometry(640, 480, 32, 32)


def coded(number: int, camera: str = "a", geometry: Geometry = SMALL) -> CodedFrame:
    ref = FrameRef.of(KnownCamera(camera), b"", 1_000_000 + 40_000 * number)
    return CodedFrame(ref, geometry, bytes([number]) * 50, 1, ("semantic",))


class Edge:
    """A spool and its uplink, the waits between attempts made short."""

    def __init__(self, folder: Path, *ports: int) -> None:
        self.spool = Spool(folder, 1 << 20, 3600.0, "normal")
        self.metrics = EdgeMetrics()
        self.flow = Backpressure()
        self.wish = CurrentWish(("semantic", "geometry"))
        self.attempts: list[float] = []
        target = ",".join(f"127.0.0.1:{port}" for port in ports)
        neighbours = UplinkNeighbours(self.spool, self.metrics, self.wish, self.flow, lambda: ())
        self.uplink = Uplink(LinkTerms(target, "edge-1", DIGEST, 0.01), neighbours, BackOff(self._jitter))
        self.task = asyncio.create_task(self.uplink.run())

    def put(self, *frames: CodedFrame, digest: bytes = DIGEST) -> list[tuple[str, int]]:
        receipts = self.spool.append(digest, frames)
        self.uplink.notify()
        return [(one.camera_id, one.sequence) for one in receipts]

    async def until_empty(self) -> None:
        async with asyncio.timeout(20):
            while self.spool.frames:
                await asyncio.sleep(0.01)

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"taxon_edge_{name}", labels) or 0.0

    def _jitter(self, low: float, high: float) -> float:
        self.attempts.append(high)
        return 0.05


@asynccontextmanager
async def linked(folder: Path, cloud: RecordingCloud) -> AsyncIterator[Edge]:
    await cloud.start()
    edge = Edge(folder, cloud.port)
    try:
        yield edge
    finally:
        edge.task.cancel()
        await asyncio.gather(edge.task, return_exceptions=True)
        await cloud.stop()
        edge.spool.close()


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_what_is_spooled_is_sent_in_order_and_forgotten_when_acknowledged(tmp_path: Path) -> None:
    cloud = RecordingCloud([DIGEST])
    async with linked(tmp_path, cloud) as edge:
        names = edge.put(*(coded(i, "ab"[i % 2], LARGE if i == 5 else SMALL) for i in range(10)))
        await cloud.until(packets=10)
        names += edge.put(coded(10))
        await edge.until_empty()
    assert cloud.names() == names
    assert [packet.bitstream for packet in cloud.packets] == [bytes([i]) * 50 for i in range(11)]
    assert [packet.geometry for packet in cloud.packets][5] == LARGE
    assert [(one.edge_id, one.bundle_digest) for one in cloud.hellos] == [("edge-1", DIGEST)]


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_no_more_is_sent_than_the_cloud_gave_credit_for(tmp_path: Path) -> None:
    cloud = RecordingCloud([DIGEST], credit=5, acknowledges=False)
    async with linked(tmp_path, cloud) as edge:
        names = edge.put(*(coded(i) for i in range(12)))
        await cloud.until(packets=5)
        await asyncio.sleep(0.2)
        assert cloud.names() == names[:5]
        assert edge.spool.frames == 12, "nothing is forgotten without an ack"


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_connected_cloud_that_takes_fewer_frames_than_come_holds_live_ones_back(tmp_path: Path) -> None:
    cloud = RecordingCloud([DIGEST], credit=2, acknowledges=False)
    async with linked(tmp_path, cloud) as edge:
        edge.put(coded(0))
        await cloud.until(packets=1)
        await asyncio.wait_for(edge.flow.wait_until_clear(), 1)
        edge.put(coded(1), coded(2))
        await until(lambda: edge.flow.is_behind)
        await cloud.stop()
        # Without a link there is nobody to wait for.
        await until(lambda: not edge.flow.is_behind)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_frames_of_an_outage_hold_nothing_back_while_they_are_sent(tmp_path: Path) -> None:
    cloud = RecordingCloud([DIGEST], credit=2, acknowledges=False)
    await cloud.start()
    port = cloud.port
    await cloud.stop()
    edge = Edge(tmp_path, port)
    edge.put(*(coded(i) for i in range(6)))
    await cloud.start(port)
    try:
        await cloud.until(packets=2)
        await asyncio.sleep(0.2)
        assert not edge.flow.is_behind
    finally:
        edge.task.cancel()
        await asyncio.gather(edge.task, return_exceptions=True)
        await cloud.stop()
        edge.spool.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_many_that_wait_travel_together(tmp_path: Path) -> None:
    cloud = RecordingCloud([DIGEST], credit=1000)
    async with linked(tmp_path, cloud) as edge:
        edge.put(*(coded(i % 256) for i in range(150)))
        await edge.until_empty()
    assert cloud.messages[0] > 1
    assert max(cloud.messages) == 64
    assert sum(cloud.messages) == 150


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_after_a_break_everything_without_an_ack_is_sent_again(tmp_path: Path) -> None:
    cloud = RecordingCloud([DIGEST], break_after=3, acknowledges=False)
    async with linked(tmp_path, cloud) as edge:
        names = edge.put(*(coded(i) for i in range(6)))
        await cloud.until(hellos=3)
        cloud.packets.clear()
        cloud.break_after, cloud.acknowledges = None, True
        await edge.until_empty()
        assert edge.value("uplink_breaks_total") >= 2
    seen = list(dict.fromkeys(cloud.names()))
    assert seen == names


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_cloud_that_comes_back_gets_what_was_spooled_meanwhile(tmp_path: Path) -> None:
    cloud = RecordingCloud([DIGEST])
    async with linked(tmp_path, cloud) as edge:
        names = edge.put(coded(0))
        await edge.until_empty()
        await cloud.stop()
        names += edge.put(*(coded(i) for i in range(1, 5)))
        await asyncio.sleep(0.3)
        await cloud.start(cloud.port)
        await edge.until_empty()
        assert edge.attempts, "it has tried"
    assert cloud.names() == names


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_wish_holds_at_once_and_is_kept(tmp_path: Path) -> None:
    wish = wanted("geometry", a=("semantic",))
    cloud = RecordingCloud([DIGEST], wish)
    async with linked(tmp_path, cloud) as edge:
        await until(lambda: edge.spool.wish() is not None)
        assert edge.wish.groups_for("hall") == ("geometry",)
        assert edge.wish.groups_for("a") == ("semantic", "geometry")
        assert kept_wish(edge.spool.wish()) == wish


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_frames_of_another_bundle_go_first_on_a_stream_of_their_own(tmp_path: Path) -> None:
    cloud = RecordingCloud([DIGEST, OLDER])
    before = Spool(tmp_path, 1 << 20, 3600.0)
    names = [
        (one.camera_id, one.sequence)
        for digest, numbers in ((OLDER, range(3)), (DIGEST, range(3, 6)))
        for one in before.append(digest, [coded(i) for i in numbers])
    ]
    before.close()
    async with linked(tmp_path, cloud) as edge:
        await edge.until_empty()
    assert cloud.names() == names
    assert [one.bundle_digest for one in cloud.hellos] == [OLDER, DIGEST]


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_another_bundle_is_refused_clearly_and_asked_again_slowly(tmp_path: Path) -> None:
    cloud = RecordingCloud([OLDER])
    with capture_logs() as logs:
        async with linked(tmp_path, cloud) as edge:
            edge.put(coded(0))
            await cloud.until(hellos=2)
            assert edge.value("uplink_refused", reason="BUNDLE_MISMATCH") == 1
            assert edge.value("uplink_connected") == 0
            cloud.digests = [DIGEST]
            await edge.until_empty()
            assert edge.value("uplink_refused", reason="BUNDLE_MISMATCH") == 0
    (error, *_) = [one for one in logs if one["log_level"] == "error"]
    assert error["reason"] == "BUNDLE_MISMATCH"
    assert DIGEST.hex() in error["detail"]
    assert OLDER.hex() in error["detail"]


@pytest.mark.parametrize(
    ("reason", "waits"),
    [("UNAVAILABLE", [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]), ("BUNDLE_MISMATCH", [10] * 8)],
)
def test_waits_grow_to_ten_seconds_and_a_refusal_waits_that_long_at_once(reason: str, waits: list[float]) -> None:
    back_off = BackOff(jitter=lambda _, high: high)
    assert [back_off.seconds(reason) for _ in waits] == waits


def test_all_addresses_of_a_cloud_are_tried_before_the_wait_grows() -> None:
    back_off = BackOff(jitter=lambda _, high: high)
    assert [back_off.seconds("UNAVAILABLE", addresses=3) for _ in range(7)] == [0.2] * 3 + [0.4] * 3 + [0.8]


@pytest.mark.starts_server
@pytest.mark.parametrize("acks_at_end", [False, True])
@pytest.mark.asyncio
async def test_finishing_empties_the_spool_and_ends_the_stream_in_order(tmp_path: Path, acks_at_end: bool) -> None:
    cloud = RecordingCloud([DIGEST], acks_at_end=acks_at_end)
    async with linked(tmp_path, cloud) as edge:
        await cloud.until(hellos=1)
        edge.put(*(coded(i) for i in range(80)))
        edge.uplink.finish()
        await asyncio.wait_for(edge.task, 10)
        assert (edge.spool.frames, len(cloud.packets)) == (0, 80)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_finishing_without_a_link_waits_for_nothing(tmp_path: Path) -> None:
    cloud = RecordingCloud([DIGEST])
    async with linked(tmp_path, cloud) as edge:
        await cloud.until(hellos=1)
        await cloud.stop()
        edge.put(coded(0))
        await asyncio.sleep(0.2)
        edge.uplink.finish()
        await asyncio.wait_for(edge.task, 3)
        assert edge.spool.frames == 1
        await cloud.start(cloud.port)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_of_several_clouds_the_next_one_goes_on_where_one_has_died(tmp_path: Path) -> None:
    clouds = [RecordingCloud([DIGEST], acknowledges=False) for _ in range(2)]
    for cloud in clouds:
        await cloud.start()
    edge = Edge(tmp_path, *(cloud.port for cloud in clouds))
    try:
        names = edge.put(*(coded(number) for number in range(3)))
        await until(lambda: any(cloud.packets for cloud in clouds))
        (first,) = [cloud for cloud in clouds if cloud.hellos]
        (second,) = [cloud for cloud in clouds if cloud is not first]
        await first.until(packets=3)
        second.acknowledges = True
        await first.stop()
        await second.until(packets=3)
        await edge.until_empty()
        assert second.names() == names, "what has no acknowledgement is sent again, to the other one"
        await second.stop()
        await first.start(first.port)
        edge.put(coded(3))
        await first.until(packets=4)
        assert len(edge.attempts) >= 2
    finally:
        edge.task.cancel()
        await asyncio.gather(edge.task, return_exceptions=True)
        await first.stop()
        edge.spool.close()
