"""Turn a room into Mitsuba scenes: one for the picture, one for the labels.

    Room --shell, catalogue models--> LabelledMesh --PLY + BSDF--> mitsuba scene dictionary

The label scene has the same triangles, but each surface's albedo is its class, so
that texture, gloss and light cannot touch a label.
"""

import posixpath
from dataclasses import replace
from pathlib import Path
from typing import Any

import mitsuba as mi
import numpy as np

from tools.rooms import catalog, shell
from tools.rooms.mesh import Material, Mesh, facing_rotation
from tools.rooms.scene import LABELS, Lamp, Piece, Room
from tools.rooms.shell import LabelledMesh
from tools.rooms.wavefront import read_obj

mi.set_variant("scalar_rgb")

LABEL_STEP = 1 / 32
"""Albedo of class i in the label scene is (i + 1) * LABEL_STEP."""
_INVISIBLE = 0.1
_BOOK_MATERIAL = "Books"
_GREY_SPREAD = 0.06


def parts(room: Room) -> list[LabelledMesh]:
    """All meshes of a room with their classes."""
    found = shell.build(room)
    for piece in room.pieces:
        for mesh in _furniture(piece):
            if mesh.material.opacity < _INVISIBLE or not len(mesh.positions):
                continue
            label = "books" if mesh.material.name.startswith(_BOOK_MATERIAL) else piece.label
            found.append(LabelledMesh(mesh, label))
    return found


def _furniture(piece: Piece) -> list[Mesh]:
    """Return the meshes of a piece in world coordinates, its foot at `piece.elevation`."""
    entry = catalog.find(piece.model.library, piece.model.number)
    folder = posixpath.dirname(entry.model)
    content = catalog.read(entry.library, entry.model)
    if content is None:
        raise FileNotFoundError(f"{entry.library} has no {entry.model}")
    text = content.decode("latin-1")
    meshes = read_obj(text, lambda name: catalog.read(entry.library, posixpath.join(folder, name)))
    upright = np.array(entry.rotation or np.eye(3).ravel()).reshape(3, 3)
    meshes = [mesh.transformed(np.ones(3), upright, np.zeros(3)) for mesh in meshes]
    corners = np.concatenate([mesh.positions.reshape(-1, 3) for mesh in meshes])
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = np.array(piece.size) / np.maximum(high - low, 1e-9)
    foot = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2]) * scale
    rotation = facing_rotation(piece.facing)
    place = np.array([piece.x, piece.elevation, piece.z]) - rotation @ foot
    placed = (mesh.transformed(scale, rotation, place) for mesh in meshes)
    return [replace(mesh, material=_finished(mesh.material, piece)) for mesh in placed]


def _finished(material: Material, piece: Piece) -> Material:
    """Give plain grey parts of a metal piece a metal surface, and repaint plain parts on request."""
    plain = material.texture is None
    if piece.paint is not None and plain:
        return replace(material, color=piece.paint)
    grey = max(material.color) - min(material.color) < _GREY_SPREAD
    if piece.metal and plain and grey and min(material.color) > 0.1:
        return replace(material, finish="metal", roughness=0.25, opacity=1.0)
    return material


def write_ply(mesh: Mesh, path: Path) -> None:
    """Write a binary PLY file with normals and texture coordinates."""
    count = len(mesh.positions)
    vertices = np.concatenate([mesh.positions, mesh.normals, mesh.uv], axis=2).reshape(-1, 8)
    faces = np.empty(count, dtype=[("n", "u1"), ("index", "<i4", 3)])
    faces["n"] = 3
    faces["index"] = np.arange(3 * count).reshape(-1, 3)
    properties = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz", "u", "v"))
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {3 * count}\n{properties}"
        f"element face {count}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    path.write_bytes(header.encode() + vertices.astype("<f4").tobytes() + faces.tobytes())


def write_parts(meshes: list[LabelledMesh], folder: Path) -> None:
    """Write every part as `<index>.ply`, where both scenes look for it."""
    for index, part in enumerate(meshes):
        write_ply(part.mesh, folder / f"{index:04d}.ply")


def picture_scene(room: Room, meshes: list[LabelledMesh], folder: Path) -> mi.Scene:
    """The scene that is looked at, from the PLY files in `folder`."""
    scene: dict[str, Any] = {"type": "scene"}
    for index, part in enumerate(meshes):
        shape: dict[str, Any] = {"type": "ply", "filename": str(folder / f"{index:04d}.ply")}
        material = part.mesh.material
        if material.finish == "emitter" and material.texture is not None:
            linear = (material.texture / 255.0) ** 2.2 * material.radiance
            radiance = {"type": "bitmap", "bitmap": mi.Bitmap(linear.astype(np.float32)), "raw": True}
            shape["emitter"] = {"type": "area", "radiance": radiance}
        else:
            shape["bsdf"] = _bsdf(material)
        scene[f"part{index:04d}"] = shape
    for index, lamp in enumerate(room.lamps):
        scene[f"lamp{index}"] = _lamp(lamp)
    return mi.load_dict(scene)


def label_scene(meshes: list[LabelledMesh], folder: Path) -> mi.Scene:
    """The same surfaces with their class as albedo."""
    scene: dict[str, Any] = {"type": "scene"}
    for index, part in enumerate(meshes):
        value = (LABELS.index(part.label) + 1) * LABEL_STEP
        scene[f"part{index:04d}"] = {
            "type": "ply",
            "filename": str(folder / f"{index:04d}.ply"),
            "bsdf": {"type": "twosided", "nested": {"type": "diffuse", "reflectance": _rgb((value,) * 3)}},
        }
    return mi.load_dict(scene)


def _rgb(color: tuple[float, float, float]) -> dict[str, Any]:
    return {"type": "rgb", "value": list(color)}


def _bsdf(material: Material) -> dict[str, Any]:
    color = _rgb(material.color)
    if material.texture is not None:
        color = {"type": "bitmap", "bitmap": mi.Bitmap(np.ascontiguousarray(material.texture))}
    inner: dict[str, Any] = {"type": "diffuse", "reflectance": color}
    if material.finish == "metal":
        inner = {"type": "roughconductor", "material": "none", "specular_reflectance": color}
        inner["alpha"] = material.roughness
    elif material.finish == "plastic":
        inner = {"type": "roughplastic", "alpha": material.roughness, "diffuse_reflectance": color, "nonlinear": False}
    surface: dict[str, Any] = {"type": "twosided", "nested": inner}
    if material.opacity < 1.0:
        return {"type": "mask", "opacity": material.opacity, "nested": surface}
    return surface


def _lamp(lamp: Lamp) -> dict[str, Any]:
    transform = mi.ScalarTransform4f().translate(list(lamp.position))
    if lamp.disc:
        transform = transform.rotate([1, 0, 0], 90)
    return {
        "type": "disk" if lamp.disc else "sphere",
        "to_world": transform.scale(lamp.radius),
        "emitter": {"type": "area", "radiance": _rgb(lamp.radiance)},
    }
