"""Describe a room: its walls, its openings, what stands in it and how the camera walks.

World coordinates: x to the east, y up, z to the south, in metres; the room's
north-west floor corner is the origin. Nothing here reads a file or draws.
"""

from dataclasses import dataclass

from tools.rooms.mesh import Material
from tools.rooms.models import Model

LABELS = (
    "bed", "books", "ceiling", "chair", "floor", "furniture", "objects",
    "picture", "sofa", "table", "tv", "wall", "window",
)  # fmt: skip
"""Classes of `segment_semantic`; the index is the id."""

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Piece:
    """A catalogue model that stands in the room."""

    model: Model
    label: str
    x: float
    z: float
    facing: float = 0.0
    """Degrees: 0 looks south (+z), 90 east (+x), 180 north, 270 west."""
    elevation: float = 0.0
    stretch: float = 1.0
    """Uniform scale of the model's own size."""
    metal: bool = False
    paint: Triple | None = None
    """Linear RGB for the parts without texture."""

    @property
    def size(self) -> Triple:
        """Width, height and depth before turning."""
        width, height, depth = self.model.size
        return width * self.stretch, height * self.stretch, depth * self.stretch


@dataclass(frozen=True)
class Block:
    """A plain box, such as a rug or a book."""

    low: Triple
    high: Triple
    label: str
    material: Material
    texture_metres: float = 1.0


@dataclass(frozen=True)
class RoomWindow:
    """An opening in a wall that lets daylight in; `start`..`end` runs along the wall (x or z)."""

    wall: str
    start: float
    end: float
    sill: float
    head: float
    radiance: float
    panes: int = 2
    curtain: Triple | None = None
    """Linear RGB of a curtain on either side."""


@dataclass(frozen=True)
class FramedPicture:
    """A framed picture; `along` and `height` are its centre."""

    wall: str
    along: float
    height: float
    size: tuple[float, float]
    seed: int


@dataclass(frozen=True)
class Lamp:
    """A round light under the ceiling or in a shade, radiating from a small sphere or disc."""

    position: Triple
    radius: float
    radiance: Triple
    disc: bool = False


@dataclass(frozen=True)
class Walk:
    """Key points of the camera's way: eye points and the points looked at, in metres."""

    eyes: tuple[Triple, ...]
    targets: tuple[Triple, ...]


@dataclass(frozen=True)
class Room:
    """A whole room."""

    name: str
    size: Triple
    """Extent in x, height, extent in z."""
    wall: Material
    accent: Material
    """Material of the north wall."""
    floor: Material
    floor_metres: float
    """Metres that one repetition of the floor's texture covers."""
    windows: tuple[RoomWindow, ...]
    pictures: tuple[FramedPicture, ...]
    lamps: tuple[Lamp, ...]
    pieces: tuple[Piece, ...]
    blocks: tuple[Block, ...]
    walk: Walk
    exposure: float
