"""The contact sheet: what the camera saw, what the attack makes of its bytes, and what else those bytes could have been.

    frames by a rule --> one row each: original, attack at every operating point, without rounding, another's bits, JPEG, WebP, no bits

The published sheet shows the project's own rendered rooms. NYUv2 may not be passed on, so its sheet stays in the work folder.
Law: six frames a sheet, in the middle of each sixth of the split when it is sorted by the attack's PSNR at the default operating point.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from experiments.privacy.attack import as_pictures, decoded_pictures
from experiments.privacy.controls import as_small, mean_picture, others
from experiments.privacy.equal_bytes import CODECS, best_within, candidates_of
from experiments.privacy.judge import enlarged, likenesses
from experiments.privacy.steal import Stolen
from experiments.report.names import PICTURES
from experiments.report.style import DPI, QUIET, drawing

ROWS = 6
TILE_INCHES = 1.28
JPEG_QUALITY = 90
SHOWN_CODECS = ("jpeg", "webp")
PUBLISHED, KEPT = "samples", "test"


@dataclass(frozen=True)
class Tile:
    """One picture float32 [3, S, S] in 0..1, or None where there is none. below: one line about it."""

    picture: Tensor | None
    below: str


def write_sheets(stolen: Stolen, output: Path, work: Path) -> list[Path]:
    """`output`/privacy_sheet.jpg of the samples, `work`/privacy_sheet_test.jpg of the test frames; returns both paths."""
    paths = {PUBLISHED: output / "privacy_sheet.jpg", KEPT: work / "privacy_sheet_test.jpg"}
    for split, path in paths.items():
        draw(*rows_of(stolen, split), path)
    return list(paths.values())


def chosen_frames(psnr: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    """The frames in the middle of each of `count` equal shares, from the lowest PSNR to the highest; every frame where there are fewer."""
    order = np.argsort(psnr, kind="stable")
    count = min(count, len(order))
    return order[((np.arange(count) + 0.5) * len(order) / count).astype(np.int64)]


def rows_of(stolen: Stolen, split: str) -> tuple[list[str], list[list[Tile]]]:
    """The columns' names, and a row of tiles for each chosen frame."""
    frames = stolen.splits[split]
    every = np.arange(len(frames))
    wanted = as_pictures(frames.take("picture", every))
    made = [decoded_pictures(stolen.attack.network, frames, s, every, stolen.device) for s in range(len(stolen.stages))]
    default = stolen.bundle.manifest.default_rate
    scores = [likenesses(of_stage, wanted).numpy() for of_stage in made]
    another = made[default][others(len(frames))]
    instead = mean_picture(stolen.splits["fit"])
    columns = ["the camera's"]
    columns += [f"attack, {'' if name == stolen.stages[-1] else 'at '}{name}" for name in stolen.stages]
    columns += ["attack, another's bits"]
    columns += [f"{PICTURES[name]}, bytes of {stolen.stages[stolen.rates - 1]}" for name in SHOWN_CODECS] + ["no bits"]
    rows = []
    for i in chosen_frames(scores[default][:, 0].astype(np.float64), ROWS):
        row = [Tile(wanted[i], frames.names[i])]
        for stage, of_stage in enumerate(made):
            size = f"{frames.bytes_of(stage)[i]} bytes, " if stage < stolen.rates else ""
            row.append(Tile(of_stage[i], size + _figures(scores[stage][i])))
        row.append(Tile(another[i], _figures(likenesses(another[i : i + 1], wanted[i : i + 1])[0].numpy())))
        budget = int(frames.bytes_of(stolen.rates - 1)[i])
        row += [_file(name, frames.take("picture", [i])[0], budget) for name in SHOWN_CODECS]
        row.append(Tile(instead, _figures(likenesses(instead[None], wanted[i : i + 1])[0].numpy())))
        rows.append(row)
    return columns, rows


def _file(codec: str, picture: npt.NDArray[np.uint8], budget: int) -> Tile:
    [own] = [one for one in CODECS if one.name == codec]
    fitted = best_within(candidates_of(picture, own, budget), budget)
    if fitted is None:
        return Tile(None, f"no file in {budget} bytes")
    shown = as_small(fitted, torch.zeros(3, 1, 1), len(picture))
    figures = likenesses(shown[None], as_pictures(picture[None]))[0].numpy()
    return Tile(shown, f"{fitted.bytes_} bytes, {_figures(figures)}")


def _figures(figures: npt.NDArray[np.float32]) -> str:
    return f"{figures[0]:.1f} dB, {figures[1]:.2f}"


def draw(columns: list[str], rows: list[list[Tile]], path: Path) -> None:
    """Write the sheet as JPEG: sixty small photographs are a tenth of what they are as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    side = max(tile.picture.shape[-1] for row in rows for tile in row if tile.picture is not None)
    with drawing(len(columns) * TILE_INCHES, len(rows) * (TILE_INCHES + 0.17) + 0.3) as figure:
        panels = figure.subplots(len(rows), len(columns), squeeze=False)
        for row, tiles in enumerate(rows):
            for column, tile in enumerate(tiles):
                axes = panels[row, column]
                axes.set_xticks([])
                axes.set_yticks([])
                axes.spines[:].set_visible(False)
                if tile.picture is not None:
                    shown = enlarged(tile.picture[None], side)[0].permute(1, 2, 0).numpy()
                    axes.imshow(shown, interpolation="lanczos")
                else:
                    axes.set_aspect("equal")
                    axes.text(0.5, 0.5, "none fits", ha="center", va="center", color=QUIET, fontsize=8)
                axes.set_xlabel(tile.below, fontsize=5.2, labelpad=1.5)
                if row == 0:
                    axes.set_title(columns[column], fontsize=6.2, loc="center", pad=3)
        figure.savefig(path, dpi=DPI, pil_kwargs={"quality": JPEG_QUALITY, "subsampling": 0, "optimize": True})
