"""The edge's own sources: cameras that it pulls frames from, instead of being posted to.

    SourceSetting --open_source, play--> SourceFrame --Intake.post--> counted like any other frame

Law: a source that breaks is opened again, with back-off, and counted; it stops neither the service nor another source.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing

from edge_encoder.frames import Posted
from edge_encoder.ingest.admission import Admission
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.settings import SourceSetting
from shared.contract.receipts import Receipt
from shared.errors import Draining, SourceError, TaxonError
from shared.sources import open_source, play
from shared.telemetry.logs import logger

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0

log = logger("edge.sources")


class SourcePlayer:
    """Plays one source. most_open: frames without an answer; the source waits, or skips, beyond that."""

    def __init__(
        self, setting: SourceSetting, loop: bool, intake: Admission, metrics: EdgeMetrics, most_open: int
    ) -> None:
        self._setting = setting
        self._loop = loop
        self._intake = intake
        self._metrics = metrics
        self._most_open = most_open
        self._open: set[asyncio.Task[Receipt]] = set()
        self._played = 0

    async def run(self) -> None:
        """Until the source is at its end (which a looping one never is), or the service drains."""
        failures = 0
        while True:
            before = self._played
            try:
                await self._play()
                log.info("source played", camera=self._setting.camera_id, frames=self._played)
                return
            except Draining:
                return
            except SourceError as error:
                failures = 0 if self._played > before else failures + 1
                self._metrics.cameras.source_failed(self._setting.camera_id)
                log.warning("source broken", camera=self._setting.camera_id, error=str(error), failures=failures)
            wait = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(failures, 10))
            await asyncio.sleep(random.uniform(0.5, 1.0) * wait)

    async def _play(self) -> None:
        """One playing; raises SourceError, or Draining."""
        setting = self._setting
        with open_source(setting.spec, fps=setting.fps, loop=self._loop) as source:
            async with aclosing(play(source)) as frames:
                async for frame in frames:
                    self._played += 1
                    await self._give(Posted(setting.camera_id, frame.picture, frame.capture_time_us))

    async def _give(self, posted: Posted) -> None:
        if len(self._open) >= self._most_open:
            await asyncio.wait(self._open, return_when=asyncio.FIRST_COMPLETED)
        try:
            task = self._intake.post(posted)
        except Draining:
            raise
        except TaxonError:
            return  # told by the intake, as that of any camera
        self._open.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[Receipt]) -> None:
        self._open.discard(task)
        if not task.cancelled():
            task.exception()  # taken, or asyncio would complain; the intake has counted and told it
