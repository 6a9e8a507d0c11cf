"""Principal curvature from noise-free positions and normals.

For each pixel the symmetric shape operator S with dn = S dp is fitted by least squares in tangent coordinates.
It takes the neighbours in a 5x5 window that lie on the same smooth surface. The eigenvalues of S are the principal
curvatures, positive where the surface bulges towards the camera. A sphere of radius r seen from outside has
k1 = k2 = 1/r; a plane has zero.
"""

import numpy as np
from numpy.typing import NDArray

from tools.rooms.mesh import Floats

WINDOW_RADIUS_PX = 2
_LARGEST_TURN_COSINE = 0.8
_LARGEST_STEP_OFF_TANGENT = 0.5
_FEWEST_NEIGHBOURS = 6
_RIDGE = 1e-4


def principal_curvature(point: Floats, normal: Floats, radius: int = WINDOW_RADIUS_PX) -> Floats:
    """Curvatures [2, H, W] in 1/metre, k1 >= k2, of points and unit normals [3, H, W].

    A neighbour belongs to the same surface if its normal turns by less than 37 degrees, and its step leaves the mean
    tangent plane by less than half its length. Where fewer than six neighbours do, both curvatures are zero.
    """
    first, second = _tangents(normal)
    sums = np.zeros((6, *point.shape[1:]))
    count = np.zeros(point.shape[1:])
    width = [(0, 0), (radius, radius), (radius, radius)]
    points, normals = np.pad(point, width, mode="edge"), np.pad(normal, width, mode="edge")
    height, length = point.shape[1:]
    for down in range(2 * radius + 1):
        for right in range(2 * radius + 1):
            window = (slice(None), slice(down, down + height), slice(right, right + length))
            step, turn = points[window] - point, normals[window] - normal
            same = _same_surface(step, turn, normal)
            u, v, a, b = (_dot(d, t) * same for d in (step, turn) for t in (first, second))
            for total, term in zip(sums, (u * u, u * v, v * v, a * u, a * v + b * u, b * v), strict=True):
                total += term
            count += same
    return np.where(count >= _FEWEST_NEIGHBOURS, _eigenvalues(sums), 0.0)


def _same_surface(step: Floats, turn: Floats, normal: Floats) -> NDArray[np.bool_]:
    """Return True [H, W] where a step in position [3, H, W] stays on the pixel's own smooth surface.

    A step of zero, such as the pixel itself or one beyond the border, does not count.
    """
    off = np.abs(_dot(step, normal + turn / 2))
    cosine = 1.0 + _dot(turn, normal)
    near = off < _LARGEST_STEP_OFF_TANGENT * np.sqrt(_dot(step, step))
    return np.asarray(near & (cosine > _LARGEST_TURN_COSINE))


def _dot(first: Floats, second: Floats) -> Floats:
    return first[0] * second[0] + first[1] * second[1] + first[2] * second[2]


def _tangents(normal: Floats) -> tuple[Floats, Floats]:
    """Two orthonormal tangents [3, H, W] of unit normals."""
    steep = np.abs(normal[1]) > 0.9
    helper = np.stack([steep, ~steep, np.zeros_like(steep)]).astype(float)
    first = np.cross(helper, normal, axis=0)
    first /= np.linalg.norm(first, axis=0)
    return first, np.cross(normal, first, axis=0)


def _eigenvalues(sums: Floats) -> Floats:
    """Solve the normal equations of S = [[p, q], [q, r]]; its eigenvalues [2, H, W], largest first.

    With a = p u + q v and b = q u + r v for each neighbour's tangent step (u, v) and turn (a, b), `sums` [6, H, W] holds
    uu, uv, vv, au, av + bu, bv. Eliminating p and r leaves one equation for q.
    """
    uu, uv, vv, au, mixed, bv = sums
    ridge = _RIDGE * (uu + vv) + 1e-18
    uu, vv = uu + ridge, vv + ridge
    q = (mixed - uv * au / uu - uv * bv / vv) / (uu + vv - uv * uv / uu - uv * uv / vv)
    p, r = (au - uv * q) / uu, (bv - uv * q) / vv
    middle, spread = (p + r) / 2, np.hypot((p - r) / 2, q)
    return np.stack([middle + spread, middle - spread])
