"""Solids, the OBJ reader and the shell of a room."""

import numpy as np
import pytest

from tools.rooms import shell
from tools.rooms.homes import ROOMS
from tools.rooms.mesh import Material, Mesh, box, facing_rotation
from tools.rooms.scene import Room
from tools.rooms.wavefront import read_obj

OBJ = """
mtllib a.mtl
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
usemtl Red
f 1 2 3 4
usemtl Books_1
f -4 -3 -2
"""
MTL = b"newmtl Red\nKd 1 0 0\nd 0.5\nnewmtl Books_1\nKd 0 0 1\nKs 1 1 1\nNs 50\n"


def test_a_box_faces_outwards() -> None:
    solid = box(np.zeros(3), np.array([1.0, 2.0, 3.0]), Material())
    middle = np.array([0.5, 1.0, 1.5])
    outward = ((solid.positions.mean(1) - middle) * solid.normals[:, 0]).sum(1)
    assert (outward > 0).all()


@pytest.mark.parametrize(("degrees", "front"), [(0, (0, 0, 1)), (90, (1, 0, 0)), (180, (0, 0, -1)), (270, (-1, 0, 0))])
def test_facing_turns_the_front(degrees: float, front: tuple[int, int, int]) -> None:
    np.testing.assert_allclose(facing_rotation(degrees) @ [0, 0, 1], front, atol=1e-12)


def test_an_obj_file_becomes_one_mesh_a_material() -> None:
    red, books = read_obj(OBJ, {"a.mtl": MTL}.get)
    assert (red.material.name, books.material.name) == ("Red", "Books_1")
    assert (len(red.positions), len(books.positions)) == (2, 1)
    assert red.material.opacity == 0.5
    assert books.material.finish == "plastic"
    np.testing.assert_allclose(red.normals, np.broadcast_to([0, 0, 1], (2, 3, 3)))


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS.keys())
def test_walls_face_inwards_and_cover_what_is_not_window(room: Room) -> None:
    walls = [part.mesh for part in shell.build(room) if part.label == "wall" and _is_flat(part.mesh)]
    middle = np.array(room.size) / 2
    for mesh in walls:
        inward = ((middle - mesh.positions.mean(1)) * mesh.normals[:, 0]).sum(1)
        assert (inward > 0).all()
    width, height, length = room.size
    openings = sum((w.end - w.start) * (w.head - w.sill) for w in room.windows)
    assert sum(_area(mesh) for mesh in walls) == pytest.approx(2 * height * (width + length) - openings)


def _is_flat(mesh: Mesh) -> bool:
    return bool(np.allclose(mesh.normals, mesh.normals[0, 0]))


def _area(mesh: Mesh) -> float:
    edges = mesh.positions[:, 1:] - mesh.positions[:, :1]
    return float(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1).sum() / 2)
