"""Starts and stops the players of the edge's own sources, as the book of cameras changes.

    PlanBook --a camera has changed--> its player is stopped, and another is started where it still has a source

Laws: a change of one camera stops no other's player. A stopped player has ended within `STOP_SECONDS`, whatever its camera
does. What a player has given before is answered like any other frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge_encoder.cameras.book import PlanBook
from edge_encoder.cameras.plan import QueuePolicy
from edge_encoder.cameras.rules import CameraRules
from edge_encoder.settings import SourceSetting
from shared.server.supervisor import Supervisor
from shared.telemetry.logs import logger

STOP_SECONDS = 5.0

log = logger("edge.sources")


class Player(Protocol):
    """Plays one source until it ends or is cancelled."""

    async def run(self) -> None:
        """Play."""


@dataclass(frozen=True)
class _Part:
    """The part of a camera's plan that its player depends on."""

    setting: SourceSetting
    policy: QueuePolicy


MakePlayer = Callable[[SourceSetting, QueuePolicy], Player]


class Players:
    """The players of all sources. make: makes the player of a source, for a camera with this queue policy."""

    def __init__(self, book: PlanBook, rules: CameraRules, make: MakePlayer) -> None:
        self._book = book
        self._rules = rules
        self._make = make
        self._supervisor = Supervisor()
        self._running: dict[str, tuple[_Part, asyncio.Task[None]]] = {}
        self._ending: dict[str, set[asyncio.Task[None]]] = {}
        self._changed: dict[str, None] = {}
        self._news = asyncio.Event()
        book.on_change(self._note)

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor of the players, for the service to watch."""
        return self._supervisor

    async def run(self) -> None:
        """Play what the book names, and follow its changes, until cancelled; then every player is stopped."""
        for camera_id in self._book.entries:
            self._note(camera_id)
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                changed, self._changed = self._changed, {}
                # Each has its own task, so that one that is slow to stop keeps no other from starting.
                for camera_id in changed:
                    self._follow(camera_id)
        finally:
            await self._supervisor.stop()

    def _note(self, camera_id: str) -> None:
        self._changed[camera_id] = None
        self._news.set()

    def _follow(self, camera_id: str) -> None:
        wanted = self._wanted(camera_id)
        runs = self._running.get(camera_id)
        if runs is not None and runs[0] == wanted:
            return
        if (before := self._running.pop(camera_id, None)) is not None:
            stop = self._supervisor.start(self._stop(before[1], camera_id), f"end of source {camera_id}", may_end=True)
            self._ending.setdefault(camera_id, set()).add(stop)
            stop.add_done_callback(lambda done: self._note_ended(camera_id, done))
        if wanted is not None:
            player = self._make(wanted.setting, wanted.policy)
            task = self._supervisor.start(self._play(player, camera_id), f"source {camera_id}", may_end=True)
            self._running[camera_id] = (wanted, task)

    def _note_ended(self, camera_id: str, stop: asyncio.Task[None]) -> None:
        self._ending[camera_id].discard(stop)
        if not self._ending[camera_id]:
            del self._ending[camera_id]

    async def _play(self, player: Player, camera_id: str) -> None:
        """Play, once the camera's earlier players have ended: a webcam is opened once, and a camera counts its sessions."""
        if ending := self._ending.get(camera_id):
            await asyncio.wait(tuple(ending))
        log.info("source begins", camera=camera_id)
        await player.run()

    async def _stop(self, task: asyncio.Task[None], camera_id: str) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + STOP_SECONDS
        while not task.done() and loop.time() < until:
            task.cancel()
            await asyncio.wait({task}, timeout=0.1 if loop.time() < until else 0)
        if task.done():
            log.info("source stopped", camera=camera_id)
        else:
            log.error("source does not stop, it is left to itself", camera=camera_id, seconds=STOP_SECONDS)

    def _wanted(self, camera_id: str) -> _Part | None:
        plan = self._book.plan(camera_id)
        if plan is None or plan.source is None or plan.paused:
            return None
        return _Part(SourceSetting(camera_id, plan.source, plan.fps), self._rules.policy_of(camera_id))
