"""Read OBJ and MTL files into meshes, one per material.

OBJ text --faces--> triangles with corner normals --by material--> Mesh
MTL text ----------> Material (sRGB colours become linear reflectance)
"""

import io
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from PIL import Image

from tools.rooms.mesh import Floats, Material, Mesh, Texture

ReadFile = Callable[[str], bytes | None]
_LARGEST_TEXTURE = 512
_BRIGHTEST = 0.85
_DARKEST = 0.02
_GAMMA = 1.6


def linear(srgb: float) -> float:
    """Reflectance of a display value in 0..1; a gamma below sRGB's, as these models were made to look right unlit."""
    return float(np.clip(srgb**_GAMMA, _DARKEST, _BRIGHTEST))


def read_obj(text: str, read_file: ReadFile) -> list[Mesh]:
    """Return the meshes of an OBJ file in its own coordinates.

    `read_file` gives the bytes of a file that lies beside the OBJ file.
    """
    positions: list[list[float]] = []
    textures: list[list[float]] = []
    normals: list[list[float]] = []
    # Each material has the index rows (position, texture, normal) of its triangles.
    corners: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    materials: dict[str, Material] = {}
    current = ""
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            positions.append([float(word) for word in words[1:4]])
        elif words[0] == "vt":
            textures.append([float(word) for word in words[1:3]])
        elif words[0] == "vn":
            normals.append([float(word) for word in words[1:4]])
        elif words[0] == "usemtl":
            current = " ".join(words[1:])
        elif words[0] == "mtllib":
            content = read_file(" ".join(words[1:]))
            materials |= read_mtl(content.decode("latin-1"), read_file) if content else {}
        elif words[0] == "f":
            counts = (len(positions), len(textures), len(normals))
            rows = [_corner(word, counts) for word in words[1:]]
            for second, third in zip(rows[1:], rows[2:], strict=False):
                corners[current] += [rows[0], second, third]
    pools = tuple(np.array(pool or [[0.0] * size]) for pool, size in ((positions, 3), (textures, 2), (normals, 3)))
    return [_mesh(np.array(group), pools, materials.get(name, Material())) for name, group in corners.items()]


def _corner(word: str, counts: tuple[int, int, int]) -> tuple[int, int, int]:
    """Zero-based indices of `v/vt/vn`; -1 where one is missing."""
    parts = (word.split("/") + ["", ""])[:3]
    values = [int(part) if part else 0 for part in parts]
    first, second, third = (
        value - 1 if value >= 0 else count + value for value, count in zip(values, counts, strict=True)
    )
    return first, second, third


def _mesh(rows: np.ndarray, pools: tuple[Floats, ...], material: Material) -> Mesh:
    triangles = rows.reshape(-1, 3, 3)
    positions = pools[0][triangles[..., 0]]
    face = np.cross(positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0])
    area = np.linalg.norm(face, axis=-1)
    keep = area > 1e-12
    positions, triangles = positions[keep], triangles[keep]
    face = (face[keep] / area[keep, None])[:, None]
    given = pools[2][triangles[..., 2]]
    given = given / np.maximum(np.linalg.norm(given, axis=-1, keepdims=True), 1e-12)
    agreement = np.abs((given * face).sum(-1))
    usable = (triangles[..., 2] >= 0) & (agreement > 0.3)
    uv = np.where(triangles[..., 1:2] >= 0, pools[1][triangles[..., 1]], 0.0)
    uv[..., 1] = 1.0 - uv[..., 1]
    return Mesh(positions, np.where(usable[..., None], given, face), uv, material)


def read_mtl(text: str, read_file: ReadFile) -> dict[str, Material]:
    """Return the materials of an MTL file by name."""
    found: dict[str, Material] = {}
    name, entry = "", dict[str, list[str]]()
    for line in [*text.splitlines(), "newmtl"]:
        words = line.split()
        if not words:
            continue
        if words[0] == "newmtl":
            if "newmtl" in entry:
                found[name] = _material(entry, read_file)
            name, entry = " ".join(words[1:]), {"newmtl": words}
        else:
            entry[words[0]] = words[1:]
    return found


def _material(entry: dict[str, list[str]], read_file: ReadFile) -> Material:
    diffuse = [float(word) for word in entry.get("Kd", ["0.7"] * 3)[:3]]
    specular = float(np.mean([float(word) for word in entry.get("Ks", ["0"] * 3)[:3]]))
    shininess = float(entry.get("Ns", ["0"])[0])
    image = entry.get("map_Kd")
    shiny = specular > 0.1 and shininess > 8
    return Material(
        color=(linear(diffuse[0]), linear(diffuse[1]), linear(diffuse[2])),
        texture=_texture(" ".join(image), read_file) if image else None,
        finish="plastic" if shiny else "diffuse",
        roughness=float(np.clip(np.sqrt(2.0 / (shininess + 2.0)), 0.12, 0.5)),
        opacity=float(entry.get("d", ["1"])[0]),
        name=" ".join(entry["newmtl"][1:]),
    )


def _texture(name: str, read_file: ReadFile) -> Texture | None:
    content = read_file(name)
    if content is None:
        return None
    image = Image.open(io.BytesIO(content)).convert("RGB")
    image.thumbnail((_LARGEST_TEXTURE, _LARGEST_TEXTURE))
    return np.clip(np.asarray(image), 8, 238).astype(np.uint8)
