"""Keeps a camera's bit budget by choosing the operating point frame by frame.

    camera, groups --choose--> Choice (rate, reserved bits), or None (over budget)
    Choice --networks, entropy coder--> coded bits --settle--> spent: the frame is sent, or it is too large

Each camera has a token bucket in bits. It fills at the budget up to `burst_bits`, and a frame is sent only out of its
content. The operating point is the highest whose expected size fits both the bucket and the pace. The pace is the
budget x the time between frames: more when the bucket is over half full, less below. Expected sizes are running means
of this camera's own. All clocks are the caller's.

Law: over every window of T seconds a camera's spent bits are at most budget x T + burst.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

SMALLEST_BURST_BITS = 8192
"""A bucket has room for a few frames, however small the budget is."""

_GROWTH = 1.4
"""The assumed size ratio of neighbouring operating points, until both were seen."""
_FIRST_GUESS_BITS = 1000.0
"""The size of a frame at the lowest operating point, as long as none was seen."""
_LEARNING = 0.15
"""The weight of the newest frame in a running mean."""
_SPREAD_FRAMES = 8
"""What is above half a bucket is spent over so many frames; what is missing below it is saved over as many."""
_MARGIN = 1.1
"""A tenth more than the expected size is reserved: a frame that exceeds its budget was coded for nothing."""
_LONGEST_INTERVAL_SECONDS = 10.0


@dataclass(frozen=True)
class Budget:
    """The bits that a camera may spend. bits_per_second: in the long run. burst_bits: at once, after a pause."""

    bits_per_second: float
    burst_bits: float

    @classmethod
    def of(cls, kilobits_per_second: float, burst_seconds: float) -> Budget:
        """Return the budget in the settings' units (1 kbit = 1000 bits)."""
        bits = 1000 * kilobits_per_second
        return cls(bits, max(bits * burst_seconds, SMALLEST_BURST_BITS))


@dataclass(frozen=True)
class Choice:
    """An operating point for one frame, and the bits put aside for it until its size is known."""

    camera_id: str
    groups: tuple[str, ...]
    rate: int
    reserved_bits: float


@dataclass
class _Bucket:
    """One camera's bits. reserved_bits: put aside for frames that are being coded. sizes: in bits, by groups and rate."""

    budget: Budget
    held_bits: float
    filled_at_seconds: float
    reserved_bits: float = 0.0
    interval_seconds: float = 1.0
    last_choice_seconds: float | None = None
    sizes: dict[tuple[str, ...], dict[int, float]] = field(default_factory=dict)

    def fill(self, now_seconds: float) -> None:
        elapsed = max(0.0, now_seconds - self.filled_at_seconds)
        self.held_bits = min(self.budget.burst_bits, self.held_bits + elapsed * self.budget.bits_per_second)
        self.filled_at_seconds = max(now_seconds, self.filled_at_seconds)


class BitBudget:
    """One bucket for each camera. rates: the operating points that may be chosen."""

    def __init__(self, rates: Sequence[int]) -> None:
        self._rates = tuple(sorted(rates))
        self._buckets: dict[str, _Bucket] = {}

    def choose(
        self,
        camera_id: str,
        groups: tuple[str, ...],
        budget: Budget,
        now_seconds: float,
        highest: int | None = None,
    ) -> Choice | None:
        """Return the operating point of a frame, or None where even the lowest is over the budget.

        highest: the highest point that may be chosen; None for any.
        """
        bucket = self._buckets.setdefault(camera_id, _Bucket(budget, budget.burst_bits, now_seconds))
        bucket.fill(now_seconds)
        if bucket.budget != budget:
            # What was learned of the scene stays true. A bucket that was filled anew with each change could be filled at will.
            bucket.budget, bucket.held_bits = budget, min(bucket.held_bits, budget.burst_bits)
        self._note_interval(bucket, now_seconds)
        free_bits = bucket.held_bits - bucket.reserved_bits
        pace_bits = (
            budget.bits_per_second * bucket.interval_seconds + (free_bits - budget.burst_bits / 2) / _SPREAD_FRAMES
        )
        lowest, *higher = (rate for rate in self._rates if highest is None or rate <= highest or rate == self._rates[0])
        expected = _MARGIN * self._expected_bits(bucket, groups, lowest)
        if free_bits >= budget.burst_bits:
            # A full bucket is always tried: an expectation above it would otherwise never be corrected.
            expected = min(expected, free_bits)
        if expected > free_bits:
            return None
        chosen = Choice(camera_id, groups, lowest, expected)
        for rate in higher:
            # Only the lowest point may ignore the pace: a camera that posts at all gets frames through.
            expected = _MARGIN * self._expected_bits(bucket, groups, rate)
            if expected <= min(free_bits, pace_bits):
                chosen = Choice(camera_id, groups, rate, expected)
        bucket.reserved_bits += chosen.reserved_bits
        return chosen

    def settle(self, choice: Choice, coded_bits: int, now_seconds: float) -> bool:
        """Spend a frame's bits. Return False where it came out larger than what is left: it must not be sent."""
        bucket = self._buckets[choice.camera_id]
        bucket.fill(now_seconds)
        bucket.reserved_bits = max(0.0, bucket.reserved_bits - choice.reserved_bits)
        self._learn(bucket, choice, coded_bits)
        if coded_bits > bucket.held_bits:
            return False
        bucket.held_bits -= coded_bits
        return True

    def forget(self, camera_id: str) -> None:
        """Forget a camera that has left, of which nothing is being coded."""
        self._buckets.pop(camera_id, None)

    def give_back(self, choice: Choice) -> None:
        """Free the bits that were put aside for a frame that came to nothing."""
        bucket = self._buckets[choice.camera_id]
        bucket.reserved_bits = max(0.0, bucket.reserved_bits - choice.reserved_bits)

    def _note_interval(self, bucket: _Bucket, now_seconds: float) -> None:
        if bucket.last_choice_seconds is not None:
            interval = min(max(0.0, now_seconds - bucket.last_choice_seconds), _LONGEST_INTERVAL_SECONDS)
            bucket.interval_seconds += _LEARNING * (interval - bucket.interval_seconds)
        bucket.last_choice_seconds = now_seconds

    def _expected_bits(self, bucket: _Bucket, groups: tuple[str, ...], rate: int) -> float:
        known = bucket.sizes.get(groups, {})
        if rate in known:
            return known[rate]
        if not known:
            return _FIRST_GUESS_BITS * float(_GROWTH**rate)
        nearest = min(known, key=lambda other: abs(other - rate))
        return known[nearest] * float(_GROWTH ** (rate - nearest))

    def _learn(self, bucket: _Bucket, choice: Choice, coded_bits: int) -> None:
        """Move the expected size of this operating point, and those of the others in proportion: it is the same scene."""
        sizes = bucket.sizes.setdefault(choice.groups, {})
        before = sizes.get(choice.rate)
        if before is None:
            sizes[choice.rate] = float(coded_bits)
            return
        factor = 1 + _LEARNING * (coded_bits / before - 1)
        for rate in sizes:
            sizes[rate] *= factor
