"""The one entry for frames, whether they come by HTTP, by gRPC or from a source that the edge plays itself.

    camera id --check--> KnownCamera;  FrameRef, picture --post: repeated? wanted?--> FrameQueue --pipeline--> Receipt

The wish is asked here and nowhere else: a frame is coded for the groups that are wanted when it comes. A frame that a
camera posts again, because it missed the answer, is recognised by its camera, the capture time that the camera gave, and
the bytes of its picture, among the last `RECEIPTS_KEPT` of its camera.

Law: an admitted frame is answered with a receipt or an error within the deadline. A refused one leaves no trace
but a counter, and a log line a minute for each reason.
Law: such a frame is coded once, however often it is posted. This holds before the first post has its answer, and after a restart,
because the spool keeps the receipts.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from edge_encoder.control.frame_rate import FrameRates
from edge_encoder.control.wanted_groups import CurrentWish
from edge_encoder.frames import FrameRef, KnownCamera, QueuedFrame, not_coded, settle_answer
from edge_encoder.ingest.cameras import Cameras
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.pipeline.frame_queue import FrameQueue
from edge_encoder.spool.spool import RECEIPTS_KEPT, KeptReceipt
from shared.contract.geometry import Picture
from shared.contract.packets import LATEST_CAPTURE_TIME_US
from shared.contract.receipts import Outcome, Receipt
from shared.contract.trace_context import traceparent
from shared.errors import (
    BadRequest,
    CameraPaused,
    DeadlinePassed,
    Draining,
    NotReady,
    RateLimited,
    TaxonError,
    TooLarge,
)
from shared.telemetry.logs import Throttle, logger
from shared.transport.status_codes import status_of

REFUSAL_LOG_SECONDS = 60.0

_Content = tuple[int, bytes]
"""What makes a post of a camera the same one again: its capture time, and the digest of its picture."""

log = logger("edge.admission")


class RepeatedPosts:
    """Remembers the latest coded frames. kept: the spool's receipts, oldest first."""

    def __init__(self, kept: Iterable[KeptReceipt]) -> None:
        self._coded: dict[str, OrderedDict[_Content, Receipt]] = {}
        self._under_way: dict[tuple[str, _Content], QueuedFrame] = {}
        for one in kept:
            self._remember((one.receipt.capture_time_us, one.picture_digest), one.receipt)

    def receipt(self, ref: FrameRef) -> Receipt | None:
        """Return the receipt of the frame's first post, if it was coded lately."""
        if not ref.time_given or (coded := self._coded.get(ref.camera_id)) is None:
            return None
        # Of a frame that an earlier release has coded, only the time is known.
        found = coded.get(_content(ref)) or coded.get((ref.capture_time_us, b""))
        return None if found is None else replace(found, repeated_post=True)

    def under_way(self, ref: FrameRef) -> QueuedFrame | None:
        """Return the frame's first post, if that has no answer yet."""
        return self._under_way.get((ref.camera_id, _content(ref))) if ref.time_given else None

    def begin(self, queued: QueuedFrame) -> None:
        """Note that a frame is on its way; it is remembered when it is answered."""
        ref = queued.ref
        if ref.time_given:
            self._under_way[(ref.camera_id, _content(ref))] = queued
            queued.answer.add_done_callback(lambda answer: self._finish(ref, answer))

    def forget(self, camera_id: str) -> None:
        """Forget a camera that has left, of which nothing is under way."""
        self._coded.pop(camera_id, None)

    def _finish(self, ref: FrameRef, answer: asyncio.Future[Receipt]) -> None:
        self._under_way.pop((ref.camera_id, _content(ref)), None)
        if not answer.cancelled() and answer.exception() is None and answer.result().outcome is Outcome.CODED:
            self._remember(_content(ref), answer.result())

    def _remember(self, content: _Content, receipt: Receipt) -> None:
        latest = self._coded.setdefault(receipt.camera_id, OrderedDict())
        latest[content] = receipt
        while len(latest) > RECEIPTS_KEPT:
            latest.popitem(last=False)


def _content(ref: FrameRef) -> _Content:
    return ref.capture_time_us, ref.picture_digest


@dataclass(frozen=True)
class PostLimits:
    """The bounds of a post.

    picture_bytes: the largest picture file. reading_bytes: all bodies together while they are being read.
    deadline_seconds: the longest time until an answer.
    """

    picture_bytes: int
    reading_bytes: int
    deadline_seconds: float


