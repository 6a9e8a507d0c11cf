"""The state of each watched camera, from the results as they come.

    Result, at the moment it came --> CameraView of each camera: counts, the last classes, rates and delays of the last WINDOW_SECONDS

Law: rates and delays are of the window alone, and a camera that falls silent is shown to be silent.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.model.tasks import CLASS_TASKS
from taxon.client import ClassesResult, Result

WINDOW_SECONDS = 10.0
SILENT_SECONDS = 5.0
SCENE, OBJECT = CLASS_TASKS


@dataclass(frozen=True)
class CameraView:
    """One camera, now.

    delay_seconds: the median time from capture to the result at this client; None if nothing came lately.
    scene, object: the likeliest class and its probability. silent_seconds: the time since the last result.
    """

    camera_id: str
    frames: int
    bytes_per_frame: float
    kilobits_per_second: float
    delay_seconds: float | None
    scene: str
    object: str
    silent_seconds: float
    error: str

    @property
    def state(self) -> str:
        """The camera's state in a word or two, for people."""
        if self.error:
            return "not decoded"
        return "live" if self.silent_seconds < SILENT_SECONDS else f"silent for {self.silent_seconds:.0f} s"


@dataclass
class _Camera:
    begin: float
    frames: int = 0
    total_bytes: int = 0
    last: float = 0.0
    scene: str = ""
    object: str = ""
    error: str = ""
    recent: deque[tuple[float, int, float]] = field(default_factory=deque)


class Watching:
    """All cameras of a subscription. clock: monotonic seconds. wall: microseconds since 1970."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._cameras: dict[str, _Camera] = {}

    @property
    def frames(self) -> int:
        """Results of all cameras."""
        return sum(camera.frames for camera in self._cameras.values())

    def add(self, result: Result) -> float:
        """Add one more result, and return its delay in seconds."""
        now = self._clock()
        camera = self._cameras.setdefault(result.camera_id, _Camera(now))
        delay = max(0.0, (self._wall() - result.capture_time_us) / 1e6)
        camera.frames += 1
        camera.total_bytes += result.coded_bytes
        camera.last = now
        camera.recent.append((now, result.coded_bytes, delay))
        camera.scene = top_class(result, SCENE) or camera.scene
        camera.object = top_class(result, OBJECT) or camera.object
        camera.error = result.error
        return delay

    def views(self) -> tuple[CameraView, ...]:
        """Return the cameras, sorted by name."""
        return tuple(self._view(name, camera) for name, camera in sorted(self._cameras.items()))

    def _view(self, name: str, camera: _Camera) -> CameraView:
        now = self._clock()
        while camera.recent and camera.recent[0][0] < now - WINDOW_SECONDS:
            camera.recent.popleft()
        # In its first seconds a camera has not filled the window.
        seconds = max(1.0, min(WINDOW_SECONDS, now - camera.begin))
        return CameraView(
            camera_id=name,
            frames=camera.frames,
            bytes_per_frame=camera.total_bytes / camera.frames,
            kilobits_per_second=sum(size for _, size, _ in camera.recent) * 8 / 1000 / seconds,
            delay_seconds=statistics.median(delay for *_, delay in camera.recent) if camera.recent else None,
            scene=camera.scene,
            object=camera.object,
            silent_seconds=now - camera.last,
            error=camera.error,
        )


def top_class(result: Result, task: str) -> str:
    """Return the likeliest class in words, such as "kitchen 83%", or nothing if there is none."""
    found = result.task(task)
    if not isinstance(found, ClassesResult) or not found.classes:
        return ""
    best = found.classes[0]
    return f"{best.label.replace('_', ' ')} {best.probability:.0%}"
