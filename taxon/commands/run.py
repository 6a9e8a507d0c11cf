"""`taxon run IMAGE...` encodes pictures, decodes them from the very bytes, and draws a contact sheet of each."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cloud_analytics.decoding.heads import TaskResult
from cloud_analytics.rendering.pictures import PICTURES, class_colour, png, strong_curvature_picture
from edge_encoder.encoding.preprocess import preprocess
from shared.contract.geometry import Frame, Geometry, InputSize
from shared.model.bundle import Bundle
from shared.model.tasks import TASKS, Task
from taxon.codec import Codec, chosen_groups, chosen_rate
from taxon.commands.common import add_bundle_option, add_coding_options, add_output_option, for_each, names_of
from taxon.files import LARGEST_PICTURE_BYTES, output_names, read_bytes, write_all
from taxon.results import BitstreamSizes, result_files, sizes_of, top_classes
from taxon.sheet import (
    TILE_HEIGHT,
    TILE_WIDTH,
    ByteCount,
    ClassShare,
    DenseTile,
    Ranking,
    SheetContent,
    draw_sheet,
)

JPEG_QUALITY = 75
CLASSES_ON_SHEET = 5
DRAWN = {**PICTURES, "principal_curvature": strong_curvature_picture}
CAPTIONS = {"principal_curvature": " (red, green, x4)"}
"""Words that follow a tile's title."""


@dataclass(frozen=True, eq=False)
class PictureFile:
    """A picture file: its bytes, and the frame that the network sees."""

    path: Path
    data: bytes
    frame: Frame


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="picture: JPEG, PNG, WebP or AVIF")
    add_output_option(parser, Path("out"))
    add_coding_options(parser)
    add_bundle_option(parser)


def run(arguments: argparse.Namespace) -> int:
    codec = Codec.load(arguments.bundle)
    bundle = codec.bundle
    groups, rate = chosen_groups(bundle, names_of(arguments.groups)), chosen_rate(bundle, arguments.rate)
    named = list(zip(arguments.images, output_names(arguments.images), strict=True))

    def one(item: tuple[Path, str]) -> None:
        path, name = item
        picture_bytes = read_bytes(path, LARGEST_PICTURE_BYTES)
        picture = PictureFile(path, picture_bytes, preprocess(picture_bytes, bundle.manifest.input))
        data = codec.encode(picture.frame.pixels, rate, groups)
        found = codec.results(data)
        sizes = sizes_of(bundle, data)
        files = {"txn": data, **result_files(bundle, found, len(data))}
        files["sheet.png"] = png(draw_sheet(sheet_content(bundle, picture, found, sizes)))
        write_all({arguments.output / f"{name}.{suffix}": content for suffix, content in files.items()})
        print(f"{path}: {sizes.line()} -> {arguments.output / name}.sheet.png")

    return for_each(named, lambda item: str(item[0]), one)


def sheet_content(
    bundle: Bundle, picture: PictureFile, found: tuple[TaskResult, ...], sizes: BitstreamSizes
) -> SheetContent:
    """Return what the contact sheet of one frame shows. found: the results of a batch of one frame."""
    values = {result.task.name: result.values[0] for result in found}
    pixels = bundle.manifest.input.width * bundle.manifest.input.height
    first, second, third, fourth = (_tile(task, values.get(task.name)) for task in TASKS if task.is_dense)
    scenes, objects = (
        Ranking(task.title.capitalize(), _top(bundle, task.name, values[task.name]) if task.name in values else ())
        for task in TASKS
        if not task.is_dense
    )
    legend: tuple[ClassShare, ...] = ()
    if "segment_semantic" in values:
        labels = bundle.manifest.tasks["segment_semantic"].labels
        shares = (
            np.bincount(values["segment_semantic"].ravel(), minlength=len(labels)) / values["segment_semantic"].size
        )
        legend = tuple(
            ClassShare(label, class_colour(index), float(shares[index])) for index, label in enumerate(labels)
        )
    return SheetContent(
        "/".join(picture.path.parts[-2:]),
        displayed(picture),
        (first, second, third, fourth),
        (scenes, objects),
        legend,
        ByteCount((("header", sizes.header), *sizes.groups), pixels, compared(picture)),
    )


def _tile(task: Task, values: npt.NDArray[Any] | None) -> DenseTile:
    title = task.title.capitalize() + CAPTIONS.get(task.name, "")
    return DenseTile(title, None if values is None else DRAWN[task.name](values))


def _top(bundle: Bundle, task: str, probabilities: npt.NDArray[np.float32]) -> tuple[tuple[str, float], ...]:
    """Return the likeliest classes for the sheet, with their names as people write them."""
    best = top_classes(bundle, task, probabilities, CLASSES_ON_SHEET)
    return tuple((one.label.replace("_", " "), one.probability) for one in best)


def displayed(picture: PictureFile) -> Image.Image:
    """Return the picture in its own shape, fitted into a tile; upright and without alpha, as the network sees it."""
    size = fitted_size(picture.frame.geometry)
    return Image.fromarray(preprocess(picture.data, size).pixels)


def fitted_size(geometry: Geometry) -> InputSize:
    scale = min(TILE_WIDTH / geometry.picture_width, TILE_HEIGHT / geometry.picture_height)
    return InputSize(
        height=max(1, round(geometry.picture_height * scale)), width=max(1, round(geometry.picture_width * scale))
    )


def compared(picture: PictureFile) -> tuple[tuple[str, int], ...]:
    """Return the sizes of two other forms of the picture: a JPEG of what the network sees, and the file that was given."""
    height, width, _ = picture.frame.pixels.shape
    buffer = BytesIO()
    Image.fromarray(picture.frame.pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return (
        (f"JPEG {width}x{height}, quality {JPEG_QUALITY}", len(buffer.getvalue())),
        ("the file as it was given", len(picture.data)),
    )
