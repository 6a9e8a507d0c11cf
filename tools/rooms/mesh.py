"""The triangle mesh that every part of a room becomes, and the simple solids.

World coordinates: x to the east, y up, z to the south, in metres.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Texture = NDArray[np.uint8]
"""A colour bitmap in sRGB, [H, W, 3], row 0 at the top (v = 0)."""


@dataclass(frozen=True)
class Material:
    """The material of a surface."""

    color: tuple[float, float, float] = (0.7, 0.7, 0.7)
    """Reflectance in linear RGB, used where there is no texture."""
    texture: Texture | None = None
    finish: str = "diffuse"
    """`diffuse`, `plastic`, `metal` or `emitter`."""
    roughness: float = 0.3
    radiance: float = 0.0
    """Scale of the light given off by an `emitter`."""
    opacity: float = 1.0
    name: str = ""


@dataclass(frozen=True)
class Mesh:
    """Triangles of one material: three corners each, nothing shared.

    positions, normals: [triangles, 3, 3]; uv: [triangles, 3, 2].
    """

    positions: Floats
    normals: Floats
    uv: Floats
    material: Material

    def transformed(self, scale: Floats, rotation: Floats, translation: Floats) -> "Mesh":
        """Return the mesh scaled along the axes, then rotated, then moved."""
        normals = (self.normals / scale) @ rotation.T
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        return Mesh(
            positions=(self.positions * scale) @ rotation.T + translation,
            normals=normals / np.maximum(length, 1e-12),
            uv=self.uv,
            material=self.material,
        )


def facing_rotation(degrees: float) -> Floats:
    """Rotation about y that turns the front (+z) to (sin a, 0, cos a), [3, 3]."""
    angle = np.radians(degrees)
    sine, cosine = np.sin(angle), np.cos(angle)
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])


def quad(corner: Floats, edge_u: Floats, edge_v: Floats, material: Material, repeat: Floats) -> Mesh:
    """A parallelogram: `corner` is the texture's top left, `repeat` its repetitions [2].

    The normal points along cross(edge_v, edge_u), towards whoever sees the texture upright.
    """
    a, b = corner, corner + edge_u
    c, d = corner + edge_u + edge_v, corner + edge_v
    normal = np.cross(edge_v, edge_u)
    normal = normal / np.linalg.norm(normal)
    u, v = repeat
    return Mesh(
        positions=np.array([[a, d, c], [a, c, b]]),
        normals=np.broadcast_to(normal, (2, 3, 3)).copy(),
        uv=np.array([[[0, 0], [0, v], [u, v]], [[0, 0], [u, v], [u, 0]]], dtype=float),
        material=material,
    )


def box(low: Floats, high: Floats, material: Material, texture_metres: float = 1.0) -> Mesh:
    """An axis-parallel box; the texture repeats every `texture_metres`."""
    size = high - low
    parts = []
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        edge_first, edge_second = np.zeros(3), np.zeros(3)
        edge_first[first], edge_second[second] = size[first], size[second]
        repeat = np.array([size[first], size[second]]) / texture_metres
        far = low.copy()
        far[axis] = high[axis]
        parts.append(quad(low, edge_first, edge_second, material, repeat))
        parts.append(quad(far, edge_second, edge_first, material, repeat[::-1]))
    return merged(parts, material)


def merged(meshes: list[Mesh], material: Material) -> Mesh:
    """One mesh of one material from several."""
    return Mesh(
        positions=np.concatenate([mesh.positions for mesh in meshes]),
        normals=np.concatenate([mesh.normals for mesh in meshes]),
        uv=np.concatenate([mesh.uv for mesh in meshes]),
        material=material,
    )
