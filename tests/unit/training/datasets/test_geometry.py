"""The derived labels on surfaces whose geometry is known."""

from __future__ import annotations

import numpy as np
import pytest

from training.datasets.geometry import (
    MINIMUM_RADIUS_METRES,
    Intrinsics,
    box_sum,
    curvature_from_normals,
    encode_curvature,
    normals_from_depth,
    rays,
    reshade,
    targets_from_depth,
)

CAMERA = Intrinsics(fx=200.0, fy=200.0, cx=80.0, cy=60.0)
HEIGHT, WIDTH = 120, 160


def plane_depth(normal_y_down: np.ndarray, distance: float) -> np.ndarray:
    """Depth of the plane n.P = distance, n in x right, y down, z forward."""
    return distance / np.einsum("c,chw->hw", normal_y_down, rays(HEIGHT, WIDTH, CAMERA))


def sphere_depth(radius: float, centre_z: float) -> tuple[np.ndarray, np.ndarray]:
    """Depth of a sphere's front on the optical axis, and where it is hit."""
    ray = rays(HEIGHT, WIDTH, CAMERA)
    squared = (ray**2).sum(0)
    discriminant = centre_z**2 - squared * (centre_z**2 - radius**2)
    depth = (centre_z - np.sqrt(np.maximum(discriminant, 0))) / squared
    return depth, discriminant > 0


@pytest.mark.parametrize("tilt", [(0.0, 0.0), (0.5, 0.0), (-0.3, 0.4), (0.1, -0.6)])
def test_a_plane_has_one_normal_and_no_curvature(tilt: tuple[float, float]) -> None:
    away = np.array([tilt[0], tilt[1], 1.0])
    away /= np.linalg.norm(away)
    depth = plane_depth(away, 2.0)
    normal = normals_from_depth(depth, CAMERA)
    # facing the camera, y up
    expected = np.array([-away[0], away[1], away[2]])
    assert np.abs(normal - expected[:, None, None]).max() < 1e-7
    assert np.abs(curvature_from_normals(depth, normal, CAMERA)).max() < 1e-4


@pytest.mark.parametrize("radius", [0.5, 1.0])
def test_a_sphere_has_the_curvature_of_its_radius(radius: float) -> None:
    depth, hit = sphere_depth(radius, radius + 1.0)
    depth = np.where(hit, depth, radius + 1.0)
    normal = normals_from_depth(depth, CAMERA)
    k1, k2 = curvature_from_normals(depth, normal, CAMERA)[:, HEIGHT // 2, WIDTH // 2]
    assert k1 == pytest.approx(1 / radius, rel=0.02)
    assert k2 == pytest.approx(1 / radius, rel=0.02)


def test_a_cylinder_bends_one_way_only() -> None:
    ray = rays(HEIGHT, WIDTH, CAMERA)
    radius, centre = 1.0, 2.0
    squared = ray[0] ** 2 + 1.0
    depth = (centre - np.sqrt(np.maximum(centre**2 - squared * (centre**2 - radius**2), 0))) / squared
    normal = normals_from_depth(depth, CAMERA)
    k1, k2 = curvature_from_normals(depth, normal, CAMERA)[:, HEIGHT // 2, WIDTH // 2]
    assert k1 == pytest.approx(1.0, rel=0.03)
    assert abs(k2) < 0.02


def test_reshading_is_the_cosine_to_the_camera() -> None:
    normal = np.zeros((3, HEIGHT, WIDTH))
    normal[2] = 1.0
    shading = reshade(normal, CAMERA)[0]
    assert shading[60, 80] == pytest.approx(1.0)
    corner = 1 / np.linalg.norm([80 / 200, 60 / 200, 1.0])
    assert shading[0, 0] == pytest.approx(corner)


def test_surfaces_turned_away_are_black() -> None:
    normal = np.zeros((3, HEIGHT, WIDTH))
    normal[2] = -1.0
    assert reshade(normal, CAMERA).max() == 0.0


def test_curvature_is_clipped_at_the_smallest_radius() -> None:
    assert encode_curvature(np.array([1e3, -1e3])).tolist() == [1.0, -1.0]
    assert encode_curvature(np.array([0.5 / MINIMUM_RADIUS_METRES]))[0] == pytest.approx(0.5)


def test_targets_have_the_documented_shapes() -> None:
    targets = targets_from_depth(np.full((HEIGHT, WIDTH), 2.0), CAMERA, np.ones((HEIGHT, WIDTH), np.bool_))
    assert targets.normal.shape == (3, HEIGHT, WIDTH)
    assert targets.normal.dtype == np.float32
    assert targets.reshading.shape == (1, HEIGHT, WIDTH)
    assert targets.principal_curvature.shape == (2, HEIGHT, WIDTH)
    assert (targets.principal_curvature[0] >= targets.principal_curvature[1]).all()


def test_box_sum_counts_what_the_border_leaves() -> None:
    counts = box_sum(np.ones((5, 6)), 3)
    assert counts[0, 0] == 4
    assert counts[0, 2] == 6
    assert counts[2, 2] == 9
