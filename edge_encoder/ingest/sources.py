"""Plays the edge's own sources: cameras that it pulls frames from, instead of being posted to.

    SourceSetting --lasting_source, play--> SourceFrame --Admission.post--> answered and counted like any other frame

Law: a source that breaks is opened again, with back-off, and counted. It stops neither the service nor another source.
Whatever happens to it stands in its `condition`, from before its first frame.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

from edge_encoder.frames import FrameRef
from edge_encoder.ingest.admission import Admission
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.settings import SourceSetting
from shared.contract.geometry import Picture
from shared.contract.receipts import Receipt
from shared.errors import Draining, SourceError, TaxonError
from shared.sources import lasting_source, play
from shared.sources.state import SourceCondition, SourceState, SourceStatus
from shared.telemetry.logs import Throttle, logger

WATCH_SECONDS = 1.0
AFTER_A_MISTAKE_SECONDS = 30.0
BROKEN_LOG_SECONDS = 60.0

log = logger("edge.sources")


@dataclass(frozen=True)
class SourcePlay:
    """How sources are played. loop: recordings and folders begin again at their end.

    memories: the folder of what watched folders have given, a file for each camera. most_open: the frames of a source
    that may be without an answer; beyond that it waits, or skips.
    """

    loop: bool
    memories: Path
    most_open: int


class SourcePlayer:
    """Plays one source."""

    def __init__(self, setting: SourceSetting, how: SourcePlay, admission: Admission, metrics: EdgeMetrics) -> None:
        self._setting = setting
        self._how = how
        self._admission = admission
        self._metrics = metrics
        self._open: set[asyncio.Task[Receipt]] = set()
        self._played = 0
        self._status = SourceStatus()
        self._shown: SourceCondition | None = None
        self._throttle = Throttle(BROKEN_LOG_SECONDS)
        self._is_told = False

    @property
    def camera_id(self) -> str:
        """The camera whose frames these are."""
        return self._setting.camera_id

    @property
    def condition(self) -> SourceCondition:
        """What is known of the source now."""
        return self._status.condition()

    async def run(self) -> None:
        """Play until the service drains, or until the source ends, which a looping one never does."""
        # The log says that it was played to its end, so only a source that plays on has a state.
        with self._admission.cameras.playing(self.camera_id, lambda: self.condition):
            watch = asyncio.create_task(self._watch())
            try:
                await self._play_to_the_end()
            finally:
                watch.cancel()
                self._show()
                self._metrics.cameras.source_left(self.camera_id)

    async def _play_to_the_end(self) -> None:
        while True:
            try:
                await self._play()
                log.info("source played to its end", camera=self.camera_id, frames=self._played)
                return
            except Draining:
                return
            except Exception as error:
                # A mistake of ours with one camera's frame ends neither the service nor the other cameras.
                log.exception("source failed in a way that nobody foresaw", camera=self.camera_id)
                self._status.broke(SourceError(self.camera_id, f"playing it failed ({type(error).__name__})"))
            await asyncio.sleep(AFTER_A_MISTAKE_SECONDS)

    async def _watch(self) -> None:
        """Notice what becomes of the source, a stall among it; it is opened again in its own thread."""
        while True:
            self._show()
            await asyncio.sleep(WATCH_SECONDS)

    def _show(self) -> None:
        """Show the source's condition in the metrics, and log its breaks."""
        now, before = self.condition, self._shown
        self._metrics.cameras.source_is(self.camera_id, now, before)
        self._shown = now
        is_broken = now.state not in (SourceState.CONNECTING, SourceState.LIVE)
        if now.breaks > (before.breaks if before else 0) and self._throttle.due():
            log.warning("source broken", camera=self.camera_id, state=now.state, error=now.error, failures=now.breaks)
            self._is_told = True
        elif self._is_told and not is_broken:
            self._is_told = False
            log.info("source gives frames again", camera=self.camera_id)

    async def _play(self) -> None:
        """Play the source, which is opened again whenever it breaks. Raises Draining."""
        setting = self._setting
        if setting.fps is not None:
            self._status.expect(1.0 / setting.fps)
        memory = self._how.memories / setting.camera_id
        with lasting_source(setting.spec, fps=setting.fps, loop=self._how.loop, memory=memory) as source:
            source.report_to(self._status)
            async with aclosing(play(source)) as frames:
                async for frame in frames:
                    self._played += 1
                    await self._give(frame.picture, frame.capture_time_us)

    async def _give(self, picture: Picture, capture_time_us: int) -> None:
        if len(self._open) >= self._how.most_open:
            await asyncio.wait(self._open, return_when=asyncio.FIRST_COMPLETED)
        try:
            camera = self._admission.check(self._setting.camera_id)
            # A source never posts a frame twice, so its time need not be remembered (time_given).
            ref = FrameRef.of(camera, picture, capture_time_us)
            task = self._admission.post(replace(ref, time_given=False), picture)
        except Draining:
            raise
        except TaxonError:
            return  # The admission has counted and logged it, as for any camera.
        self._open.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[Receipt]) -> None:
        self._open.discard(task)
        if not task.cancelled():
            # The admission has counted and logged a refusal; asyncio complains of an error that nobody has looked at.
            task.exception()
