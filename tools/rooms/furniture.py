"""Loads a piece of furniture: a catalogue model, scaled to its size and set in its place."""

import posixpath
from dataclasses import replace

import numpy as np

from tools.rooms import catalog
from tools.rooms.mesh import Material, Mesh, facing_rotation
from tools.rooms.scene import Piece
from tools.rooms.wavefront import read_obj

_GREY_SPREAD = 0.06


def load(piece: Piece) -> list[Mesh]:
    """Returns the meshes of a piece in world coordinates, its foot at `piece.elevation`."""
    entry = catalog.find(piece.model.library, piece.model.number)
    folder = posixpath.dirname(entry.model)
    content = catalog.read(entry.library, entry.model)
    if content is None:
        raise FileNotFoundError(f"{entry.library} has no {entry.model}")
    meshes = read_obj(
        content.decode("latin-1"),
        lambda name: catalog.read(entry.library, posixpath.join(folder, name)),
    )
    upright = np.array(entry.rotation or np.eye(3).ravel()).reshape(3, 3)
    meshes = [mesh.transformed(np.ones(3), upright, np.zeros(3)) for mesh in meshes]
    corners = np.concatenate([mesh.positions.reshape(-1, 3) for mesh in meshes])
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = np.array(piece.size) / np.maximum(high - low, 1e-9)
    foot = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2]) * scale
    place = np.array([piece.x, piece.elevation, piece.z])
    rotation = facing_rotation(piece.facing)
    return [
        replace(
            mesh.transformed(scale, rotation, place - rotation @ foot),
            material=_finished(mesh.material, piece),
        )
        for mesh in meshes
    ]


def _finished(material: Material, piece: Piece) -> Material:
    """Gives plain grey parts of a metal piece a metal surface, and repaints plain parts on request."""
    plain = material.texture is None
    if piece.paint is not None and plain:
        return replace(material, color=piece.paint)
    grey = max(material.color) - min(material.color) < _GREY_SPREAD
    if piece.metal and plain and grey and min(material.color) > 0.1:
        return replace(material, finish="metal", roughness=0.25, opacity=1.0)
    return material
