"""What a run of the load generator found, its laws, its picture and its tables.

Laws: past its capacity a system goes on serving it (goodput does not fall); the delay of what is served stays below what the queues
that are bounded by settings can hold; every offered frame is accounted for, by cameras and by the edge's own counters alike.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from cloud_analytics.settings import CloudSettings
from edge_encoder.settings import EdgeSettings

LEAST_GOODPUT = 0.8
"""Of the capacity, with as many cameras as that was measured with, at every rate from the capacity on. Posting itself takes of the same
processors (85 pictures a second where 34 are the capacity), and on a shared machine the capacity is another by a tenth a minute later."""
LEAST_SPREAD = 0.75
"""Of the capacity, with any other number of cameras: what a camera itself costs."""
NOISE = 2.0
"""The machine is shared and a frame's time is no constant: so much longer may the frames before one in a queue take."""
CODED = "coded"


@dataclass(frozen=True)
class Served:
    """One offered rate. goodput_fps: results that came a second, once the queues had begun to fill. outcomes: offered frames by what
    became of them, refused ones by their reason. unexplained: frames without an answer. missing: coded frames without a result.
    edge_differs: the largest difference between an outcome's number at the cameras and in the edge's counters.
    late_p99_ms: how late the generator posted.
    """

    cameras: int
    share: float
    seconds: float
    offered_fps: float
    goodput_fps: float
    delay_p50_ms: float
    delay_p95_ms: float
    delay_p99_ms: float
    late_p99_ms: float
    outcomes: dict[str, int]
    unexplained: int
    missing: int
    edge_differs: int

    @property
    def coded_share(self) -> float:
        """Of the offered frames."""
        return self.outcomes.get(CODED, 0) / max(1, sum(self.outcomes.values()))


@dataclass(frozen=True)
class Load:
    """A run. curve: multiples of the capacity with one number of cameras. spread: 1 and 2 times the capacity, over more and fewer."""

    seconds: float
    capacity_fps: float
    curve: tuple[Served, ...]
    spread: tuple[Served, ...]

    @property
    def served(self) -> tuple[Served, ...]:
        """Everything that was measured."""
        return (*self.curve, *self.spread)

    def bound_ms(self, cameras: int) -> float:
        """The longest that a frame can wait where every queue on its way is full and the capacity leaves it.

        At the edge: `queue_depth` frames of each camera, and nobody longer than `post_deadline_seconds`. Behind it `credit_frames` of
        the cloud, and a batch (`most_batch`) in each of the edge's three stages and at the cloud.
        """
        edge, cloud = EdgeSettings.model_fields, CloudSettings.model_fields
        queued = NOISE * edge["queue_depth"].default * cameras / self.capacity_fps
        behind = cloud["credit_frames"].default + 3 * edge["most_batch"].default + cloud["most_batch"].default
        waited = min(queued, edge["post_deadline_seconds"].default)
        return 1e3 * float(waited + NOISE * behind / self.capacity_fps)

    def broken(self) -> list[str]:
        """Which laws were, in words."""
        return [words for one in self.served for words in (*self._not_served(one), *_not_accounted(one))]

    def _not_served(self, one: Served) -> list[str]:
        where, found = f"{one.cameras} cameras at {one.share:g}x", []
        least = LEAST_GOODPUT if one.cameras == self.curve[0].cameras else LEAST_SPREAD
        if one.share >= 1 and one.goodput_fps < least * self.capacity_fps:
            found.append(
                f"{where}: goodput fell to {one.goodput_fps:.1f} frames/s, under {least:g} of the capacity, {self.capacity_fps:.1f}"
            )
        if one.delay_p99_ms > self.bound_ms(one.cameras):
            found.append(
                f"{where}: p99 of the delay is {one.delay_p99_ms:.0f} ms, over {self.bound_ms(one.cameras):.0f}"
            )
        return found


