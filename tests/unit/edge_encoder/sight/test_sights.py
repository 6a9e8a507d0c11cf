"""When a camera is called blind or frozen, when it is no longer, and that it does not flap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from structlog.testing import capture_logs

from edge_encoder.sight.sights import HOLDS, Sight, Sights
from tests.support.sight_pictures import SIDE, noisy, scene

FPS = 2.0
BASE = scene(9).astype(np.float64)


def quiet(random: np.random.Generator) -> NDArray[np.uint8]:
    """The same quiet room, with the noise of the sensor at this moment."""
    return noisy(BASE, random, 1.0)


def still(_: np.random.Generator) -> NDArray[np.uint8]:
    return BASE.astype(np.uint8)


def still_with_a_clock(random: np.random.Generator) -> NDArray[np.uint8]:
    picture = BASE.astype(np.uint8)
    picture[2:12, 5:75] = random.integers(0, 2, (10, 70, 1)) * 255
    return picture


def capped(random: np.random.Generator) -> NDArray[np.uint8]:
    return noisy(np.full((SIDE, SIDE, 3), 6.0), random, 3.0)


def exactly_black(_: np.random.Generator) -> NDArray[np.uint8]:
    return np.zeros((SIDE, SIDE, 3), np.uint8)


def overexposed(random: np.random.Generator) -> NDArray[np.uint8]:
    return noisy(np.full((SIDE, SIDE, 3), 258.0), random, 2.0)


def under_cloth(random: np.random.Generator) -> NDArray[np.uint8]:
    across = np.linspace(70, 140, SIDE)[None, :, None] * np.array([1.0, 0.8, 0.6])
    return noisy(np.broadcast_to(across, (SIDE, SIDE, 3)).astype(np.float64), random, 3.0)


def blue_screen(_: np.random.Generator) -> NDArray[np.uint8]:
    return np.broadcast_to(np.array([0, 0, 255], np.uint8), (SIDE, SIDE, 3)).copy()


Pictures = Callable[[np.random.Generator], NDArray[np.uint8]]
KINDS: dict[Pictures, Sight] = {
    quiet: Sight.CLEAR,
    still: Sight.FROZEN,
    still_with_a_clock: Sight.FROZEN,
    capped: Sight.BLACK,
    exactly_black: Sight.BLACK,
    overexposed: Sight.WHITE,
    under_cloth: Sight.COVERED,
    blue_screen: Sight.COVERED,
}


class SteppedClock:
    """A clock that the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Camera:
    """A camera that posts, and what is thought of it."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.sights = Sights(self.clock)
        self._random = np.random.default_rng(4)

    def posts(self, pictures: Pictures, seconds: float, fps: float = FPS) -> list[Sight]:
        seen = []
        for _ in range(round(seconds * fps)):
            self.sights.see("hall", pictures(self._random))
            seen.append(self.sight)
            self.clock.now += 1 / fps
        return seen

    @property
    def sight(self) -> Sight:
        found = self.sights.of("hall")
        assert found is not None
        return found.sight


@pytest.fixture
def camera() -> Camera:
    return Camera()


@pytest.mark.parametrize(("pictures", "expected"), KINDS.items(), ids=lambda one: getattr(one, "__name__", str(one)))
def test_a_camera_is_what_its_pictures_show_and_is_clear_again(
    camera: Camera, pictures: Pictures, expected: Sight
) -> None:
    assert camera.posts(quiet, 40)[-1] is Sight.CLEAR, "a quiet room is not frozen: its sensor has noise"
    hold = HOLDS[expected]
    if expected is not Sight.CLEAR:
        assert set(camera.posts(pictures, hold.seconds - 1)) == {Sight.CLEAR}, "not before it has lasted"
    assert camera.posts(pictures, 5)[-1] is expected
    assert set(camera.posts(pictures, 60)) == {expected}
    assert camera.posts(quiet, 10)[-1] is Sight.CLEAR


def test_a_slow_camera_is_judged_by_frames_too(camera: Camera) -> None:
    assert set(camera.posts(still, 9 * 60, fps=1 / 60)) == {Sight.CLEAR}, "nine pictures in nine minutes are few"
    assert camera.posts(still, 5 * 60, fps=1 / 60)[-1] is Sight.FROZEN


def test_a_light_that_dims_slowly_is_not_frozen(camera: Camera) -> None:
    step = count()
    seen = camera.posts(lambda _: np.clip(BASE - next(step) * 0.25, 0, 255).astype(np.uint8), 80)
    assert set(seen) == {Sight.CLEAR}


def test_a_frozen_encoder_that_sends_a_key_frame_now_and_then_stays_frozen(camera: Camera) -> None:
    camera.posts(still, 40)
    frames = count()

    def with_key_frames(_: np.random.Generator) -> NDArray[np.uint8]:
        # The whole picture is coded anew, a little differently, every four seconds.
        return (BASE + (next(frames) // 8) % 2 * 2).clip(0, 255).astype(np.uint8)

    assert set(camera.posts(with_key_frames, 60)) == {Sight.FROZEN}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=80))
def test_no_sight_lasts_less_than_what_the_next_one_must_hold(shown: list[Pictures]) -> None:
    camera, random = Camera(), np.random.default_rng(5)
    pictures: Iterator[NDArray[np.uint8]] = (one(random) for one in shown)
    since, before = camera.clock.now, Sight.CLEAR
    for picture in pictures:
        camera.clock.now += 1.0
        camera.sights.see("hall", picture)
        if camera.sight is not before:
            assert camera.clock.now - since >= HOLDS[camera.sight].seconds
            since, before = camera.clock.now, camera.sight


def test_it_is_told_once_a_minute_at_most_and_a_forgotten_camera_leaves_nothing(camera: Camera) -> None:
    with capture_logs() as logs:
        for _ in range(4):
            camera.posts(capped, 15)
            camera.posts(quiet, 15)
    told = [one for one in logs if one["event"] == "camera sees nothing, or always the same"]
    assert [one["sight"] for one in told] == [Sight.BLACK]
    camera.sights.forget("hall")
    assert camera.sights.of("hall") is None
