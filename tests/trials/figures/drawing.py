"""Draws a Grafana dashboard's panels with matplotlib: where its file says, from its own queries' answers, in its units.

    dashboard's JSON, answers of its queries --draw--> PNG

Not Grafana's rendering: what is the same is layout, titles, queries, names of series and units.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, MultipleLocator

from tests.support.prometheus import Series

COLUMNS = 24
COLUMN_INCHES, ROW_INCHES = 0.62, 0.36
MARGIN_INCHES, TITLE_INCHES = 0.25, 0.75
GAP_INCHES = 0.10
PAGE, CARD, LINE, INK, FAINT = "#f2f3f5", "#ffffff", "#d8dbe0", "#1f2430", "#6b7280"
COLOURS = ("#3b7dd8", "#e0822f", "#2f9e6e", "#b5489b", "#8a6d3b", "#5f5bd0", "#c94f4f", "#4c9fb5", "#8f9a2f", "#7a7f87")
BLUE, GREEN, RED = "#2f6fd0", "#2f9e6e", "#c94f4f"
MOST_LEGENDS = 8


@dataclass(frozen=True)
class Answers:
    """Prometheus' answers by query, between two times (seconds since 1970)."""

    start: float
    end: float
    series: Mapping[str, Sequence[Series]]


def draw(board: Mapping[str, Any], answers: Answers, target: Path, subject: str = "") -> None:
    """Draw one PNG. subject: the value of the dashboard's variable."""
    panels = board["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    width = COLUMNS * COLUMN_INCHES + 2 * MARGIN_INCHES
    height = rows * ROW_INCHES + TITLE_INCHES + MARGIN_INCHES
    with plt.rc_context({"font.family": "DejaVu Sans", "font.size": 8, "text.color": INK, "axes.edgecolor": LINE}):
        figure = plt.figure(figsize=(width, height), facecolor=PAGE)
        title = board["title"] + (f": {subject}" if subject else "")
        figure.text(MARGIN_INCHES / width, 1 - 0.42 / height, title, fontsize=14, weight="bold", va="center")
        for panel in panels:
            place = panel["gridPos"]
            left = MARGIN_INCHES + place["x"] * COLUMN_INCHES + GAP_INCHES / 2
            top = TITLE_INCHES + place["y"] * ROW_INCHES + GAP_INCHES / 2
            box = (left, height - top, place["w"] * COLUMN_INCHES - GAP_INCHES, place["h"] * ROW_INCHES - GAP_INCHES)
            _panel(figure, panel, answers, _Box(*box, width, height))
        figure.savefig(target, dpi=110, facecolor=PAGE)
        plt.close(figure)


@dataclass(frozen=True)
class _Box:
    """A panel's place in inches, from the page's left and bottom; top is its upper edge."""

    left: float
    top: float
    width: float
    height: float
    page_width: float
    page_height: float

    def inner(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        """Return an axes' rectangle with these margins in inches."""
        return (
            (self.left + left) / self.page_width,
            (self.top - self.height + bottom) / self.page_height,
            (self.width - left - right) / self.page_width,
            (self.height - bottom - top) / self.page_height,
        )


def _panel(figure: Figure, panel: Mapping[str, Any], answers: Answers, box: _Box) -> None:
    card = figure.add_axes(box.inner(0, 0, 0, 0), facecolor=CARD)
    card.set_xticks([])
    card.set_yticks([])
    title = box.inner(0.12, 0, 0, 0)
    figure.text(title[0], (box.top - 0.19) / box.page_height, panel["title"], fontsize=9, weight="bold", va="center")
    named = [
        (_name(target.get("legendFormat", ""), series.labels), series)
        for target in panel["targets"]
        for series in answers.series[target["expr"]]
        if any(map(math.isfinite, series.values))
    ]
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if word := _word(unit):
        edge = box.inner(0, 0, 0.12, 0)
        place = (edge[0] + edge[2], (box.top - 0.19) / box.page_height)
        figure.text(*place, word, fontsize=8, color=FAINT, ha="right", va="center")
    if panel["type"] == "stat":
        _number(card, panel, named, unit)
        return
    legend_lines = -(-min(len(named), MOST_LEGENDS) // 4)
    axes = figure.add_axes(box.inner(0.72, 0.34 + 0.17 * legend_lines, 0.16, 0.40), facecolor=CARD)
    _curves(axes, panel, named, answers)
    _style(axes, unit, answers)
    if named:
        axes.legend(
            *_legend(axes),
            loc="upper center",
            bbox_to_anchor=(0.5, -0.30 / ((box.height - 0.74 - 0.17 * legend_lines) or 1)),
            ncols=4,
            fontsize=7,
            frameon=False,
            handlelength=1.2,
            columnspacing=1.2,
        )


def _legend(axes: Axes) -> tuple[list[Any], list[str]]:
    handles, names = axes.get_legend_handles_labels()
    if len(names) > MOST_LEGENDS:
        names[MOST_LEGENDS - 1] = f"and {len(names) - MOST_LEGENDS + 1} more"
    return handles[:MOST_LEGENDS], names[:MOST_LEGENDS]


def _number(card: Axes, panel: Mapping[str, Any], named: Sequence[tuple[str, Series]], unit: str) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    steps = defaults["thresholds"]["steps"]
    value = named[0][1].values[-1] if named else math.nan
    shown = "short" if _word(unit) else unit
    text = "no data" if math.isnan(value) else in_unit(value, shown, defaults.get("decimals"))
    colour = BLUE if len(steps) == 1 else (RED if value > 0 else GREEN)
    card.text(0.5, 0.40, text, fontsize=22, weight="bold", ha="center", va="center", color=colour)


def _curves(axes: Axes, panel: Mapping[str, Any], named: Sequence[tuple[str, Series]], answers: Answers) -> None:
    custom = panel["fieldConfig"]["defaults"]["custom"]
    if custom.get("stacking", {}).get("mode") == "normal" and named:
        times = sorted({at for _, series in named for at in series.times})
        known = [dict(zip(series.times, series.values)) for _, series in named]
        layers = [[one.get(at, 0.0) for at in times] for one in known]
        minutes = [(at - answers.end) / 60 for at in times]
        colours = [COLOURS[place % len(COLOURS)] for place in range(len(named))]
        axes.stackplot(minutes, layers, labels=[name for name, _ in named], colors=colours, alpha=0.75, linewidth=0)
    else:
        for place, (name, series) in enumerate(named):
            minutes, values = _with_gaps(series, answers)
            axes.plot(minutes, values, label=name, color=COLOURS[place % len(COLOURS)], linewidth=1.6)
    if panel["fieldConfig"]["defaults"].get("min") == 0:
        nothing = not any(value > 0 for _, series in named for value in series.values)
        axes.set_ylim(bottom=0, top=1 if nothing else None)


def _with_gaps(series: Series, answers: Answers) -> tuple[list[float], list[float]]:
    """Return minutes before the end, and values; where samples are missing there is no line."""
    times, values = list(series.times), list(series.values)
    step = min((after - before for before, after in zip(times, times[1:])), default=0.0)
    for place in range(len(times) - 1, 0, -1):
        if times[place] - times[place - 1] > 2.5 * step:
            times.insert(place, times[place - 1] + step)
            values.insert(place, math.nan)
    return [(at - answers.end) / 60 for at in times], values


def _style(axes: Axes, unit: str, answers: Answers) -> None:
    axes.set_xlim((answers.start - answers.end) / 60, 0)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=FAINT, labelsize=7, length=0)
    axes.yaxis.set_major_locator(_locator(axes, unit))
    # A unit that is a word stands once, beside the title.
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: in_unit(value, "short" if _word(unit) else unit)))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: "now" if value == 0 else f"{value:.0f} min"))