def _not_accounted(one: Served) -> list[str]:
    where = f"{one.cameras} cameras at {one.share:g}x"
    named = {
        "frames without an answer": one.unexplained,
        "coded frames without a result": one.missing,
        "frames in another column of the edge's counters": one.edge_differs,
    }
    return [f"{where}: {number} {what}" for what, number in named.items() if number]


def read(path: Path) -> Load:
    """What a run wrote."""
    found = json.loads(path.read_text())
    rows = {name: tuple(Served(**one) for one in found[name]) for name in ("curve", "spread")}
    return Load(found["seconds"], found["capacity_fps"], **rows)


def row(one: Served) -> str:
    """Markdown."""
    of = ", ".join(f"{count} {name}" for name, count in sorted(one.outcomes.items()))
    return (
        f"| {one.cameras} | {one.share:g} | {one.offered_fps:.1f} | {one.goodput_fps:.1f} "
        f"| {one.delay_p50_ms:.0f} | {one.delay_p95_ms:.0f} | {one.delay_p99_ms:.0f} | {of} |"
    )


def table(load: Load) -> str:
    """Markdown."""
    lines = [
        "| cameras | of the capacity | offered, frames/s | served, frames/s | delay p50, ms | p95 | p99 | what became of the frames |",
        "|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    return "\n".join([*lines, *map(row, load.served)])


def draw(load: Load, path: Path) -> None:
    """Goodput and drops against what is offered, delay against what is offered, and delay and goodput against the cameras."""
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    offered = [one.offered_fps for one in load.curve]
    left.plot(offered, [one.goodput_fps for one in load.curve], "o-", label="served")
    left.plot([0, max(offered)], [0, max(offered)], ":", color="grey", label="offered")
    for name in sorted({name for one in load.curve for name in one.outcomes} - {CODED}):
        left.plot(offered, [one.outcomes.get(name, 0) / one.seconds for one in load.curve], "s--", ms=4, label=name)
    left.set(xlabel="offered, frames a second", ylabel="frames a second", title="goodput and drops")
    _delays(middle, offered, load.curve)
    middle.axhline(load.bound_ms(load.curve[0].cameras), color="tab:red", lw=1, label="bound by policy")
    middle.set(xlabel="offered, frames a second", ylabel="ms", title=f"delay, {load.curve[0].cameras} cameras")
    over = sorted((one for one in load.served if one.share == 2), key=lambda one: one.cameras)
    _delays(right, [one.cameras for one in over], over)
    right.plot(
        [one.cameras for one in over],
        [load.bound_ms(one.cameras) for one in over],
        color="tab:red",
        lw=1,
        label="bound by policy",
    )
    right.set(xlabel="cameras", ylabel="ms", title="delay at twice the capacity", xscale="log", yscale="log")
    for panel in (left, middle, right):
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    for panel in (left, middle):
        panel.set(xlim=(0, None), ylim=(0, None))
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _delays(panel: object, where: Sequence[float], rows: Sequence[Served]) -> None:
    for label, name in (("median", "delay_p50_ms"), ("95th percentile", "delay_p95_ms"), ("99th", "delay_p99_ms")):
        panel.plot(where, [getattr(one, name) for one in rows], "o-", label=label)  # type: ignore[attr-defined]


def summary(load: Load) -> str:
    """One line."""
    over = [one for one in load.served if one.share > 1]
    frames: Counter[str] = Counter()
    for one in load.served:
        frames.update(one.outcomes)
    return (
        f"load: capacity {load.capacity_fps:.1f} frames/s; over it at least {min(one.goodput_fps for one in over):.1f} served; p99 at most "
        f"{max(one.delay_p99_ms / load.bound_ms(one.cameras) for one in over):.0%} of the policy's bound; {sum(frames.values())} frames "
        f"offered: {', '.join(f'{n} {name}' for name, n in sorted(frames.items()))}, "
        f"{sum(one.unexplained for one in load.served)} unexplained; "
        f"{'; '.join(load.broken()) or 'every law was kept'}"
    )
