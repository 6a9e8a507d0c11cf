"""Turns a room into Mitsuba scenes: one for the picture, one for the labels.

    Room --shell, furniture--> LabelledMesh --PLY + BSDF--> mitsuba scene dictionary

The label scene has the same triangles, but each surface's albedo is its class, so
that texture, gloss and light cannot touch a label.
"""

from pathlib import Path
from typing import Any

import mitsuba as mi
import numpy as np

from tools.rooms import furniture, shell
from tools.rooms.mesh import Material, Mesh, Texture
from tools.rooms.scene import LABELS, Lamp, Room
from tools.rooms.shell import LabelledMesh

mi.set_variant("scalar_rgb")

LABEL_STEP = 1 / 32
"""Albedo of class i in the label scene is (i + 1) * LABEL_STEP."""
_INVISIBLE = 0.1
_BOOK_MATERIAL = "Books"


def parts(room: Room) -> list[LabelledMesh]:
    """All meshes of a room with their classes."""
    found = shell.build(room)
    for piece in room.pieces:
        for mesh in furniture.load(piece):
            if mesh.material.opacity < _INVISIBLE or not len(mesh.positions):
                continue
            label = "books" if mesh.material.name.startswith(_BOOK_MATERIAL) else piece.label
            found.append(LabelledMesh(mesh, label))
    return found


def write_ply(mesh: Mesh, path: Path) -> None:
    """Writes a binary PLY file with normals and texture coordinates."""
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
    """Writes every part as `<index>.ply`, where both scenes look for it."""
    for index, part in enumerate(meshes):
        write_ply(part.mesh, folder / f"{index:04d}.ply")


def picture_scene(room: Room, meshes: list[LabelledMesh], folder: Path) -> mi.Scene:
    """The scene that is looked at, from the PLY files in `folder`."""
    scene: dict[str, Any] = {"type": "scene"}
    for index, part in enumerate(meshes):
        shape: dict[str, Any] = {"type": "ply", "filename": str(folder / f"{index:04d}.ply")}
        material = part.mesh.material
        if material.finish == "emitter" and material.texture is not None:
            shape["emitter"] = {"type": "area", "radiance": _radiance(material.texture, material.radiance)}
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


def _bitmap(texture: Texture) -> dict[str, Any]:
    return {"type": "bitmap", "bitmap": mi.Bitmap(np.ascontiguousarray(texture.pixels))}


def _radiance(texture: Texture, scale: float) -> dict[str, Any]:
    linear = (texture.pixels / 255.0) ** 2.2 * scale
    return {"type": "bitmap", "bitmap": mi.Bitmap(linear.astype(np.float32)), "raw": True}


def _bsdf(material: Material) -> dict[str, Any]:
    color = _bitmap(material.texture) if material.texture else _rgb(material.color)
    inner: dict[str, Any]
    if material.finish == "metal":
        inner = {
            "type": "roughconductor",
            "material": "none",
            "alpha": material.roughness,
            "specular_reflectance": color,
        }
    elif material.finish == "plastic":
        inner = {"type": "roughplastic", "alpha": material.roughness, "diffuse_reflectance": color, "nonlinear": False}
    else:
        inner = {"type": "diffuse", "reflectance": color}
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
