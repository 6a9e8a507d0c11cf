"""The contact sheet: one full-HD page with a picture, its six results and its bytes, drawn with Pillow alone.

    +--------------------------------------------------------------+
    | name                                   bytes, bits per pixel |
    | picture      segmentation   normals        reshading         |
    | the segmentation's classes and their shares                  |
    | curvature    scenes         objects        the bytes         |
    +--------------------------------------------------------------+

A result that was not sent has a tile that says so. The sheet knows no codec; it is given `SheetContent`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from cloud_analytics.rendering.pictures import Colour

WIDTH, HEIGHT = 1920, 1080
MARGIN, GAP = 48, 28
TILE_WIDTH = (WIDTH - 2 * MARGIN - 3 * GAP) // 4
TILE_HEIGHT = TILE_WIDTH * 3 // 4
TITLE_HEIGHT = 40
LEGEND_GAP = 14
FIRST_ROW, LEGEND_ROW, SECOND_ROW, FOOTER = 138, 530, 646, 1034

PAPER: Colour = (17, 20, 26)
PANEL: Colour = (27, 32, 40)
TRACK: Colour = (44, 51, 62)
INK: Colour = (240, 242, 245)
QUIET: Colour = (147, 157, 171)
ACCENT: Colour = (92, 190, 214)
WARM: Colour = (236, 158, 84)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class DenseTile:
    """A dense result: its title and its picture in the network's size, or None if it was not sent."""

    title: str
    picture: Image.Image | None


@dataclass(frozen=True)
class Ranking:
    """A class result: (label, probability), most probable first; empty if it was not sent."""

    title: str
    entries: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class ClassShare:
    """A class of the segmentation, and the share of the frame that it covers, 0 to 1."""

    label: str
    colour: Colour
    share: float


@dataclass(frozen=True)
class ByteCount:
    """The bytes of the bitstream's parts, in its order, and of the pictures that it is compared with."""

    parts: tuple[tuple[str, int], ...]
    pixels: int
    compared: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        return sum(size for _, size in self.parts)


@dataclass(frozen=True)
class SheetContent:
    """Everything that a sheet shows.

    tiles: segmentation, normals, reshading and curvature. rankings: scenes and objects.
    """

    name: str
    picture: Image.Image
    tiles: tuple[DenseTile, DenseTile, DenseTile, DenseTile]
    rankings: tuple[Ranking, Ranking]
    legend: tuple[ClassShare, ...]
    byte_count: ByteCount


def draw_sheet(content: SheetContent) -> Image.Image:
    """Draw the page, RGB of 1920x1080 pixels."""
    page = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(page)
    _header(draw, content)
    segmentation, normals, reshading, curvature = content.tiles
    for column, tile in enumerate(
        (DenseTile("Picture (stays at the edge)", content.picture), segmentation, normals, reshading)
    ):
        _dense(page, draw, column, FIRST_ROW, tile, content.picture.size)
    _legend(draw, content.legend)
    _dense(page, draw, 0, SECOND_ROW, curvature, content.picture.size)
    for column, ranking in enumerate(content.rankings, start=1):
        _ranking(draw, column, ranking)
    _bytes(draw, 3, content.byte_count)
    draw.text(
        (MARGIN, FOOTER), "Every result on this page was decoded from the bytes counted here.", QUIET, font(20), "lm"
    )
    draw.text((WIDTH - MARGIN, FOOTER), "Taxon", QUIET, font(20), "rm")
    return page


@cache
def font(size: int) -> Font:
    """Return Pillow's own font in a size, so that no font needs to be installed."""
    return ImageFont.load_default(size)


def fitted(text: str, width: int, face: Font) -> str:
    """Return the text, cut with an ellipsis if it is wider."""
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."


def _left(column: int) -> int:
    return MARGIN + column * (TILE_WIDTH + GAP)


def _header(draw: ImageDraw.ImageDraw, content: SheetContent) -> None:
    total, pixels = content.byte_count.total, content.byte_count.pixels
    rate = f"{8 * total / pixels:.3f} bits per pixel"
    right = WIDTH - MARGIN
    draw.text((right, 62), rate, QUIET, font(28), "rm")
    figure_right = right - font(28).getlength(rate) - 24
    figure = f"{total:,} bytes"
    draw.text((figure_right, 60), figure, ACCENT, font(46), "rm")
    room = figure_right - font(46).getlength(figure) - MARGIN - 40
    draw.text((MARGIN, 60), fitted(content.name, int(room), font(46)), INK, font(46), "lm")
    draw.line([(MARGIN, 104), (right, 104)], TRACK, 2)


def _title(draw: ImageDraw.ImageDraw, column: int, top: int, title: str) -> None:
    draw.text((_left(column), top + 16), fitted(title, TILE_WIDTH, font(24)), INK, font(24), "lm")


