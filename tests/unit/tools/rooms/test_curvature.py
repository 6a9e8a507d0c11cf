"""Curvature of shapes whose curvature is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tools.rooms.curvature import principal_curvature

Floats = NDArray[np.float64]
INTERIOR = (slice(None), slice(20, -20), slice(20, -20))


def _rays(size: int = 96) -> Floats:
    """Unit viewing rays of a camera with a narrow field, [3, H, W]."""
    across = np.linspace(-0.05, 0.05, size)
    x, y = np.meshgrid(across, -across)
    rays = np.stack([x, y, -np.ones_like(x)])
    return np.asarray(rays / np.linalg.norm(rays, axis=0))


def _sphere(radius: float, inside: bool) -> tuple[Floats, Floats]:
    """Points and normals where the rays meet a sphere, from outside or from inside."""
    rays = _rays()
    centre = np.array([0.0, 0.0, -1.0 - radius if not inside else -1.0 + radius])[:, None, None]
    along = (rays * centre).sum(0)
    root = np.sqrt(along**2 - (centre**2).sum() + radius**2)
    point = rays * (along + root if inside else along - root)
    outward = (point - centre) / radius
    return point, -outward if inside else outward


def test_a_sphere_has_twice_its_inverse_radius() -> None:
    point, normal = _sphere(0.25, inside=False)
    np.testing.assert_allclose(principal_curvature(point, normal)[INTERIOR], 4.0, rtol=1e-3)


def test_the_inside_of_a_sphere_is_negative() -> None:
    point, normal = _sphere(1.5, inside=True)
    np.testing.assert_allclose(principal_curvature(point, normal)[INTERIOR], -1 / 1.5, rtol=1e-3)


@pytest.mark.parametrize("tilt", [0.0, 0.4, 1.2])
def test_a_cylinder_bends_one_way_only(tilt: float) -> None:
    radius, rays = 0.2, _rays()
    axis = np.array([np.sin(tilt), np.cos(tilt), 0.0])
    centre = np.array([0.0, 0.0, -1.0 - radius])
    flat_ray = rays - axis[:, None, None] * np.tensordot(axis, rays, 1)
    a, b = (flat_ray**2).sum(0), np.tensordot(centre, flat_ray, 1)
    point = rays * ((b - np.sqrt(b**2 - a * (centre @ centre - radius**2))) / a)
    offset = point - centre[:, None, None]
    normal = (offset - axis[:, None, None] * np.tensordot(axis, offset, 1)) / radius
    k1, k2 = principal_curvature(point, normal)[INTERIOR]
    np.testing.assert_allclose(k1, 1 / radius, rtol=2e-3)
    np.testing.assert_allclose(k2, 0.0, atol=2e-2)


def test_a_plane_has_none_and_an_edge_between_planes_adds_none() -> None:
    rays = _rays()
    left = rays[0] < 0
    plane = np.where(left, np.array([0.6, 0.0, 0.8])[:, None, None], np.array([-0.6, 0.0, 0.8])[:, None, None])
    point = rays * (-0.8 / (plane * rays).sum(0))
    np.testing.assert_allclose(principal_curvature(point, plane), 0.0, atol=1e-6)
