"""A soak's time line, and whether anything grew.

Point, every second or so --slope by least squares, warm-up left out--> Trend of each quantity --> laws, CSV, JSON, picture
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from matplotlib.figure import Figure

from tests.support.services import Signs, slope

KINDS = ("edge", "cloud")
WARM_SHARE = 0.25
WARM_SECONDS = 90.0
"""The warm-up takes at least so long, or half of a short run: every camera and visitor has been there, every cache is full."""
ALLOWED_SHARE = 0.04
"""Of the memory after the warm-up, for the line's rise to the end: an allocator's arenas wander by some percent of what they hold. It is
14 MB of an edge's 350 and 22 MB of a cloud's 550, so that in an hour at 10 frames a second a leak of one kilobyte a frame is seen in
both; a run of ten minutes sees one of five."""
ALLOWED_DESCRIPTORS = 4.0
ALLOWED_THREADS = 3.0
HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class Point:
    """A moment. seconds: since the start. signs: of edge and cloud. coded, delivered, lost: frames and results so far."""

    seconds: float
    edge: Signs
    cloud: Signs
    coded: int
    delivered: int
    lost: int


@dataclass(frozen=True)
class Trend:
    """The trend of one quantity after the warm-up. rise: of the least-squares line, to the end. per_hour: the same line's."""

    start: float
    rise: float
    per_hour: float


@dataclass
class Soak:
    """A run. without_result: coded frames whose result never came. visits: the number of subscribers that came and went."""

    seed: int
    fps: float
    points: list[Point] = field(default_factory=list)
    visits: int = 0
    lost: int = 0
    without_result: int = 0

    @property
    def warm(self) -> list[Point]:
        """Return the points after the warm-up."""
        if not self.points:
            return []
        whole = self.points[-1].seconds
        begins = max(WARM_SHARE * whole, min(WARM_SECONDS, whole / 2))
        return [one for one in self.points if one.seconds >= begins]

    def trend(self, kind: str, quantity: str) -> Trend:
        """Return the trend of one quantity. kind: "edge" or "cloud". quantity: a field of `Signs`."""
        seconds = [one.seconds for one in self.warm]
        values = [float(getattr(getattr(one, kind), quantity)) for one in self.warm]
        rises = slope(seconds, values)
        return Trend(values[0], rises * (seconds[-1] - seconds[0]), rises * HOUR_SECONDS)

    def broken(self) -> list[str]:
        """Return the laws that were broken, in words."""
        if len(self.warm) < 2:
            return ["too short to say anything"]
        found = [f"{self.without_result} coded frames without a result"] if self.without_result else []
        found += [f"{self.lost} results lost"] if self.lost else []
        found += [] if self.points[-1].delivered else ["nothing was delivered"]
        for kind in KINDS:
            memory = self.trend(kind, "resident_bytes")
            if memory.rise > ALLOWED_SHARE * memory.start:
                found.append(f"{kind}: memory rises, {_memory(memory)}")
            for quantity, allowed in (("descriptors", ALLOWED_DESCRIPTORS), ("threads", ALLOWED_THREADS)):
                if (rise := self.trend(kind, quantity).rise) > allowed:
                    found.append(f"{kind}: {rise:+.0f} {quantity}")
        return found

    def document(self) -> dict[str, object]:
        """Return the figures for docs/resilience.md."""
        return {
            "seed": self.seed,
            "fps": self.fps,
            "visits": self.visits,
            "without_result": self.without_result,
            "trends": {kind: {name: asdict(self.trend(kind, name)) for name in _QUANTITIES} for kind in KINDS},
            "broken": self.broken(),
            "points": [asdict(one) for one in self.points],
        }

    def __str__(self) -> str:
        last = self.points[-1]
        trends = "; ".join(
            f"{kind} {_memory(self.trend(kind, 'resident_bytes'))}, {self.trend(kind, 'descriptors').rise:+.1f} descriptors, "
            f"{self.trend(kind, 'threads').rise:+.1f} threads"
            for kind in KINDS
        )
        return (
            f"soak: seed {self.seed}, {last.seconds:.0f} s, {last.coded} frames coded, {last.delivered} delivered, {self.without_result} "
            f"without a result, {self.visits} visits; {trends}; {'; '.join(self.broken()) or 'every law was kept'}"
        )


_QUANTITIES = tuple(one.name for one in fields(Signs))


def _memory(trend: Trend) -> str:
    return f"{trend.start / 1e6:.0f} MB {trend.rise / 1e6:+.1f} MB ({trend.per_hour / 1e6:+.1f} MB an hour)"


def line(point: Point) -> str:
    """Return the present figures in one line."""
    both = "; ".join(
        f"{kind} {one.resident_bytes / 1e6:.0f} MB, {one.descriptors} descriptors, {one.threads} threads"
        for kind, one in (("edge", point.edge), ("cloud", point.cloud))
    )
    return f"{point.seconds:.0f} s: {point.coded} frames coded, {point.delivered} delivered, {point.lost} lost; {both}"


def write_csv(points: Iterable[Point], path: Path) -> None:
    """Write the time line, a row for each point."""
    names = [f"{kind}_{quantity}" for kind in KINDS for quantity in _QUANTITIES]
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["seconds", "coded", "delivered", "lost", *names])
        for one in points:
            signs = [getattr(side, quantity) for side in (one.edge, one.cloud) for quantity in _QUANTITIES]
            rows.writerow([f"{one.seconds:.1f}", one.coded, one.delivered, one.lost, *signs])


def draw(soak: Soak, path: Path) -> None:
    """Draw memory with its line, descriptors and threads, and what was delivered, over time."""
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    memory, handles, delivered = figure.subplots(1, 3)
    minutes = [one.seconds / 60 for one in soak.points]
    warm = [soak.warm[0].seconds / 60, soak.warm[-1].seconds / 60]
    for kind, colour in zip(KINDS, ("tab:blue", "tab:orange"), strict=True):
        signs = [getattr(one, kind) for one in soak.points]
        trend = soak.trend(kind, "resident_bytes")
        memory.plot(minutes, [one.resident_bytes / 1e6 for one in signs], color=colour, label=kind)
        memory.plot(warm, _line_through(soak, kind, trend), ":", color="black")
        handles.plot(minutes, [one.descriptors for one in signs], color=colour, label=f"{kind}, descriptors")
        handles.plot(minutes, [one.threads for one in signs], "--", color=colour, label=f"{kind}, threads")
    delivered.plot(minutes, [one.coded for one in soak.points], label="coded")
    delivered.plot(minutes, [one.delivered for one in soak.points], "--", label="delivered")
    delivered.plot(minutes, [one.lost for one in soak.points], color="tab:red", label="lost")
    for panel, title, unit in ((memory, "resident memory", "MB"), (handles, "held", ""), (delivered, "frames", "")):
        panel.set(xlabel="minutes", ylabel=unit, title=title, ylim=(0, None))
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _line_through(soak: Soak, kind: str, trend: Trend) -> Sequence[float]:
    """Return the least-squares line's ends in MB; it goes through the middle of the points."""
    values = [getattr(one, kind).resident_bytes for one in soak.warm]
    middle = sum(values) / len(values)
    return [(middle - trend.rise / 2) / 1e6, (middle + trend.rise / 2) / 1e6]
