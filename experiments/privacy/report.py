"""Report what a stolen bitstream reveals: tables and curves of the attack beside its controls.

privacy.json --Results--> privacy.md, and privacy.png, privacy.svg: PSNR, SSIM and correlation over bytes
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from experiments.report.names import PICTURES
from experiments.report.results import reading
from experiments.report.style import COLOURS, INK, QUIET, WIDTH_INCHES, better, drawing, save
from experiments.report.tables import NONE, paragraphs, prose, table

NAME = "privacy"
FIGURES = {"psnr_db": "PSNR (dB)", "ssim": "SSIM", "correlation": "correlation of grey values"}
SPLITS = {"test": "NYU Depth v2, test frames", "samples": "the shipped rooms"}
ATTACK_COLOUR = COLOURS["codebook"]
Likeness = Mapping[str, float]
Split = Mapping[str, Any]
"""One split of the results file: `no_bits` and `unrounded` are a Likeness each, `points` and `small_pictures` hold some."""


@reading(NAME)
def markdown(found: Mapping[str, Any]) -> str:
    """privacy.md; raises DataError where the results file lacks something."""
    parts = []
    for split, title in SPLITS.items():
        one = found["splits"][split]
        parts += [
            f"## Pictures from bitstreams: {title}, {found['frames'][split]} pictures",
            _attack_table(one),
            _small_table(one),
        ]
    return paragraphs(
        "# What a stolen bitstream reveals",
        "[What it means](../privacy.md), and what is not measured.",
        *parts,
        "## Which picture was it?",
        _fingerprint_table(found),
        "![PSNR, SSIM and correlation over bytes](privacy.png)",
        "## How it was made",
        f"    {found['command']}",
        _made(found),
    )


def _attack_table(split: Split) -> str:
    rows = [["no bits: the mean picture", "0", "0", *_cells(split["no_bits"]), "", "", ""]]
    rows += [
        [at["operating_point"], f"{at['bytes']:.1f}", f"{at['bpp']:.4f}", *_cells(at["attack"]), *_cells(at["another"])]
        for at in split["points"]
    ]
    rows.append(["without rounding", NONE, NONE, *_cells(split["unrounded"]), "", "", ""])
    header = [
        "operating point",
        "bytes",
        "bpp",
        "attack: PSNR ↑",
        "SSIM ↑",
        "corr. ↑",
        "another frame's bits: PSNR",
        "SSIM",
        "corr.",
    ]
    return table(header, rows)


def _small_table(split: Split) -> str:
    rows = []
    for codec, points in split["small_pictures"].items():
        for own, small in zip(split["points"], points, strict=True):
            cells = [f"{100 * small['fits']:.0f} %"]
            if small["likeness"] is None:
                cells += [NONE, NONE, "none fits", NONE, NONE]
            else:
                cells += [f"{small['bytes_']:.0f}", f"{small['side_px']:.0f}", *_cells(small["likeness"])]
            rows.append([f"{PICTURES[codec]} at {own['operating_point']} ({own['bytes']:.0f} bytes)", *cells])
    return table(
        ["a picture of as many bytes", "fits", "its bytes", "its side (pixels)", "PSNR ↑", "SSIM ↑", "corr. ↑"], rows
    )


def _fingerprint_table(found: Mapping[str, Any]) -> str:
    names = [point["operating_point"] for point in found["splits"]["test"]["points"]]
    rows = [
        [copy, *(f"{100 * one['first']:.1f} % ({100 * one['among_ten']:.1f} %)" for one in points)]
        for copy, points in found["fingerprint"].items()
    ]
    gallery = next(iter(found["fingerprint"].values()))[0]["gallery"]
    header = [f"the true picture is nearest (among ten) of {gallery}, when the thief has", *names]
    return table(header, rows)


def _made(found: Mapping[str, Any]) -> str:
    training, bundle, frames = found["training"], found["bundle"], found["frames"]
    return prose(f"""
        Bundle `{bundle["name"]}/{bundle["version"]}`, digest `{bundle["digest"]}`. The attack has {training["parameters"]:,} parameters.
        It was trained on {frames["fit"]:,} views of {found["sources"]["fit"]:,} pictures (NYU Depth v2's fit frames and the house photos)
        for {training["steps"]} steps of {training["batch"]} views, each at an operating point of its own or without rounding. The seeds are
        {found["seeds"]["views"]} (views) and {found["seeds"]["attack"]} (attack). The weights after step {training["chosen_step"]} did
        best on {frames["validation"]} validation frames. Bytes are whole bitstreams with both groups, headers and check sums; bits per
        pixel are of the {found["input_px"]}x{found["input_px"]} input, at which every picture is judged. A codec's picture is the best of
        a grid of sizes, qualities, colour and grey by PSNR, the whole file counted. Where none is short enough for a frame, the mean
        picture stands in.
    """)


def _cells(likeness: Likeness) -> list[str]:
    return [f"{likeness['psnr_db']:.2f} dB", f"{likeness['ssim']:.3f}", f"{likeness['correlation']:.2f}"]


@reading(NAME)
def figures(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """privacy.png and privacy.svg; returns both paths."""
    with drawing(WIDTH_INCHES, 3.6) as figure:
        split = found["splits"]["test"]
        panels = figure.subplots(1, len(FIGURES))
        for axes, (name, label) in zip(panels, FIGURES.items(), strict=True):
            _panel(axes, split, name, label)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
        return save(figure, folder, NAME)


def _panel(axes: Axes, split: Split, name: str, label: str) -> None:
    sizes = [point["bytes"] for point in split["points"]]
    attack, another = ([point[whose][name] for point in split["points"]] for whose in ("attack", "another"))
    axes.axhline(split["unrounded"][name], color=ATTACK_COLOUR, linestyle=":", label="attack, without rounding")
    axes.plot(sizes, attack, "o-", color=ATTACK_COLOUR, lw=2, label="attack on the bitstream")
    for codec, points in split["small_pictures"].items():
        shown = [(size, p["likeness"][name]) for size, p in zip(sizes, points, strict=True) if p["likeness"]]
        if shown:
            label_of_codec = f"{PICTURES[codec]} in as many bytes"
            axes.plot(*zip(*shown, strict=True), "s-", color=COLOURS[codec], lw=1.2, ms=4, label=label_of_codec)
    axes.axhline(split["no_bits"][name], color=INK, linestyle="--", lw=1, label="no bits: the mean picture")
    axes.plot(sizes, another, "x-", color=QUIET, lw=1, label="attack on another frame's bits")
    axes.set_xlabel("bytes a frame")
    axes.set_ylabel(label)
    better(axes, higher_is_better=True)
