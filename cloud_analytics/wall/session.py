"""Serves one open page: reads what it says, sends what it should see, and ends it.

    socket --read--> Wants --steward (with cameras and tasks)--> Plan --Follower--> frames --Outbox--> sender --> socket

Law: when any part of a page ends, all of it ends, its wishes too, and the close's reason tells the page why.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Callable

from fastapi import WebSocket, WebSocketDisconnect

from cloud_analytics.frames import FrameResult, Lost
from cloud_analytics.wall.follower import Follower, WallSource
from cloud_analytics.wall.limits import WallLimits, WallMetrics
from cloud_analytics.wall.messages import (
    Ping,
    SeenPictures,
    cameras_message,
    pong_message,
    read_message,
    tasks_message,
    wanted_message,
)
from cloud_analytics.wall.outbox import PageOutbox
from cloud_analytics.wall.switches import Plan, WallTask, Wants, plan, wall_tasks
from shared.errors import BadRequest
from shared.telemetry.logs import logger

log = logger("cloud.wall")


class _PageGone(Exception):  # noqa: N818 - named after what happened
    """The page closed the connection, or does not read any more."""


class Session:
    """One page's session. check: raises the error that ends it, once the page's token was revoked."""

    def __init__(
        self,
        socket: WebSocket,
        source: WallSource,
        limits: WallLimits,
        metrics: WallMetrics,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._check = check
        self._socket = socket
        self._source = source
        self._limits = limits
        self._metrics = metrics
        self._outbox = PageOutbox(limits, metrics.dropped)
        self._outgoing = asyncio.Event()
        self._survey = asyncio.Event()
        self._wants: Wants | None = None
        self._tasks: tuple[WallTask, ...] | None = None
        self._planned: Plan | None = None
        self._known: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Serve the page until it goes; raises the TaxonError for which it has to be sent away."""
        try:
            await self._run()
        except ExceptionGroup as several:
            # The first is the cause; its end brought about the others.
            first = several.exceptions[0]
            if not isinstance(first, _PageGone):
                raise first from several

    async def _run(self) -> None:
        name = f"wall-{secrets.token_hex(8)}"
        async with asyncio.TaskGroup() as group:
            follower = Follower(self._source, name, self._limits, group, self._deliver)
            try:
                group.create_task(self._read(), name=f"{name} read")
                group.create_task(self._send(), name=f"{name} send")
                await self._steward(follower)
            finally:
                await follower.close()

    async def _read(self) -> None:
        """Read what the page says. The WebSocket's own pings notice a page that falls silent later."""
        first_want = asyncio.get_running_loop().time() + self._limits.first_want_seconds
        came: deque[float] = deque(maxlen=self._limits.most_messages)
        while True:
            try:
                async with asyncio.timeout_at(first_want if self._wants is None else None):
                    text = await self._text()
            except TimeoutError as error:
                raise BadRequest("the page did not say what it wants; reload it") from error
            now = time.monotonic()
            if len(came) == came.maxlen and now - came[0] < self._limits.message_window_seconds:
                raise BadRequest(
                    f"more than {came.maxlen} messages in {self._limits.message_window_seconds:g} seconds; wait a while"
                )
            came.append(now)
            self._metrics.received_messages.inc()
            self._take(text)

    async def _text(self) -> str:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise _PageGone
        text = message.get("text")
        if not isinstance(text, str):
            raise BadRequest("not a message of the wall: binary")
        return text

    def _take(self, text: str) -> None:
        message = read_message(text, self._limits.largest_message_bytes)
        if isinstance(message, Ping):
            self._say("pong", pong_message(message.at, _now_us()))
        elif isinstance(message, SeenPictures):
            self._outbox.seen(message.bytes)
            self._outgoing.set()
        else:
            self._wants = message.wants()
            self._survey.set()

    async def _steward(self, follower: Follower) -> None:
        """Bring cameras, tasks and subscriptions up to date whenever the page's wants change, and every `poll_seconds`."""
        while True:
            self._check()
            offered = wall_tasks(self._source.describe())
            if offered != self._tasks:
                self._tasks = offered
                self._say("tasks", tasks_message(offered))
            cameras = sorted(self._source.cameras(), key=lambda state: (not state.connected, state.camera_id))
            shown = sorted(cameras[: self._limits.most_cameras], key=lambda state: state.camera_id)
            self._known = frozenset(state.camera_id for state in shown)
            self._say("cameras", cameras_message(shown, len(cameras) - len(shown), _now_us()))
            if self._wants is not None:
                planned = plan(self._wants, self._known, frozenset(task.name for task in offered))
                await follower.follow(planned)
                if planned != self._planned:
                    self._planned = planned
                    self._say("wanted", wanted_message(planned))
            await _stirred(self._survey, self._limits.poll_seconds)

    def _deliver(self, output: FrameResult | Lost) -> None:
        if isinstance(output, Lost):
            self._outbox.lose(output.frames)
        else:
            self._outbox.add(output)
            if output.packet.camera_id not in self._known:
                self._survey.set()
        self._outgoing.set()

    def _say(self, kind: str, message: str) -> None:
        self._outbox.put(kind, message)
        self._outgoing.set()

    async def _send(self) -> None:
        while True:
            await _stirred(self._outgoing, self._outbox.wait_seconds(time.monotonic()))
            for message in self._outbox.take(time.monotonic()):
                try:
                    async with asyncio.timeout(self._limits.send_seconds):
                        await self._send_one(message)
                except TimeoutError as error:
                    log.info("a page does not read and is closed", after_seconds=self._limits.send_seconds)
                    raise _PageGone from error

    async def _send_one(self, message: str | bytes) -> None:
        try:
            if isinstance(message, str):
                await self._socket.send_text(message)
            else:
                await self._socket.send_bytes(message)
        except (WebSocketDisconnect, RuntimeError) as error:
            # RuntimeError means that the close went out between two messages.
            raise _PageGone from error
        self._metrics.sent(message)


def _now_us() -> int:
    return time.time_ns() // 1000


async def _stirred(event: asyncio.Event, seconds: float | None) -> None:
    """Wait until the event is set or so many seconds have gone by, and clear the event."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
