"""What lies under a mask changes no byte of the bitstream; and a result's pixels keep their places in the whole picture.

Two scenes that differ under the mask alone are stored as a camera would store them, and coded by the real encoder. The JPEGs are of
any size, quality, subsampling and turn, since a JPEG's block spreads what is in one corner of it over all of it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFile

from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess, preprocess_pixels
from edge_encoder.encoding.view import Polygon, View
from shared.contract.geometry import Crop, Geometry, InputSize
from shared.errors import ViewNotApplied

Pixels = NDArray[np.uint8]
STORED: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
"""The picture as a camera that was turned stores it, by EXIF's orientation."""
POINTS_IN_A_PIXEL = (0.02, 0.5, 0.98)
SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True)
class Storing:
    """The way in which a camera stores its pictures."""

    quality: int
    subsampling: int
    progressive: bool
    grey: bool
    restarts: int
    orientation: int

    def jpeg(self, upright: Pixels) -> bytes:
        exif = Image.Exif()
        exif[0x0112] = self.orientation
        image = Image.fromarray(np.ascontiguousarray(STORED[self.orientation](upright)))
        buffer = io.BytesIO()
        (image.convert("L") if self.grey else image).save(
            buffer,
            "JPEG",
            quality=self.quality,
            subsampling=self.subsampling,
            progressive=self.progressive,
            restart_marker_blocks=self.restarts,
            exif=exif,
        )
        return buffer.getvalue()


storings = st.builds(
    Storing,
    st.integers(1, 100),
    st.sampled_from([0, 1, 2]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 0, 3]),
    st.sampled_from(list(STORED)),
)
coordinates = st.floats(-0.2, 1.2).map(lambda one: round(one, 7))
points = st.tuples(coordinates, coordinates)


@st.composite
def views(draw: st.DrawFn) -> View:
    """Views with one mask or two, and sometimes a crop of at least a third of each side."""
    masks = draw(st.lists(st.lists(points, min_size=3, max_size=6).map(tuple), min_size=1, max_size=2))
    x, y = draw(st.floats(0, 0.6)), draw(st.floats(0, 0.6))
    crop = (x, y, draw(st.floats(0.34, 1 - x)), draw(st.floats(0.34, 1 - y)))
    return View(draw(st.sampled_from([None, crop])), tuple(masks))


def under(masks: tuple[Polygon, ...], width: int, height: int) -> NDArray[np.bool_]:
    """The pixels of which some point lies within a mask, by a rule of its own: points in polygons, one after another."""
    found = np.zeros((height, width), np.bool_)
    for polygon in masks:
        for across in POINTS_IN_A_PIXEL:
            for down in POINTS_IN_A_PIXEL:
                x = np.broadcast_to((np.arange(width) + across) / width, (height, width))
                y = np.broadcast_to(((np.arange(height) + down) / height)[:, None], (height, width))
                found |= _within(polygon, x, y)
    return found


