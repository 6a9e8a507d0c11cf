"""The look of figures: fonts, lines, one colour for each scheme, and files that are the same bytes every time.

with drawing(width, height) as figure: ... --save--> <name>.png (twice the pixels of a README's width) and <name>.svg
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axes._secondary_axes import SecondaryAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, NullFormatter

from experiments.report.names import BYTES_OF_BPP

WIDTH_INCHES = 9.0
DPI = 200
# an axis with fewer inches for a power of ten has no room for numbers at 2 and 5, but for one at 3
INCHES_A_DECADE = 1.4
# of a panel's share of the figure, what its axis takes
AXIS_SHARE = 0.8
INK, QUIET, GRID = "#222222", "#6b6b6b", "#e6e6e6"

COLOURS = {
    "codebook": "#0072b2",
    "context": "#009e73",
    "linear": "#b5179e",
    "hyperprior": "#d55e00",
    "scale": "#e69f00",
    "channels": "#cc79a7",
    "positions": "#a05a2c",
    "idfc": "#8a5a9e",
    "original": "#222222",
    "control": "#6b6b6b",
    "customized": "#8a8a8a",
    "trinity": "#0072b2",
    "hex": "#009e73",
    "binary": "#56a5d8",
    "binary+": "#0072b2",
    "hevc-intra": "#d55e00",
    "avif": "#8a5a9e",
    "webp": "#b08900",
    "jpeg": "#8a8a8a",
    "vector": "#0072b2",
    "spatial": "#d55e00",
}

SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.minor.size": 0.0,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "text.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "hatch.linewidth": 0.7,
    # element ids of an SVG are hashes with this salt, and text is drawn as outlines: the same everywhere
    "svg.hashsalt": "taxon",
    "svg.fonttype": "path",
}


@contextmanager
def drawing(width_inches: float = WIDTH_INCHES, height_inches: float = 4.0) -> Iterator[Figure]:
    """A new figure under the project's settings, whatever the reader's own matplotlibrc says; draw and save it within."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)  # type: ignore[arg-type]
        figure = Figure((width_inches, height_inches), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write <name>.png and <name>.svg without dates and versions; returns both paths."""
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    figure.savefig(png, metadata={"Software": None})
    figure.savefig(svg, metadata={"Date": None, "Creator": None})
    return [png, svg]


def rate_axis(axes: Axes, label: str = "bits per pixel (0.01 = 82 bytes)") -> None:
    """A logarithmic x axis with plain numbers at 1, 2 and 5, or at 1 and 3 where it is narrow."""
    axes.set_xscale("log")
    _plain_ticks(axes, axes)
    axes.grid(False, axis="x")
    axes.set_xlabel(label)


def byte_axis(axes: Axes) -> None:
    """Bytes a frame along the upper edge of a panel whose x axis is bits per pixel."""
    top = axes.secondary_xaxis(
        "top", functions=(lambda bpp: np.multiply(bpp, BYTES_OF_BPP), lambda size: np.divide(size, BYTES_OF_BPP))
    )
    _plain_ticks(top, axes)
    top.set_xlabel("bytes a frame")
    top.spines["top"].set_visible(False)


def _plain_ticks(axes: Axes | SecondaryAxis, panel: Axes) -> None:
    """Plain numbers as dense as the panel has room for; its layout is not known yet, its share of the figure is."""
    low, high = panel.get_xlim()
    place, figure = panel.get_subplotspec(), panel.figure.get_figure(root=True)
    assert figure is not None
    inches = AXIS_SHARE * figure.get_figwidth() / (1 if place is None else place.get_gridspec().ncols)
    subs = (1.0, 2.0, 5.0) if inches / math.log10(high / low) > INCHES_A_DECADE else (1.0, 3.0)
    plain_numbers(axes, LogLocator(subs=subs, numticks=20))


def plain_numbers(axes: Axes | SecondaryAxis, ticks: Locator) -> None:
    """Write the x axis's ticks as plain numbers, without powers of ten."""
    axes.xaxis.set_major_locator(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def pale(colour: str, share: float = 0.45) -> tuple[float, float, float]:
    """A colour mixed with white, for areas that a grid line must not shine through. share: of the colour."""
    red, green, blue = (1 - share * (1 - part) for part in to_rgb(colour))
    return red, green, blue


def better(axes: Axes, higher_is_better: bool) -> None:
    """Mark the corner of few bits and a good figure."""
    y, align, sign = (0.98, "top", "↖") if higher_is_better else (0.02, "bottom", "↙")
    axes.text(
        0.015, y, f"{sign} better", transform=axes.transAxes, va=align, ha="left", color=QUIET, fontsize=8, style="italic"
    )  # fmt: skip
