"""Build the room itself: floor, ceiling, walls with openings, skirting, windows, pictures.

Every part is a `LabelledMesh`; wall parts are laid out in wall coordinates: `along`
(x for the north and south wall, z for the others), height, and depth behind the wall.
"""

from dataclasses import dataclass

import numpy as np

from tools.rooms import textures
from tools.rooms.mesh import Floats, Material, Mesh, box, merged, quad
from tools.rooms.scene import FramedPicture, Room, RoomWindow, Triple

_REVEAL_METRES = 0.2
_SKIRTING = (0.09, 0.015)
_WALL_TEXTURE_METRES = 2.0
_WHITE = Material((0.78, 0.77, 0.74), finish="plastic", roughness=0.25)


@dataclass(frozen=True)
class LabelledMesh:
    """A mesh and its class, one of `scene.LABELS`."""

    mesh: Mesh
    label: str


def build(room: Room) -> list[LabelledMesh]:
    """Return all parts of the room that are not catalogue furniture."""
    parts = _floor_and_ceiling(room)
    for wall in ("north", "south", "west", "east"):
        parts += _wall(room, wall)
    for window in room.windows:
        parts += _window(room, window)
    for picture in room.pictures:
        parts += _picture(room, picture)
    for block in room.blocks:
        mesh = box(np.array(block.low), np.array(block.high), block.material, block.texture_metres)
        parts.append(LabelledMesh(mesh, block.label))
    return parts


def wall_point(room: Room, wall: str, along: float, height: float, depth: float) -> Floats:
    """World point of wall coordinates; positive depth lies outside the room, [3]."""
    width, _, length = room.size
    return np.array({
        "north": (along, height, -depth),
        "south": (along, height, length + depth),
        "west": (-depth, height, along),
        "east": (width + depth, height, along),
    }[wall])  # fmt: skip


def _wall_length(room: Room, wall: str) -> float:
    return room.size[0] if wall in ("north", "south") else room.size[2]


def _wall_quad(
    room: Room, wall: str, along: tuple[float, float], heights: tuple[float, float],
    depth: float, material: Material, metres: float | None = None,
) -> Mesh:  # fmt: skip
    """A rectangle parallel to a wall, facing inwards; `metres` None stretches the texture over it."""
    # Someone inside the room sees the smaller end on the left of the north and the east wall alone.
    left, right = sorted(along, reverse=wall not in ("north", "east"))
    low, high = heights
    corner = wall_point(room, wall, left, high, depth)
    edge_u = wall_point(room, wall, right, high, depth) - corner
    edge_v = wall_point(room, wall, left, low, depth) - corner
    repeat = np.ones(2) if metres is None else np.array([abs(right - left), high - low]) / metres
    mesh = quad(corner, edge_u, edge_v, material, repeat)
    if metres is None:
        return mesh
    length = _wall_length(room, wall)
    first = left if wall in ("north", "east") else length - left
    offset = np.array([first, room.size[1] - high]) / metres
    return Mesh(mesh.positions, mesh.normals, mesh.uv + offset, material)


def _wall_box(
    room: Room, wall: str, along: tuple[float, float], heights: tuple[float, float],
    depths: tuple[float, float], material: Material,
) -> Mesh:  # fmt: skip
    first = wall_point(room, wall, along[0], heights[0], depths[0])
    second = wall_point(room, wall, along[1], heights[1], depths[1])
    return box(np.minimum(first, second), np.maximum(first, second), material)


def _floor_and_ceiling(room: Room) -> list[LabelledMesh]:
    width, height, length = room.size
    east, south = np.array([width, 0, 0]), np.array([0, 0, length])
    repeat = np.array([width, length]) / room.floor_metres
    floor = quad(np.zeros(3), east, south, room.floor, repeat)
    plaster = Material((0.82, 0.82, 0.8))
    ceiling = quad(np.array([0, height, length]), east, -south, plaster, np.ones(2))
    return [LabelledMesh(floor, "floor"), LabelledMesh(ceiling, "ceiling")]


def _wall(room: Room, wall: str) -> list[LabelledMesh]:
    """The wall around its windows (at most a row of them), and its skirting."""
    material = room.accent if wall == "north" else room.wall
    height, length = room.size[1], _wall_length(room, wall)
    windows = sorted((w for w in room.windows if w.wall == wall), key=lambda w: w.start)
    pieces: list[tuple[tuple[float, float], tuple[float, float]]] = []
    reached = 0.0
    for window in windows:
        pieces.append(((reached, window.start), (0.0, height)))
        if window.sill > 0:
            pieces.append(((window.start, window.end), (0.0, window.sill)))
        pieces.append(((window.start, window.end), (window.head, height)))
        reached = window.end
    pieces.append(((reached, length), (0.0, height)))
    quads = [_wall_quad(room, wall, along, heights, 0.0, material, _WALL_TEXTURE_METRES) for along, heights in pieces]
    tall, thick = _SKIRTING
    skirting = _wall_box(room, wall, (0.0, length), (0.0, tall), (-thick, 0.0), _WHITE)
    return [LabelledMesh(merged(quads, material), "wall"), LabelledMesh(skirting, "wall")]


