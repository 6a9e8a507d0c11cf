"""A results file as typed values: what every experiment's file has in common.

docs/results/<name>.json --Made.of, points_of, plateau_of--> Made, Point, Plateau
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.report.names import INPUT_PIXELS, Quantity, quantity, suite_name
from experiments.report.tables import BYTES, paragraphs, prose
from experiments.runs.curves import Curve
from experiments.runs.measure import Point, curve_of
from experiments.runs.plateau import Plateau
from experiments.summary import read_results
from training.datasets.frame import DataError


def report(name: str, results: Path) -> list[Path]:
    """Write Markdown and figures of experiment `name` beside its results file; returns what was written."""
    found = read_results(results.parent, name)
    module: Any = importlib.import_module(f"experiments.{name}.report")
    text = results.with_suffix(".md")
    text.write_text(module.markdown(found))
    return [results, text, *module.figures(found, results.parent)]


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Raises DataError where the results file of experiment `name` lacks what its report needs."""
    try:
        yield
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"{name}.json is not of this version ({type(error).__name__}: {error}): run taxon experiment {name} again"
        ) from error


@dataclass(frozen=True)
class Made:
    """The making of a results file. frames: {split: count}. command: makes the file again."""

    suite: str
    networks_sha256: str
    seeds: int
    steps: int
    frames: Mapping[str, int]
    command: str

    @classmethod
    def of(cls, found: Mapping[str, Any], name: str) -> Made:
        """From the results file of the experiment `name`."""
        return cls(
            found["suite"], found["networks_sha256"], len(found["seeds"]), found["steps"], found["frames"],
            found.get("command", f"taxon experiment {name}"),
        )  # fmt: skip

    @property
    def where(self) -> str:
        """The test frames, for a sentence."""
        return f"{self.frames['test']} test frames of {suite_name(self.suite)}"

    def text(self) -> str:
        """The section that ends every report."""
        seeds = "one seed" if self.seeds == 1 else f"{self.seeds} seeds where a run is repeated"
        return paragraphs(
            "## How it was made",
            f"    {self.command}",
            prose(f"""
                {suite_name(self.suite)}: {self.frames["fit"]} training frames, {self.frames["validation"]} for every choice,
                {self.frames["test"]} for every figure shown. Each codec was trained for {self.steps} steps, {seeds}; all its operating
                points are one network. The task networks are frozen (sha256 `{self.networks_sha256[:12]}`). Bits per pixel are of the
                network's 256x256 input. Coded bytes are real bitstreams, decoded again before anything is judged, without a
                container's header.
            """),
            prose("""
                What stands in italics is the paper's, on Taskonomy with its own networks: its rates and ratios are there to compare with,
                its figures are of another test.
            """),
        )


def coded_bytes(point: Point) -> float:
    """Mean bytes a frame; the cross-entropy's where nothing was coded."""
    return point.bpp * INPUT_PIXELS / 8


def coded_bpp(point: Point) -> float:
    """Bits per pixel of real bytes."""
    return point.bpp


def model_bpp(point: Point) -> float:
    """Bits per pixel by the model's cross-entropy, without a coder."""
    return point.bits / INPUT_PIXELS


@dataclass(frozen=True)
class JudgedTask:
    """A task, and the figure that judges it."""

    name: str
    figure: str
    higher_is_better: bool

    @property
    def shown(self) -> Quantity:
        """The form in which its figure is shown."""
        return quantity(self.name, self.figure)

    def value(self, point: Point) -> float:
        """Its figure at an operating point."""
        return point.figures[self.name][self.figure]

    def cell(self, point: Point) -> str:
        """Bytes a frame and the figure at an operating point, as one cell."""
        return f"{BYTES.text(coded_bytes(point))} B: {self.shown.text(self.value(point))}"

    def curve(self, points: Sequence[Point], rate: Callable[[Point], float] = coded_bpp) -> Curve:
        """The curve of its figure over `rate`."""
        return curve_of(points, self.name, self.figure, self.higher_is_better, rate)


def points_of(data: Sequence[Mapping[str, Any]]) -> tuple[Point, ...]:
    """Operating points, from the fewest bits to the most."""
    return tuple(Point(**point) for point in data)


def plateau_of(data: Mapping[str, Any]) -> Plateau:
    """A plateau, from its fields."""
    return Plateau(data["reached"], data["setting"], Point(**data["validation"]), Point(**data["test"]))


def tolerance_text(limit: float, control: float) -> str:
    """Say how far from the control group's figure a plateau may begin, by the results file."""
    return f"{100 * abs(1 - limit / control):.2g} %" if control else "0 %"
