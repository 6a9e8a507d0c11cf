"""Plays the edge's own sources: cameras that it pulls frames from, instead of being posted to.

    SourceSetting --open_source, play--> SourceFrame --Admission.post--> answered and counted like any other frame

Law: a source that breaks is opened again, with back-off, and counted. It stops neither the service nor another source.
Whatever happens to it stands in its `condition`, from before its first frame.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from dataclasses import replace

from edge_encoder.frames import FrameRef
from edge_encoder.ingest.admission import Admission
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.settings import SourceSetting
from shared.contract.geometry import Picture
from shared.contract.receipts import Receipt
from shared.errors import Draining, SourceError, TaxonError
from shared.sources import open_source, play
from shared.sources.state import SourceCondition, SourceStatus
from shared.telemetry.logs import logger

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0

log = logger("edge.sources")


class SourcePlayer:
    """Plays one source. most_open: the frames that may be without an answer; beyond that the source waits, or skips."""

    def __init__(
        self, setting: SourceSetting, loop: bool, admission: Admission, metrics: EdgeMetrics, most_open: int
    ) -> None:
        self._setting = setting
        self._loop = loop
        self._admission = admission
        self._metrics = metrics
        self._most_open = most_open
        self._open: set[asyncio.Task[Receipt]] = set()
        self._played = 0
        self._status = SourceStatus()

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
        camera_id, failures = self._setting.camera_id, 0
        while True:
            before = self._played
            try:
                await self._play()
                log.info("source played to its end", camera=camera_id, frames=self._played)
                return
            except Draining:
                return
            except SourceError as error:
                # A source that gave frames before it broke is opened again soon.
                failures = 0 if self._played > before else failures + 1
                self._status.broke(error)
                self._metrics.cameras.source_failed(camera_id)
                log.warning("source broken", camera=camera_id, error=str(error), failures=failures)
            wait_seconds = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(failures, 10))
            await asyncio.sleep(random.uniform(0.5, 1.0) * wait_seconds)

    async def _play(self) -> None:
        """Play the source once. Raises SourceError, or Draining."""
        setting = self._setting
        if setting.fps is not None:
            self._status.expect(1.0 / setting.fps)
        with open_source(setting.spec, fps=setting.fps, loop=self._loop) as source:
            source.report_to(self._status)
            async with aclosing(play(source)) as frames:
                async for frame in frames:
                    self._played += 1
                    await self._give(frame.picture, frame.capture_time_us)

    async def _give(self, picture: Picture, capture_time_us: int) -> None:
        if len(self._open) >= self._most_open:
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
