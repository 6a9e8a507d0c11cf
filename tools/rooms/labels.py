"""Exact labels of one frame, from the scene's own geometry.

    label scene --one ray through each pixel's centre--> position, normal, class
    position, normal --> depth, reshading, principal curvature

Camera coordinates: x right, y up, z towards the camera. Nothing here sees a texture, a light or a denoiser.
"""

import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

from tools.rooms.assemble import LABEL_STEP
from tools.rooms.camera import CameraPose
from tools.rooms.curvature import principal_curvature
from tools.rooms.mesh import Floats
from tools.rooms.render import sensor
from training.datasets.geometry import encode_curvature

UNLABELLED = 255


def frame_labels(scene: mi.Scene, pose: CameraPose, width: int, height: int) -> dict[str, NDArray[np.generic]]:
    """Return all labels of a frame, ready for an npz file.

        depth                 float16 [H, W], metres along the view axis; 0 where nothing was hit
        normal                float16 [3, H, W], unit length, facing the camera
        reshading             float16 [1, H, W], max(0, n . -p/|p|)
        principal_curvature   float16 [2, H, W], k1 >= k2, clip(kappa * r, -1, 1), positive where convex
        curvature_per_metre   float16 [2, H, W], the same kappa, clipped at +-1000 only
        segment_semantic      uint8 [H, W], an index into scene.LABELS; 255 where nothing was hit

    The radius r is MINIMUM_RADIUS_METRES of `training.datasets.geometry`, as docs/targets.md has it.
    """
    integrator = mi.load_dict({"type": "aov", "aovs": "p:position,n:sh_normal,g:geo_normal,a:albedo"})
    film = np.array(mi.render(scene, sensor=sensor(pose, width, height, exact=True), integrator=integrator, spp=1),
                    dtype=np.float64)  # fmt: skip
    film = film.transpose(2, 0, 1)
    hit = film[9] > 0
    axes = pose.axes()
    point = np.tensordot(axes, film[0:3] - pose.eye[:, None, None], axes=1)
    point[:, ~hit] = np.array([[0.0], [0.0], [-1.0]])
    normal = facing_camera(np.tensordot(axes, film[3:6], axes=1), np.tensordot(axes, film[6:9], axes=1), point)
    normal[:, ~hit] = np.array([[0.0], [0.0], [1.0]])
    kappa = np.where(hit, principal_curvature(point, normal), 0.0)
    classes = np.rint(film[9] / LABEL_STEP).astype(int) - 1
    return {
        "depth": np.where(hit, -point[2], 0.0).astype(np.float16),
        "normal": normal.astype(np.float16),
        "reshading": reshading(point, normal)[None].astype(np.float16),
        "principal_curvature": encode_curvature(kappa).astype(np.float16),
        "curvature_per_metre": np.clip(kappa, -1000, 1000).astype(np.float16),
        "segment_semantic": np.where(hit, classes, UNLABELLED).astype(np.uint8),
    }


def facing_camera(shading: Floats, flat: Floats, point: Floats) -> Floats:
    """The smooth normal, turned to the camera; the flat one where the smooth one looks away. All [3, H, W]."""
    flat = _unit(flat)
    flat = np.where((flat * point).sum(0) > 0, -flat, flat)
    smooth = _unit(shading)
    smooth = np.where((smooth * flat).sum(0) < 0, -smooth, smooth)
    return np.where((smooth * point).sum(0) >= 0, flat, smooth)


def reshading(point: Floats, normal: Floats) -> Floats:
    """Lambertian shading [H, W] of one light at the camera, without fall-off; both [3, H, W]."""
    return np.maximum(0.0, (normal * -_unit(point)).sum(0))


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=0), 1e-12)