def _within(polygon: Polygon, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    turns = np.zeros(x.shape, int)
    for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if y0 != y1:
            between = (y >= min(y0, y1)) & (y < max(y0, y1))
            turns += between & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return turns % 2 == 1


def two_scenes(view: View, width: int, height: int, seed: int) -> tuple[Pixels, Pixels]:
    """Two pictures of noise, which differ under the masks and nowhere else."""
    draw = np.random.default_rng(seed)
    one = draw.integers(0, 256, (height, width, 3), np.uint8)
    other = one.copy()
    covered = under(view.masks, width, height)
    other[covered] = draw.choice(np.array([0, 255], np.uint8), (int(covered.sum()), 3))
    return one, other


@pytest.fixture(scope="module", autouse=True)
def room_for_noise() -> Iterator[None]:
    """Noise is larger as JPEG than Pillow makes room for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageFile, "MAXBLOCK", 1 << 22)
        yield


@pytest.fixture(scope="module")
def encoder(tiny_bundle: Any) -> Encoder:
    return Encoder(tiny_bundle, ["CPUExecutionProvider"], 1)


def coded(encoder: Encoder, pixels: Pixels) -> bytes:
    manifest = encoder.bundle.manifest
    return encoder.encode(pixels, [group.name for group in manifest.groups], manifest.default_rate).bitstream


@SOME
@given(views(), st.integers(64, 400), st.integers(64, 300), storings, st.integers(0, 1 << 20))
def test_what_lies_under_a_mask_changes_no_byte_of_a_jpegs_bitstream(
    encoder: Encoder, view: View, width: int, height: int, storing: Storing, seed: int
) -> None:
    one, other = two_scenes(view, width, height, seed)
    size = encoder.bundle.manifest.input
    first, second = (preprocess(storing.jpeg(scene), size, view) for scene in (one, other))
    assert first.geometry == second.geometry
    assert coded(encoder, first.pixels) == coded(encoder, second.pixels)


@SOME
@given(views(), st.integers(64, 400), st.integers(64, 300), st.booleans(), st.integers(0, 1 << 20))
def test_what_lies_under_a_mask_changes_no_byte_of_whole_pixels_bitstream(
    encoder: Encoder, view: View, width: int, height: int, as_file: bool, seed: int
) -> None:
    size = encoder.bundle.manifest.input
    frames = []
    for scene in two_scenes(view, width, height, seed):
        buffer = io.BytesIO()
        Image.fromarray(scene).save(buffer, "PNG", compress_level=0)
        frames.append(preprocess(buffer.getvalue(), size, view) if as_file else preprocess_pixels(scene, size, view))
    assert coded(encoder, frames[0].pixels) == coded(encoder, frames[1].pixels)


def test_without_a_mask_the_two_scenes_are_coded_differently(encoder: Encoder) -> None:
    view = View(masks=(((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)),))
    one, other = two_scenes(view, 200, 100, 1)
    size = encoder.bundle.manifest.input
    assert coded(encoder, preprocess_pixels(one, size).pixels) != coded(encoder, preprocess_pixels(other, size).pixels)


@pytest.mark.parametrize("orientation", list(STORED))
@pytest.mark.parametrize("sides", [(64, 64), (16, 16)])
def test_mask_and_crop_lie_where_they_were_drawn_in_the_upright_picture(
    orientation: int, sides: tuple[int, int]
) -> None:
    """Four quarters of one colour each: red is cropped away, green is masked, blue and yellow stay."""
    quarters = np.array([[[200, 30, 30], [30, 200, 30]], [[30, 30, 200], [220, 220, 40]]], np.uint8)
    upright = quarters.repeat(160, axis=0).repeat(320, axis=1)
    view = View((0.25, 0.25, 0.75, 0.75), (((0.5, -1.0), (2.0, -1.0), (2.0, 0.5), (0.5, 0.5)),))
    storing = Storing(95, 2, False, False, 0, orientation)
    frame = preprocess(storing.jpeg(upright), InputSize(*sides), view)
    assert frame.geometry == Geometry(640, 320, *sides, Crop(160, 80, 480, 240))
    for place, colour in (((200, 250), (30, 30, 200)), ((560, 250), (220, 220, 40)), ((560, 100), (128, 128, 128))):
        column, row = (round(one) for one in frame.geometry.to_input(*place))
        assert np.abs(frame.pixels[row, column].astype(int) - colour).max() <= 12


def test_a_crop_is_decoded_as_finely_as_the_whole_picture_would_be() -> None:
    cells = np.random.default_rng(3).integers(0, 2, (32, 32)).astype(np.uint8) * 200
    picture = np.zeros((1024, 1024, 3), np.uint8)
    picture[256:512, 512:768] = cells.repeat(8, axis=0).repeat(8, axis=1)[:, :, None]
    data = Storing(95, 0, False, False, 0, 1).jpeg(picture)
    frame = preprocess(data, InputSize(32, 32), View((0.5, 0.25, 0.25, 0.25)))
    assert frame.geometry.crop == Crop(512, 256, 256, 256)
    assert np.abs(frame.pixels[:, :, 0].astype(int) - cells).max() <= 25


def test_a_picture_whose_crop_is_too_small_is_refused() -> None:
    small = np.zeros((40, 40, 3), np.uint8)
    with pytest.raises(ViewNotApplied, match="at least 16"):
        preprocess_pixels(small, InputSize(32, 32), View((0.0, 0.0, 0.3, 1.0)))


def test_a_picture_whose_masks_cannot_be_applied_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("edge_encoder.encoding.masking.enclosed", fails)
    view = View(masks=(((0.1, 0.1), (0.9, 0.1), (0.9, 0.123456)),))
    with pytest.raises(ViewNotApplied, match="could not be applied"):
        preprocess_pixels(np.zeros((40, 40, 3), np.uint8), InputSize(32, 32), view)