class Admission:
    """Admits frames into the queue and answers them. It belongs to the loop and is not thread-safe."""

    def __init__(
        self,
        cameras: Cameras,
        queue: FrameQueue,
        wish: CurrentWish,
        repeats: RepeatedPosts,
        metrics: EdgeMetrics,
        limits: PostLimits,
    ) -> None:
        self.cameras = cameras
        self.limits = limits
        self._queue = queue
        self._wish = wish
        self._repeats = repeats
        self._metrics = metrics
        self._rates = FrameRates(cameras.rules.most_fps_of)
        self._on_frame: Callable[[str, Picture], None] = lambda _, __: None
        self._throttles: dict[str, Throttle] = {}
        self._refusing: type[Draining | NotReady] | None = NotReady
        self.closing = asyncio.Event()
        """Is set when the drain begins, for the servers that hold streams open."""
        self._unanswered: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()

    def open(self) -> None:
        """Admit frames from now on."""
        self._refusing = None

    def close(self) -> None:
        """Refuse frames with Draining from now on; those that wait keep their turn."""
        self._refusing = Draining
        self.closing.set()

    @property
    def waits_for(self) -> str | None:
        """The reason why frames are refused, for /readyz; None while they are admitted."""
        if self._refusing is None:
            return None
        return "the networks are not warm yet" if self._refusing is NotReady else "the service is stopping"

    async def idle(self) -> None:
        """Wait until every admitted frame has its answer."""
        await self._idle.wait()

    def check(self, camera_id: str) -> KnownCamera:
        """Return the camera, before its picture is read. Raises a RequestError, counted."""
        with self.counting_refusals(camera_id):
            self._require_open()
            camera = self.cameras.check(camera_id)
            self._require_running(camera)
            return camera

    def holds(self, camera_id: str) -> bool:
        """Return whether frames of the camera have no answer yet."""
        return camera_id in self._unanswered

    def forget(self, camera_id: str) -> None:
        """Forget a camera that has left, of which nothing is under way."""
        self.cameras.forget(camera_id)
        self._repeats.forget(camera_id)
        self._rates.forget(camera_id)

    def on_frame(self, listener: Callable[[str, Picture], None]) -> None:
        """Call `listener` with each frame that is admitted, also where nobody wants it."""
        self._on_frame = listener

    @contextmanager
    def counting_refusals(self, camera_id: str = "") -> Iterator[None]:
        """Count an error that is raised within, and log it now and then. camera_id: empty where it is not known."""
        try:
            yield
        except TaxonError as error:
            self._count_refusal(error, camera_id)
            raise

    def post(self, ref: FrameRef, picture: Picture) -> asyncio.Task[Receipt]:
        """Admit a frame at once, so that frames keep the order of these calls; the task is its answer.

        The task raises a RequestError, ImageError or CodingFailed. What can be refused at once is raised here.
        """
        with self.counting_refusals(ref.camera_id):
            admitted = self._admitted(ref, picture)
        self._unanswered[ref.camera_id] += 1
        self._idle.clear()
        task = asyncio.create_task(self._answered(ref, admitted))
        task.add_done_callback(lambda _: self._note_answered(ref.camera_id))
        return task

    def _admitted(self, ref: FrameRef, picture: Picture) -> QueuedFrame | Receipt:
        # The drain may have begun since the camera was checked: a large body takes its time to arrive.
        self._require_open()
        # So may a pause, after which nothing of the camera is looked at.
        self._require_running(ref.camera_id)
        if ref.picture_bytes > self.limits.picture_bytes and isinstance(picture, bytes):
            raise TooLarge("the picture", ref.picture_bytes, self.limits.picture_bytes)
        if not 0 <= ref.capture_time_us < LATEST_CAPTURE_TIME_US:
            raise BadRequest("the capture time must lie between 1970 and 9999")
        self._on_frame(ref.camera_id, picture)
        if (repeated := self._repeats.receipt(ref)) is not None:
            return repeated
        if (first := self._repeats.under_way(ref)) is not None:
            return first
        groups = self._wish.groups_for(ref.camera_id)
        if not groups:
            # Answered here, an unwanted frame takes no place in the queue from a wanted one.
            return not_coded(ref, Outcome.NOT_WANTED)
        if (wait_seconds := self._rates.wait_seconds(ref.camera_id)) > 0:
            raise RateLimited(ref.camera_id, self.cameras.rules.most_fps_of(ref.camera_id) or 0.0, wait_seconds)
        queued = self._queue.put(ref, groups, picture)
        self._rates.spend(ref.camera_id)
        self._repeats.begin(queued)
        return queued

    def _require_open(self) -> None:
        if self._refusing is not None:
            raise self._refusing()

    def _require_running(self, camera_id: str) -> None:
        if self.cameras.rules.is_paused(camera_id):
            raise CameraPaused(camera_id)

    async def _answered(self, ref: FrameRef, admitted: QueuedFrame | Receipt) -> Receipt:
        began = time.perf_counter()
        outcome = "refused"
        try:
            with self.counting_refusals(ref.camera_id):
                receipt = admitted if isinstance(admitted, Receipt) else await self._outcome(ref, admitted)
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
            traceparent=traceparent(ref.trace_context),
        )
        return receipt

    async def _outcome(self, ref: FrameRef, queued: QueuedFrame) -> Receipt:
        """Wait for a queued frame's answer, and take the frame out of the queue when its deadline passes."""
        seconds = self.limits.deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                # Shielded, because a repeated post waits for the same answer.
                receipt = await asyncio.shield(queued.answer)
        except TimeoutError as error:
            late = DeadlinePassed(f"the frame had no turn in {seconds:g} s; post slower, or post it again later")
            if self._queue.forget(queued):
                settle_answer(queued.answer, late)
            raise late from error
        repeated = queued.ref is not ref and receipt.outcome is Outcome.CODED
        return replace(receipt, repeated_post=True) if repeated else receipt

    def _note_answered(self, camera_id: str) -> None:
        self._unanswered[camera_id] -= 1
        if not self._unanswered[camera_id]:
            del self._unanswered[camera_id]
        if not self._unanswered:
            self._idle.set()

    def _count_refusal(self, error: TaxonError, camera_id: str) -> None:
        reason = status_of(error).reason
        self._metrics.refusals.labels(reason).inc()
        if self.cameras.knows(camera_id):
            self._metrics.cameras.refused(camera_id, reason)
        if isinstance(error, Draining | NotReady):
            # Every frame of a start or a stop is refused: the service's own log lines say so already.
            return
        throttle = self._throttles.setdefault(reason, Throttle(REFUSAL_LOG_SECONDS))
        if throttle.due():
            log.warning("frames refused", reason=reason, camera=camera_id[:64], error=str(error), frames=throttle.times)
