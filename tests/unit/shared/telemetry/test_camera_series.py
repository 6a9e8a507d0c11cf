"""Which cameras have series: a bounded number, for a bounded time."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from shared.telemetry.metrics import CameraSeries


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Frames:
    """A counter by camera and outcome, its series and their clock."""

    def __init__(self, most: int = 3, quiet_seconds: float = 60.0) -> None:
        self.clock = Clock()
        self.registry = CollectorRegistry()
        self.frames = Counter("frames", "Frames", ["camera", "outcome"], registry=self.registry)
        self.series = CameraSeries([self.frames], most, quiet_seconds, self.begin, self.clock)

    def begin(self, camera: str) -> None:
        self.frames.labels(camera, "coded")

    def came(self, *cameras: str) -> None:
        for camera in cameras:
            self.series.saw(camera)
            self.frames.labels(camera, "coded").inc()
            self.frames.labels(camera, "superseded").inc()

    def cameras(self) -> set[str]:
        return {sample.labels["camera"] for family in self.registry.collect() for sample in family.samples}

    def coded(self, camera: str) -> float | None:
        return self.registry.get_sample_value("frames_total", {"camera": camera, "outcome": "coded"})


def test_a_new_camera_begins_at_zero() -> None:
    measured = Frames()
    measured.series.saw("hall")
    assert measured.coded("hall") == 0


def test_all_series_of_a_camera_that_left_go_and_no_others() -> None:
    measured = Frames()
    measured.came("hall", "kitchen")
    measured.clock.now = 50
    measured.came("kitchen")
    measured.clock.now = 61
    measured.series.forget_quiet()
    assert measured.cameras() == {"kitchen"}
    assert measured.coded("kitchen") == 2
    assert len(measured.series) == 1


def test_a_camera_that_comes_back_begins_again_at_zero() -> None:
    measured = Frames()
    measured.came("hall", "hall")
    measured.clock.now = 61
    measured.series.forget_quiet()
    measured.series.saw("hall")
    assert measured.coded("hall") == 0


def test_whatever_names_come_only_the_latest_have_series() -> None:
    measured = Frames(most=3)
    for number in range(100):
        measured.came("regular", f"passing-{number}")
    assert measured.cameras() == {"regular", "passing-98", "passing-99"}
    assert measured.coded("regular") == 100