def _dense(
    page: Image.Image, draw: ImageDraw.ImageDraw, column: int, top: int, tile: DenseTile, size: tuple[int, int]
) -> None:
    """Draw a result, stretched back to the picture's own shape and fitted into the tile."""
    _title(draw, column, top, tile.title)
    left, upper = _left(column), top + TITLE_HEIGHT
    draw.rounded_rectangle([left, upper, left + TILE_WIDTH, upper + TILE_HEIGHT], 8, PANEL)
    if tile.picture is None:
        draw.text((left + TILE_WIDTH / 2, upper + TILE_HEIGHT / 2), "not sent", QUIET, font(24), "mm")
        return
    scale = min(TILE_WIDTH / size[0], TILE_HEIGHT / size[1])
    width, height = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    shown = tile.picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    page.paste(shown, (left + (TILE_WIDTH - width) // 2, upper + (TILE_HEIGHT - height) // 2))


def _legend(draw: ImageDraw.ImageDraw, legend: tuple[ClassShare, ...]) -> None:
    """Draw every class with its colour; those in the frame stand out and carry their share."""
    if not legend:
        return
    step = (WIDTH - 2 * MARGIN + LEGEND_GAP) / len(legend)
    width = int(step) - LEGEND_GAP
    for position, entry in enumerate(legend):
        left = round(MARGIN + position * step)
        present = entry.share >= 0.005
        colour = entry.colour if present else _faded(entry.colour, 3)
        draw.rounded_rectangle([left, LEGEND_ROW, left + width, LEGEND_ROW + 22], 5, colour)
        draw.text(
            (left, LEGEND_ROW + 42), fitted(entry.label, width, font(20)), INK if present else QUIET, font(20), "lm"
        )
        if present:
            draw.text((left, LEGEND_ROW + 68), f"{100 * entry.share:.0f} %", QUIET, font(20), "lm")


def _faded(colour: Colour, paper_parts: int) -> Colour:
    """Mix one part of the colour with so many of the paper's."""
    mixed = zip(PAPER, colour, strict=True)
    red, green, blue = ((paper_parts * paper + part) // (paper_parts + 1) for paper, part in mixed)
    return red, green, blue


def _panel(draw: ImageDraw.ImageDraw, column: int, title: str) -> tuple[int, int, int]:
    """Draw an empty panel in the second row, and return the left, top and right of the room in it."""
    _title(draw, column, SECOND_ROW, title)
    left, upper = _left(column), SECOND_ROW + TITLE_HEIGHT
    draw.rounded_rectangle([left, upper, left + TILE_WIDTH, upper + TILE_HEIGHT], 8, PANEL)
    return left + 22, upper, left + TILE_WIDTH - 22


def _bar(draw: ImageDraw.ImageDraw, left: int, top: int, right: int, share: float, colour: Colour) -> None:
    draw.rounded_rectangle([left, top, right, top + 10], 5, TRACK)
    length = round((right - left) * min(1.0, max(0.0, share)))
    if length >= 1:
        draw.rounded_rectangle([left, top, left + max(4, length), top + 10], min(5, max(4, length) // 2), colour)


def _ranking(draw: ImageDraw.ImageDraw, column: int, ranking: Ranking) -> None:
    left, upper, right = _panel(draw, column, ranking.title)
    if not ranking.entries:
        draw.text(((left + right) / 2, upper + TILE_HEIGHT / 2), "not sent", QUIET, font(24), "mm")
        return
    step = (TILE_HEIGHT - 24) / 5
    for place, (label, probability) in enumerate(ranking.entries[:5]):
        top = round(upper + 12 + place * step)
        figure = f"{100 * probability:.1f} %" if probability >= 0.001 else "< 0.1 %"
        draw.text((right, top + 18), figure, QUIET, font(22), "rm")
        room = int(right - left - font(22).getlength(figure) - 16)
        draw.text((left, top + 18), fitted(label, room, font(22)), INK if place == 0 else QUIET, font(22), "lm")
        _bar(draw, left, top + 37, right, probability, ACCENT if place == 0 else _faded(ACCENT, 1))


def _bytes(draw: ImageDraw.ImageDraw, column: int, count: ByteCount) -> None:
    """Draw the bitstream's parts, and bars to one scale that compare it with the picture as a file."""
    left, upper, right = _panel(draw, column, "The bytes")
    rows = [*count.parts, ("the whole bitstream", count.total)]
    for place, (name, size) in enumerate(rows):
        middle, last = upper + 30 + 33 * place, place == len(rows) - 1
        draw.text((left, middle), name, INK if last else QUIET, font(22), "lm")
        draw.text((right, middle), f"{size:,}", ACCENT if last else QUIET, font(22), "rm")
    largest = max([count.total, *(size for _, size in count.compared)])
    bars = [("Taxon", count.total, ACCENT), *((name, size, WARM) for name, size in count.compared)]
    top = upper + TILE_HEIGHT - 8 - 50 * len(bars)
    draw.line([(left, top - 8), (right, top - 8)], TRACK, 2)
    for place, (name, size, colour) in enumerate(bars):
        line = top + 50 * place
        draw.text((right, line + 14), f"{size:,}", QUIET, font(20), "rm")
        room = int(right - left - font(20).getlength(f"{size:,}") - 16)
        draw.text((left, line + 14), fitted(name, room, font(20)), QUIET, font(20), "lm")
        _bar(draw, left, line + 30, right, size / largest, colour)
