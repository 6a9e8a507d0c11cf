"""The rooms' descriptions: furniture stands in the room, on something, with a known label."""

import numpy as np
import pytest

from tests.support.debian import MAY_INSTALL
from tests.support.rooms import bounds
from tools.rooms import catalog, models
from tools.rooms.homes import ROOMS
from tools.rooms.models import Model
from tools.rooms.scene import LABELS, Room

TOUCH_METRES = 0.006

every_room = pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS.keys())


@every_room
def test_no_piece_reaches_into_a_wall_the_floor_or_the_ceiling(room: Room) -> None:
    for piece in room.pieces:
        low, high = bounds(piece)
        assert (low >= -TOUCH_METRES).all(), f"{piece} leaves the room"
        assert (high <= np.array(room.size) + TOUCH_METRES).all(), f"{piece} leaves the room"


@every_room
def test_every_piece_has_a_known_label(room: Room) -> None:
    assert {piece.label for piece in room.pieces} | {block.label for block in room.blocks} <= set(LABELS)


@every_room
def test_big_furniture_does_not_stand_in_other_furniture(room: Room) -> None:
    big = [piece for piece in room.pieces if piece.elevation == 0 and piece.label in {"furniture", "sofa", "bed", "tv"}]
    for index, first in enumerate(big):
        for second in big[index + 1 :]:
            (low, high), (other_low, other_high) = bounds(first), bounds(second)
            overlap = np.minimum(high, other_high) - np.maximum(low, other_low)
            assert overlap.min() < TOUCH_METRES, f"{first} and {second} overlap"


@every_room
def test_windows_fit_their_walls_and_do_not_overlap(room: Room) -> None:
    for wall in ("north", "south", "west", "east"):
        length = room.size[0] if wall in ("north", "south") else room.size[2]
        reached = 0.0
        for window in sorted((w for w in room.windows if w.wall == wall), key=lambda w: w.start):
            assert reached < window.start < window.end < length
            assert window.head < room.size[1]
            reached = window.end


@pytest.mark.skipif(
    not catalog.CATALOG_DIRECTORY.exists() and not MAY_INSTALL,
    reason="the user may not install Debian's sweethome3d-furniture (as root, tests/debian.sh does)",
)
def test_sizes_are_those_of_the_catalogue() -> None:
    for name, model in vars(models).items():
        if isinstance(model, Model):
            size = catalog.find(model.library, model.number).size
            assert size == pytest.approx(model.size, abs=1e-3), name