def in_unit(value: float, unit: str, decimals: int | None = None) -> str:
    """Write a value as Grafana does: bits and bytes with prefixes, seconds down to milliseconds, parts in percent."""
    if unit == "percentunit":
        return f"{_digits(100 * value, decimals)} %"
    if unit == "s":
        return f"{_digits(1000 * value, decimals)} ms" if 0 < abs(value) < 0.995 else f"{_digits(value, decimals)} s"
    if unit in ("bps", "bytes"):
        base, letter = (1000, "b/s") if unit == "bps" else (1024, "B")
        for prefix in ("", "k", "M", "G"):
            if abs(value) < base or prefix == "G":
                return f"{_digits(value, decimals)} {prefix}{'i' if prefix and unit == 'bytes' else ''}{letter}"
            value /= base
    return _digits(value, decimals)


def _word(unit: str) -> str:
    return unit.removeprefix("suffix:").strip() if unit.startswith("suffix:") else ""


def _locator(axes: Axes, unit: str) -> Locator:
    low, high = axes.get_ylim()
    if unit == "bytes" and high > low:
        return MultipleLocator(2.0 ** math.ceil(math.log2((high - low) / 6)))
    return MaxNLocator(5)


def _digits(value: float, decimals: int | None) -> str:
    return f"{value:.{decimals}f}" if decimals is not None else f"{value:.4g}"


def _name(legend: str, labels: Mapping[str, str]) -> str:
    if not legend:
        return ", ".join(labels.values())
    return re.sub(r"{{\s*(\w+)\s*}}", lambda match: labels.get(match[1], ""), legend)
