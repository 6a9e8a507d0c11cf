"""The one door for frames, whether they come by HTTP, by gRPC or from a source of the edge's own.

    Posted --checks, wish, repeated?--> FrameQueue --pipeline--> Receipt

Law: a frame that is taken is answered with a receipt or an error within the deadline; one that is refused leaves no trace
but a counter, and a log line a minute for each reason.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from edge_encoder.control.wanted_groups import Wishes
from edge_encoder.frames import Posted, Waiting
from edge_encoder.ingest.cameras import Cameras
from edge_encoder.ingest.repeated_posts import RepeatedPosts
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.pipeline.frame_queue import FrameQueue
from shared.contract.packets import LATEST_CAPTURE_TIME_US
from shared.contract.pictures import Picture
from shared.contract.receipts import Outcome, Receipt
from shared.contract.trace_context import traceparent
from shared.errors import BadRequest, DeadlinePassed, Draining, NotReady, TaxonError, TooLarge
from shared.telemetry.logs import Throttle, logger
from shared.transport.status_codes import status_of

log = logger("edge.intake")
REFUSALS_TOLD_SECONDS = 60.0


class Admission:
    """largest_picture_bytes: of one picture. deadline_seconds: for one answer. Not thread-safe: it belongs to the loop."""

    def __init__(
        self,
        cameras: Cameras,
        queue: FrameQueue,
        wishes: Wishes,
        repeats: RepeatedPosts,
        metrics: EdgeMetrics,
        largest_picture_bytes: int,
        deadline_seconds: float,
    ) -> None:
        self.cameras = cameras
        self.largest_picture_bytes = largest_picture_bytes
        self.deadline_seconds = deadline_seconds
        self._queue = queue
        self._wishes = wishes
        self._repeats = repeats
        self._metrics = metrics
        self._throttles: dict[str, Throttle] = {}
        self._refusing: type[Draining | NotReady] | None = NotReady
        self.closing = asyncio.Event()
        """Set when frames are no longer taken, for doors that keep streams open."""
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def open(self) -> None:
        """From now on frames are taken."""
        self._refusing = None

    def close(self) -> None:
        """From now on frames are refused with Draining; those that wait keep their turn."""
        self._refusing = Draining
        self.closing.set()

    @property
    def waits_for(self) -> str | None:
        """Why frames are refused, for /readyz; None when they are taken."""
        if self._refusing is None:
            return None
        return "the networks are not warm yet" if self._refusing is NotReady else "the service is stopping"

    async def idle(self) -> None:
        """Waits until every frame that was taken has its answer."""
        await self._idle.wait()

    def check(self, camera_id: str) -> None:
        """What can be refused before the picture is there; raises a RequestError."""
        with self._counting_refusals(camera_id):
            if self._refusing is not None:
                raise self._refusing()
            self.cameras.check(camera_id)

    def oversized(self, found: int | None) -> TooLarge:
        """The refusal of a picture of so many bytes (None: of more than are taken), counted."""
        error = TooLarge("the picture", found, self.largest_picture_bytes)
        self.refused(error)
        return error

    def refused(self, error: TaxonError, camera_id: str = "") -> None:
        """Counts a refusal, also one that a door found by itself, and tells of it now and then. camera_id: empty where it is not known."""
        reason = status_of(error).reason
        self._metrics.refusals.labels(reason).inc()
        if self.cameras.knows(camera_id):
            self._metrics.cameras.refused(camera_id, reason)
        if isinstance(error, Draining | NotReady):
            return
        throttle = self._throttles.setdefault(reason, Throttle(REFUSALS_TOLD_SECONDS))
        if throttle.due():
            log.warning("frames refused", reason=reason, camera=camera_id[:64], error=str(error), frames=throttle.times)

    def post(self, posted: Posted) -> asyncio.Task[Receipt]:
        """Takes a frame at once, so that frames keep the order of these calls; the task is its answer.

        The task raises a RequestError, ImageError or DeadlinePassed; so does this, for what is refused at once.
        """
        with self._counting_refusals(posted.camera_id):
            answer = self._taken(posted)
        self._open += 1
        self._idle.clear()
        task = asyncio.create_task(self._answered(posted, answer))
        task.add_done_callback(self._closed)
        return task

    def _taken(self, posted: Posted) -> Waiting | Receipt:
        self.check_frame(posted)
        if (repeated := self._repeats.receipt(posted)) is not None:
            return repeated
        if (first := self._repeats.under_way(posted)) is not None:
            return first
        if not self._wishes.groups_for(posted.camera_id):
            return Receipt(posted.camera_id, Outcome.NOT_WANTED, posted.capture_time_us)
        waiting = self._queue.put(posted)
        self._repeats.begin(waiting)
        return waiting

    def check_frame(self, posted: Posted) -> None:
        """Raises what is wrong with a frame before anything is decoded."""
        if self._refusing is not None:
            raise self._refusing()
        self.cameras.check(posted.camera_id)
        if isinstance(posted.picture, bytes) and posted.size_bytes > self.largest_picture_bytes:
            raise TooLarge("the picture", posted.size_bytes, self.largest_picture_bytes)
        if not 0 <= posted.capture_time_us < LATEST_CAPTURE_TIME_US:
            raise BadRequest("the capture time must lie between 1970 and 9999")

    async def _answered(self, posted: Posted, answer: Waiting | Receipt) -> Receipt:
        began = time.perf_counter()
        outcome = "refused"
        try:
            with self._counting_refusals(posted.camera_id):
                receipt = answer if isinstance(answer, Receipt) else await self._outcome(posted, answer)
            outcome = receipt.outcome
        finally:
            self._metrics.answer.labels(outcome).observe(time.perf_counter() - began)
        self.cameras.note(receipt)
        log.debug(
            "frame answered",
            camera=receipt.camera_id,
            sequence=receipt.sequence,
            outcome=receipt.outcome,
            coded_bytes=receipt.coded_bytes,
            traceparent=traceparent(posted.trace_context),
        )
        return receipt

    async def _outcome(self, posted: Posted, waiting: Waiting) -> Receipt:
        try:
            async with asyncio.timeout(self.deadline_seconds):
                receipt = await asyncio.shield(waiting.answer)
        except TimeoutError as error:
            late = DeadlinePassed(f"the frame had no turn in {self.deadline_seconds:g} s; post slower, or again later")
            if self._queue.forget(waiting):
                waiting.refuse(late)
            raise late from error
        repeated = waiting.posted is not posted and receipt.outcome is Outcome.CODED
        return replace(receipt, repeated_post=True) if repeated else receipt

    def _closed(self, _: asyncio.Task[Receipt]) -> None:
        self._open -= 1
        if self._open == 0:
            self._idle.set()

    @contextmanager
    def _counting_refusals(self, camera_id: str) -> Iterator[None]:
        try:
            yield
        except TaxonError as error:
            self.refused(error, camera_id)
            raise


def posted_now(camera_id: str, picture: Picture, capture_time_us: int | None, trace_context: bytes = b"") -> Posted:
    """A frame as it came; without a capture time it gets the edge's clock's."""
    given = capture_time_us is not None
    taken = capture_time_us if capture_time_us is not None else time.time_ns() // 1000
    return Posted(camera_id, picture, taken, given, trace_context)
