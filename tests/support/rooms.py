"""The space that a piece of furniture takes in a sample room."""

from __future__ import annotations

import numpy as np

from tools.rooms.scene import Piece


def bounds(piece: Piece) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest corner of the axis-parallel box around the piece, [3] each, in metres."""
    width, height, depth = piece.size
    angle = np.radians(piece.facing)
    sine, cosine = abs(np.sin(angle)), abs(np.cos(angle))
    half = np.array([width * cosine + depth * sine, height, width * sine + depth * cosine]) / 2
    centre = np.array([piece.x, piece.elevation + height / 2, piece.z])
    return centre - half, centre + half
