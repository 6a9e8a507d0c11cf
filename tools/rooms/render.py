"""Render one frame: path tracing, denoising, tone mapping.

scene, pose --path tracer--> noisy colour --------+
            --first hit----> albedo, normal ----+--denoiser--> colour --tone curve--> uint8 sRGB
"""

from typing import Any

import mitsuba as mi
import mitsuba_oidn
import numpy as np
from numpy.typing import NDArray

from tools.rooms.camera import HORIZONTAL_FIELD_DEGREES, CameraPose
from tools.rooms.mesh import Floats

mi.set_variant("scalar_rgb")

_WHITE = 12.0
_CONTRAST = 1.12
_GAIN = 1.08
_SATURATION = 1.12
_MAX_DEPTH = 5
_RUSSIAN_ROULETTE_DEPTH = 3
_GUIDE_SAMPLES = 1


def sensor(pose: CameraPose, width: int, height: int, exact: bool = False) -> mi.Sensor:
    """A pinhole camera; `exact` samples each pixel once, at its centre."""
    look = mi.ScalarTransform4f().look_at(list(pose.eye), list(pose.target), [0, 1, 0])
    return mi.load_dict({
        "type": "perspective",
        "fov": HORIZONTAL_FIELD_DEGREES,
        "fov_axis": "x",
        "near_clip": 0.05,
        "to_world": look,
        "film": {"type": "hdrfilm", "width": width, "height": height, "pixel_format": "rgb",
                 "component_format": "float32", "rfilter": {"type": "box"}},
        "sampler": {"type": "stratified", "jitter": False} if exact else {"type": "independent"},
    })  # fmt: skip


def picture(
    scene: mi.Scene, pose: CameraPose, width: int, height: int, samples: int, exposure: float, seed: int
) -> NDArray[np.uint8]:
    """One finished frame, sRGB [height, width, 3]."""
    path = mi.load_dict({"type": "path", "max_depth": _MAX_DEPTH, "rr_depth": _RUSSIAN_ROULETTE_DEPTH})
    guides = mi.load_dict({"type": "aov", "aovs": "albedo:albedo,normal:sh_normal"})
    camera = sensor(pose, width, height)
    color = _film(scene, camera, path, samples, seed)
    guide = _film(scene, sensor(pose, width, height, exact=True), guides, _GUIDE_SAMPLES, seed)
    albedo, normal = (np.ascontiguousarray(guide[..., i : i + 3]) for i in (0, 3))
    clean = mitsuba_oidn.denoise(color, np.clip(albedo, 0, 1), normal, hdr=True, clean_aux=True)
    return tone_map(np.asarray(clean, dtype=np.float64) * exposure)


def _film(
    scene: mi.Scene, camera: mi.Sensor, integrator: mi.Integrator, samples: int, seed: int
) -> NDArray[np.float32]:
    options: dict[str, Any] = {"spp": samples, "seed": seed}
    return np.array(mi.render(scene, sensor=camera, integrator=integrator, **options), dtype=np.float32)


def tone_map(radiance: Floats) -> NDArray[np.uint8]:
    """Extended Reinhard curve (radiance _WHITE becomes white), a little contrast and colour, the sRGB transfer."""
    linear = np.maximum(radiance, 0.0)
    value = _GAIN * (linear * (1 + linear / _WHITE**2) / (1 + linear)) ** _CONTRAST
    grey = value @ np.array([0.2126, 0.7152, 0.0722])
    value = np.clip(grey[..., None] + _SATURATION * (value - grey[..., None]), 0.0, 1.0)
    encoded = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return (encoded * 255 + 0.5).astype(np.uint8)
