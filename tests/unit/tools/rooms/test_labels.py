"""Labels that are read off a small Mitsuba scene."""

from pathlib import Path

import numpy as np
import pytest

mi = pytest.importorskip("mitsuba")
pytest.importorskip("mitsuba_oidn")

from tools.rooms import assemble, labels, render  # noqa: E402
from tools.rooms.camera import HORIZONTAL_FIELD_DEGREES, CameraPose  # noqa: E402
from tools.rooms.mesh import Material, Mesh, quad  # noqa: E402
from tools.rooms.scene import LABELS  # noqa: E402
from tools.rooms.shell import LabelledMesh  # noqa: E402
from training.datasets.geometry import MINIMUM_RADIUS_METRES  # noqa: E402

WIDTH, HEIGHT = 64, 48
EYE = np.array([0.0, 1.5, 0.0])


def _wall(distance: float, left: float = -20.0, right: float = 20.0) -> Mesh:
    corner = np.array([left, 20.0, -distance])
    edge_u, edge_v = np.array([right - left, 0.0, 0.0]), np.array([0.0, -40.0, 0.0])
    return quad(corner, edge_u, edge_v, Material(), np.ones(2))


def _labels(meshes: list[LabelledMesh], folder: Path) -> dict[str, np.ndarray]:
    assemble.write_parts(meshes, folder)
    pose = CameraPose(EYE, EYE + [0.0, 0.0, -1.0])
    return labels.frame_labels(assemble.label_scene(meshes, folder), pose, WIDTH, HEIGHT)


def test_a_wall_ahead_is_exact(tmp_path: Path) -> None:
    found = _labels([LabelledMesh(_wall(2.0), "wall")], tmp_path)
    np.testing.assert_allclose(found["depth"], 2.0, atol=2e-3)
    np.testing.assert_array_equal(found["normal"], np.broadcast_to([[[0]], [[0]], [[1]]], (3, HEIGHT, WIDTH)))
    np.testing.assert_array_equal(found["principal_curvature"], 0)
    assert (found["segment_semantic"] == LABELS.index("wall")).all()


def test_curvature_is_in_the_unit_of_the_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kappa = np.broadcast_to([[[9e9]], [[0.5 / MINIMUM_RADIUS_METRES]]], (2, HEIGHT, WIDTH))
    monkeypatch.setattr(labels, "principal_curvature", lambda point, normal: kappa)
    found = _labels([LabelledMesh(_wall(2.0), "wall")], tmp_path)
    np.testing.assert_allclose(found["principal_curvature"][0], 1.0)
    np.testing.assert_allclose(found["principal_curvature"][1], 0.5, atol=1e-3)


def test_reshading_is_the_cosine_to_the_camera(tmp_path: Path) -> None:
    found = _labels([LabelledMesh(_wall(2.0), "wall")], tmp_path)
    half = np.tan(np.radians(HORIZONTAL_FIELD_DEGREES / 2))
    across = (np.arange(WIDTH) + 0.5) / WIDTH * 2 - 1
    down = (np.arange(HEIGHT) + 0.5) / HEIGHT * 2 - 1
    x, y = np.meshgrid(across * half, down * half * HEIGHT / WIDTH)
    np.testing.assert_allclose(found["reshading"][0], 1 / np.sqrt(1 + x**2 + y**2), atol=1e-3)


def test_what_is_on_the_right_is_labelled_on_the_right(tmp_path: Path) -> None:
    found = _labels([LabelledMesh(_wall(3.0), "wall"), LabelledMesh(_wall(2.0, left=0.0), "tv")], tmp_path)
    classes = found["segment_semantic"]
    assert (classes[:, : WIDTH // 2 - 1] == LABELS.index("wall")).all()
    assert (classes[:, WIDTH // 2 + 1 :] == LABELS.index("tv")).all()


def test_where_nothing_is_hit_there_is_no_label(tmp_path: Path) -> None:
    found = _labels([LabelledMesh(_wall(2.0, left=0.0), "wall")], tmp_path)
    assert (found["segment_semantic"][:, : WIDTH // 2 - 1] == labels.UNLABELLED).all()
    assert all(np.isfinite(value).all() for value in found.values())


def test_tone_mapping_keeps_black_black_and_rises() -> None:
    levels = np.repeat(np.linspace(0, 12, 200)[:, None], 3, axis=1)[None]
    mapped = render.tone_map(levels).astype(int)
    assert mapped[0, 0, 0] == 0
    assert mapped[0, -1, 0] == 255
    assert (np.diff(mapped[0, :, 0]) >= 0).all()
