"""The camera's way through a room, as if carried by hand at eye height.

Walk --spline--> eye, target --+ slow sway--> CameraPose per frame
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from tools.rooms.mesh import Floats
from tools.rooms.scene import Walk

HORIZONTAL_FIELD_DEGREES = 64.0
_SWAY_METRES = 0.012


@dataclass(frozen=True)
class CameraPose:
    """The camera's position and the point that it looks at: two world points [3] in metres."""

    eye: Floats
    target: Floats

    def axes(self) -> Floats:
        """Rows right, up, backward (towards the viewer): rotates world into camera coordinates, [3, 3]."""
        backward = self.eye - self.target
        backward = backward / np.linalg.norm(backward)
        right = np.cross([0.0, 1.0, 0.0], backward)
        right = right / np.linalg.norm(right)
        return np.stack([right, np.cross(backward, right), backward])


def poses(walk: Walk, frames: int) -> list[CameraPose]:
    """Sample the walk at even steps of time, slow at both ends."""
    progress = np.linspace(0.0, 1.0, frames)
    eased = 0.5 * progress + 0.5 * progress**2 * (3 - 2 * progress)
    eyes, targets = _spline(walk.eyes, eased), _spline(walk.targets, eased)
    sway = np.stack(
        [np.sin(2 * np.pi * (rate * progress + phase)) for rate, phase in ((2.3, 0.1), (4.1, 0.4), (1.7, 0.7))], axis=1
    )
    eyes = eyes + _SWAY_METRES * sway
    targets = targets + 2 * _SWAY_METRES * sway[:, ::-1]
    return [CameraPose(eye, target) for eye, target in zip(eyes, targets, strict=True)]


def _spline(points: tuple[tuple[float, float, float], ...], at: Floats) -> Floats:
    knots = np.linspace(0.0, 1.0, len(points))
    return np.asarray(CubicSpline(knots, np.array(points), bc_type="natural")(at))