def _window(room: Room, window: RoomWindow) -> list[LabelledMesh]:
    """Daylight panel with the view outside, reveal, frame with bars, sill, curtains."""
    wall, depth = window.wall, _REVEAL_METRES
    along, heights = (window.start, window.end), (window.sill, window.head)
    view = Material(
        texture=textures.outdoors(seed=len(room.name) + int(10 * window.start)),
        finish="emitter",
        radiance=window.radiance,
    )
    panel = _wall_quad(room, wall, along, heights, depth, view)
    bar = 0.05
    frame = [(along, (window.sill, window.sill + bar)), (along, (window.head - bar, window.head))]
    for edge in np.linspace(window.start, window.end - bar, window.panes + 1):
        frame.append(((float(edge), float(edge) + bar), heights))
    bars = [_wall_box(room, wall, a, h, (0.1, 0.15), _WHITE) for a, h in frame]
    reveal = [
        _wall_box(room, wall, (window.start - 0.01, window.start), heights, (0.0, depth), _WHITE),
        _wall_box(room, wall, (window.end, window.end + 0.01), heights, (0.0, depth), _WHITE),
        _wall_box(room, wall, along, (window.head, window.head + 0.01), (0.0, depth), _WHITE),
    ]
    sill = _wall_box(
        room, wall, (window.start - 0.04, window.end + 0.04), (window.sill - 0.03, window.sill), (-0.06, depth), _WHITE
    )
    parts = [
        LabelledMesh(panel, "window"),
        LabelledMesh(merged([*bars, sill], _WHITE), "window"),
        LabelledMesh(merged(reveal, _WHITE), "wall"),
    ]
    return parts + (_curtains(room, window, window.curtain) if window.curtain else [])


def _curtains(room: Room, window: RoomWindow, color: Triple) -> list[LabelledMesh]:
    """A folded cloth on either side of the window and the rod that they hang from."""
    cloth = Material(color)
    width, top = 0.34, window.head + 0.12
    bottom = max(window.sill - 0.25, 0.08) if window.sill > 0.5 else 0.03
    rod = _wall_box(
        room,
        window.wall,
        (window.start - 0.4, window.end + 0.4),
        (top - 0.01, top + 0.015),
        (-0.115, -0.09),
        Material((0.3, 0.28, 0.26), finish="metal"),
    )
    parts = [LabelledMesh(rod, "window")]
    for first in (window.start - width + 0.06, window.end - 0.06):
        step = np.linspace(0.0, 1.0, 97)
        phase = 2 * np.pi * 4.5 * step
        line = np.array(
            [
                wall_point(room, window.wall, first + width * s, 0.0, -0.1 - 0.032 * np.sin(p))
                for s, p in zip(step, phase, strict=True)
            ]
        )
        parts.append(LabelledMesh(_hanging(line, bottom, top, cloth), "window"))
    return parts


def _hanging(line: Floats, bottom: float, top: float, material: Material) -> Mesh:
    """A cloth whose ground plan is `line` [points, 3], with smooth normals."""
    tangent = np.gradient(line, axis=0)
    normal = np.cross(tangent, [0.0, 1.0, 0.0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    low, high = line + [0, bottom, 0], line + [0, top, 0]
    positions = np.concatenate(
        [np.stack([low[:-1], low[1:], high[1:]], 1), np.stack([low[:-1], high[1:], high[:-1]], 1)]
    )
    normals = np.concatenate(
        [np.stack([normal[:-1], normal[1:], normal[1:]], 1), np.stack([normal[:-1], normal[1:], normal[:-1]], 1)]
    )
    return Mesh(positions, normals, np.zeros((len(positions), 3, 2)), material)


def _picture(room: Room, picture: FramedPicture) -> list[LabelledMesh]:
    """A painting with a mount in a wooden frame."""
    width, height = picture.size
    along = (picture.along - width / 2, picture.along + width / 2)
    heights = (picture.height - height / 2, picture.height + height / 2)
    tone = 0.08 + 0.25 * ((picture.seed * 37) % 10) / 10
    wood = Material((tone, tone * 0.8, tone * 0.6), finish="plastic")
    painting = Material(texture=textures.painting(picture.seed))
    inner_along, inner_heights = _inset(along, heights, 0.025)
    canvas_along, canvas_heights = _inset(along, heights, 0.085)
    parts = [
        _wall_box(room, picture.wall, along, heights, (-0.02, 0.0), wood),
        _wall_quad(room, picture.wall, inner_along, inner_heights, -0.021, Material((0.76, 0.75, 0.7))),
        _wall_quad(room, picture.wall, canvas_along, canvas_heights, -0.022, painting),
    ]
    return [LabelledMesh(part, "picture") for part in parts]


def _inset(
    along: tuple[float, float], heights: tuple[float, float], by: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    return (along[0] + by, along[1] - by), (heights[0] + by, heights[1] - by)
