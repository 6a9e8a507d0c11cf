"""Normals, reshading and principal curvature from one depth map (numpy only).

    depth [H, W] metres --plane fit in inverse depth--> normal --+--> reshading
                                                                 +--> shape operator --> principal curvature

Definitions are fixed once, in docs/targets.md, and never tuned to a result. The camera frame of every result is
x right, y up, z towards the camera. Law: a plane gives a constant normal and zero curvature, whatever its tilt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

PLANE_WINDOW_PX = 21
CURVATURE_WINDOW_PX = 21
# Taskonomy's create_curvature_images clips at a sphere of 3 cm.
MINIMUM_RADIUS_METRES = 0.03


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole camera, in pixels: x = fx X/Z + cx, y = fy Y/Z + cy with Y down and Z forward."""

    fx: float
    fy: float
    cx: float
    cy: float


@dataclass(frozen=True)
class GeometryTargets:
    """The geometry tasks' labels of one picture.

    normal float32 [3, H, W] unit; reshading float32 [1, H, W] in 0..1; principal_curvature float32 [2, H, W], k1 >= k2,
    in units of 1 / MINIMUM_RADIUS_METRES and clipped to -1..1; valid bool [H, W].
    """

    normal: npt.NDArray[np.float32]
    reshading: npt.NDArray[np.float32]
    principal_curvature: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]


def box_sum(values: FloatArray, window: int) -> FloatArray:
    """Sum of `values` [..., H, W] over a square window centred on each pixel, cut off at the border."""
    radius = window // 2
    result = values
    for axis in (-1, -2):
        length = result.shape[axis]
        total = np.cumsum(result, axis=axis)
        total = np.concatenate([np.zeros_like(np.take(total, [0], axis=axis)), total], axis=axis)
        index = np.arange(length)
        high = np.take(total, np.minimum(index + radius + 1, length), axis=axis)
        low = np.take(total, np.maximum(index - radius, 0), axis=axis)
        result = high - low
    return result


def rays(height: int, width: int, camera: Intrinsics) -> FloatArray:
    """Viewing rays [3, H, W] with unit depth: (X/Z, Y/Z, 1), Y down, Z forward."""
    x = (np.arange(width) - camera.cx) / camera.fx
    y = (np.arange(height) - camera.cy) / camera.fy
    grid_x, grid_y = np.meshgrid(x, y)
    return np.stack([grid_x, grid_y, np.ones_like(grid_x)])


def normals_from_depth(depth: FloatArray, camera: Intrinsics, window: int = PLANE_WINDOW_PX) -> FloatArray:
    """Unit normals [3, H, W] (x right, y up, z to the camera) by a least-squares plane in inverse depth.

    A plane n.P = d is linear in the ray coordinates: 1/Z = (n/d) . (x, y, 1). The window's normal equations are solved in closed
    form from box sums, with coordinates taken relative to the window's mean so that they stay well conditioned.
    """
    height, width = depth.shape
    ray = rays(height, width, camera)
    x, y = ray[0], ray[1]
    inverse = 1.0 / depth
    count = box_sum(np.ones_like(depth), window)
    mean_x, mean_y, mean_w = (box_sum(value, window) / count for value in (x, y, inverse))
    xx = box_sum(x * x, window) / count - mean_x**2
    yy = box_sum(y * y, window) / count - mean_y**2
    xy = box_sum(x * y, window) / count - mean_x * mean_y
    xw = box_sum(x * inverse, window) / count - mean_x * mean_w
    yw = box_sum(y * inverse, window) / count - mean_y * mean_w
    determinant = xx * yy - xy**2
    a = (yy * xw - xy * yw) / determinant
    b = (xx * yw - xy * xw) / determinant
    c = mean_w - a * mean_x - b * mean_y
    # (a, b, c) = n / d points away from a camera in front of the plane.
    # It is turned round, and goes from y-down/z-forward to y-up/z-back.
    normal = np.stack([-a, b, c])
    normal /= np.linalg.norm(normal, axis=0)
    towards = np.einsum("chw,chw->hw", normal, np.stack([-x, y, np.ones_like(x)]))
    return np.where(towards < 0, -normal, normal)


