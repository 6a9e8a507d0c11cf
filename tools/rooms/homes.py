"""The rooms that can be rendered, by name."""

from tools.rooms.bedroom import BEDROOM
from tools.rooms.kitchen import KITCHEN
from tools.rooms.living_room import LIVING_ROOM
from tools.rooms.scene import Room

ROOMS: dict[str, Room] = {room.name: room for room in (BEDROOM, LIVING_ROOM, KITCHEN)}
