"""Taskonomy's stored numbers become the project's units; each map is compared with the published definition written the other way round."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.datasets.taskonomy import SCENES, SEGMENTS, encodings
from training.datasets.taskonomy.encodings import SCENE_OF_PLACE


def colour(red: float, green: float, blue: float) -> np.ndarray:
    """A normal map of one colour, given as -1..1."""
    return np.full((4, 4, 3), np.round((np.array([red, green, blue]) + 1) * 127.5), np.uint8)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        # as measured on floors and ceilings that end before the camera: almost level, a little towards it
        (colour(0.0, -0.97, -0.24), (0.0, 0.97, 0.24)),
        (colour(0.0, 0.97, -0.24), (0.0, -0.97, 0.24)),
        (colour(0.0, 0.0, -1.0), (0.0, 0.0, 1.0)),
        # a wall on the right looks to the left
        (colour(-0.6, 0.0, -0.8), (-0.6, 0.0, 0.8)),
        # blue towards the camera, as the paper of 2D-3D-S has it
        (colour(-0.6, 0.0, 0.8), (-0.6, 0.0, 0.8)),
    ],
)
def test_normals_have_this_projects_axes(stored: np.ndarray, expected: tuple[float, float, float]) -> None:
    normal, known = encodings.normal(stored)
    assert known.all()
    assert normal[:, 2, 2] == pytest.approx(expected, abs=0.01)
    assert np.linalg.norm(normal, axis=0) == pytest.approx(np.ones((4, 4)), abs=1e-5)


@given(arrays(np.float64, (3, 5, 5), elements=st.floats(-1, 1)))
def test_what_faces_the_camera_keeps_its_direction_through_eight_bits(vectors: np.ndarray) -> None:
    vectors[2] = np.abs(vectors[2]) + 0.1
    vectors /= np.linalg.norm(vectors, axis=0)
    stored = np.round((np.stack([vectors[0], -vectors[1], -vectors[2]], axis=2) + 1) * 127.5).astype(np.uint8)
    normal, known = encodings.normal(stored)
    assert known.all()
    assert np.degrees(np.arccos(np.clip((normal * vectors).sum(0), -1, 1))).max() < 0.6


def test_grey_is_no_direction() -> None:
    stored = colour(0.0, 0.0, -1.0)
    stored[1, 2] = 127
    stored[3, 3] = 128
    _, known = encodings.normal(stored)
    assert np.argwhere(~known).tolist() == [[1, 2], [3, 3]]


def test_depth_is_in_metres_and_holes_have_none() -> None:
    metres = encodings.depth_metres(np.array([[0, 512, 1], [64499, 64500, 65535]], np.uint16))
    assert metres[0].tolist() == [0.0, 1.0, 1 / 512]
    assert metres[1, 0] == pytest.approx(125.97, abs=0.01)
    assert np.isnan(metres[1, 1:]).all()


@given(arrays(np.float64, (2, 3, 3), elements=st.floats(-60, 60)))
def test_curvature_is_in_units_of_three_centimetres_the_larger_first(per_metre: np.ndarray) -> None:
    clipped = np.clip(per_metre, -1 / 0.03, 1 / 0.03)
    # as the annotator stores it: red has the one of larger magnitude
    first = np.where(np.abs(clipped[0]) >= np.abs(clipped[1]), clipped[0], clipped[1])
    second = clipped.sum(0) - first
    stored = np.stack([np.round((k * 0.03 + 1) / 2 * 254) for k in (first, second, 0 * first)], axis=2).astype(np.uint8)
    decoded = encodings.principal_curvature(stored)
    assert (decoded[0] >= decoded[1]).all()
    assert np.abs(decoded - np.stack([clipped.max(0), clipped.min(0)]) * 0.03).max() <= 0.5 / 127 + 1e-6


def test_flat_is_zero_and_white_is_not_more_than_the_smallest_sphere() -> None:
    stored = np.array([[[127, 127, 0], [255, 0, 0]]], np.uint8)
    assert encodings.principal_curvature(stored)[:, 0].tolist() == [[0.0, 1.0], [0.0, -1.0]]


def test_reshading_goes_from_black_to_white() -> None:
    assert encodings.reshading(np.array([[0, 51, 255]], np.uint8))[0, 0].tolist() == pytest.approx([0.0, 0.2, 1.0])


def test_segments_begin_with_the_background_and_what_is_uncertain_is_ignored() -> None:
    ids = encodings.segments(np.arange(18, dtype=np.uint8)[None])[0]
    assert ids.tolist() == [255, *range(17)]
    assert (SEGMENTS[0], SEGMENTS[ids[2]], SEGMENTS[ids[17]]) == ("background", "bottle", "vase")
    with pytest.raises(ValueError, match="not 18"):
        encodings.segments(np.array([[18]], np.uint8))


def test_scenes_are_sixty_three_places_in_their_order() -> None:
    assert list(SCENE_OF_PLACE) == sorted(SCENE_OF_PLACE)
    assert len(SCENES) == 63
    # places365's own numbers of rooms that anyone knows
    known = {45: "bathroom", 52: "bedroom", 106: "corridor", 121: "dining_room", 203: "kitchen", 244: "office"}
    assert {place: SCENE_OF_PLACE[place] for place in known} == known


@given(arrays(np.float32, 365, elements=st.floats(0, 1, width=32)))
def test_the_probabilities_of_scenes_are_those_among_rooms(stored: np.ndarray) -> None:
    stored[52] += np.float32(0.5)
    distribution = encodings.scene_distribution(stored)
    assert distribution.sum() == pytest.approx(1.0)
    places = np.array(list(SCENE_OF_PLACE))
    assert SCENES[distribution.argmax()] == SCENE_OF_PLACE[int(places[stored[places].argmax()])]
    assert distribution[SCENES.index("bedroom")] == pytest.approx(stored[52] / stored[places].astype(np.float64).sum())


def test_objects_come_as_logits_or_as_a_distribution() -> None:
    logits = np.linspace(-8, 12, 1000).astype(np.float32)[None]
    distribution = encodings.object_distribution(logits)
    assert distribution.sum() == pytest.approx(1.0)
    assert np.log(distribution[999] / distribution[0]) == pytest.approx(20.0, rel=1e-5)
    assert encodings.object_distribution(distribution) == pytest.approx(distribution)


@pytest.mark.parametrize(
    ("decode", "stored"),
    [
        (encodings.depth_metres, np.zeros((4, 4), np.uint8)),
        (encodings.normal, np.zeros((4, 4), np.uint8)),
        (encodings.principal_curvature, np.zeros((4, 4, 4), np.uint8)),
        (encodings.reshading, np.zeros((4, 4), np.uint16)),
        (encodings.segments, np.zeros((4, 4, 3), np.uint8)),
        (encodings.scene_distribution, np.zeros(63, np.float32)),
        (encodings.scene_distribution, np.zeros(365, np.float32)),
        (encodings.scene_distribution, np.linspace(-1, 1, 365)),
        (encodings.object_distribution, np.full(1000, np.nan)),
        (encodings.object_distribution, np.zeros(1000, np.int64)),
        (encodings.segment_weights, -np.ones(17)),
    ],
)
def test_arrays_of_another_form_are_refused(decode: object, stored: np.ndarray) -> None:
    assert callable(decode)
    with pytest.raises(ValueError, match=r"8 bits|16 bits|expected|probabilities|negative"):
        decode(stored)
