"""The rooms that can be rendered, by name."""

from training.rooms.bedroom import BEDROOM
from training.rooms.kitchen import KITCHEN
from training.rooms.living_room import LIVING_ROOM
from training.rooms.scene import Room

ROOMS: dict[str, Room] = {room.name: room for room in (BEDROOM, LIVING_ROOM, KITCHEN)}