def reshade(normal: FloatArray, camera: Intrinsics) -> FloatArray:
    """Lambertian shading [1, H, W] under one point light at the camera, without fall-off: max(0, n . direction to the camera)."""
    height, width = normal.shape[-2:]
    ray = rays(height, width, camera)
    to_camera = np.stack([-ray[0], ray[1], ray[2]]) / np.linalg.norm(ray, axis=0)
    return np.maximum(0.0, np.einsum("chw,chw->hw", normal, to_camera))[None]


def curvature_from_normals(
    depth: FloatArray, normal: FloatArray, camera: Intrinsics, window: int = CURVATURE_WINDOW_PX
) -> FloatArray:
    """Principal curvatures [2, H, W] in 1/metre, k1 >= k2, positive where the surface bulges towards the camera.

    The symmetric shape operator S with dn = S dp is fitted by least squares over the window, in an orthonormal tangent frame.
    The frame changes slowly across a window, so the moments are taken in camera axes and then projected.
    """
    height, width = depth.shape
    ray = rays(height, width, camera)
    point = np.stack([ray[0], -ray[1], -ray[2]]) * depth
    count = box_sum(np.ones_like(depth), window)
    mean_point = box_sum(point, window) / count
    mean_normal = box_sum(normal, window) / count
    position_moments = box_sum(point[:, None] * point, window) / count - mean_point[:, None] * mean_point
    cross_moments = box_sum(normal[:, None] * point, window) / count - mean_normal[:, None] * mean_point
    frame = _tangent_frame(normal)
    p = np.einsum("aihw,ijhw,bjhw->abhw", frame, position_moments, frame)
    q = np.einsum("aihw,ijhw,bjhw->abhw", frame, cross_moments, frame)
    return _eigenvalues(_symmetric_fit(p, q))


def _tangent_frame(normal: FloatArray) -> FloatArray:
    """Two orthonormal tangents [2, 3, H, W] of unit normals [3, H, W]: n x up, and n x (n x up)."""
    x, y, z = normal
    length = np.maximum(np.hypot(x, z), 1e-6)
    return np.stack([np.stack([-z, 0 * y, x]), np.stack([x * y, -(x * x + z * z), y * z])]) / length


def _symmetric_fit(p: FloatArray, q: FloatArray) -> FloatArray:
    """The symmetric S [2, 2, H, W] minimising |S p^(1/2) - q p^(-1/2)|: S p + p S = q + q^T, solved in p's eigenbasis."""
    angle = 0.5 * np.arctan2(2 * p[0, 1], p[0, 0] - p[1, 1])
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.stack([np.stack([cos, sin]), np.stack([-sin, cos])])
    diagonal = np.einsum("aihw,ijhw,ajhw->ahw", rotation, p, rotation)
    right = np.einsum("aihw,ijhw,bjhw->abhw", rotation, q + q.swapaxes(0, 1), rotation)
    weight = diagonal[:, None] + diagonal[None, :]
    return np.einsum("aihw,abhw,bjhw->ijhw", rotation, right / np.maximum(weight, 1e-12), rotation)


def _eigenvalues(matrix: FloatArray) -> FloatArray:
    """Eigenvalues [2, H, W] of a symmetric [2, 2, H, W], the larger first."""
    mean = 0.5 * (matrix[0, 0] + matrix[1, 1])
    radius = np.hypot(0.5 * (matrix[0, 0] - matrix[1, 1]), matrix[0, 1])
    return np.stack([mean + radius, mean - radius])


def encode_curvature(curvature: FloatArray) -> FloatArray:
    """Taskonomy's encoding: clip(kappa * r, -1, 1), r the radius of the smallest sphere that is told apart."""
    return np.clip(curvature * MINIMUM_RADIUS_METRES, -1.0, 1.0)


def targets_from_depth(depth: FloatArray, camera: Intrinsics, valid: npt.NDArray[np.bool_]) -> GeometryTargets:
    """All three geometry labels of a depth map [H, W] in metres; `valid` bool [H, W] marks pixels with a measured depth."""
    normal = normals_from_depth(depth, camera)
    curvature = encode_curvature(curvature_from_normals(depth, normal, camera))
    return GeometryTargets(
        normal.astype(np.float32), reshade(normal, camera).astype(np.float32), curvature.astype(np.float32), valid
    )
