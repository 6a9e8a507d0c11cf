"""The three furnished rooms that can be rendered.

The bedroom has a bed with night stands to the north, a desk under the west window and a wardrobe to the east.
The living room has a sofa to the west, the television opposite and a wide window to the north.
The kitchen has fitted units to the north, one window over the sink and one to the west, and a dining table.
"""

from tools.rooms import models, textures
from tools.rooms.mesh import Material
from tools.rooms.scene import Block, FramedPicture, Lamp, Piece, Room, RoomWindow, Walk

_WEST_TABLE_X, _EAST_TABLE_X = 1.13, 3.47
_BEDROOM_RUG = Material(texture=textures.rug(3, ((176, 160, 140), (92, 88, 104), (214, 204, 188))))

BEDROOM = Room(
    name="bedroom",
    size=(4.6, 2.55, 4.3),
    wall=Material(texture=textures.plaster(1, (226, 221, 208))),
    accent=Material(texture=textures.striped_paper(2, (156, 174, 186), (170, 187, 197))),
    floor=Material(texture=textures.planks(5, (176, 128, 84)), finish="plastic", roughness=0.28),
    floor_metres=1.3,
    windows=(RoomWindow("west", 1.55, 3.05, 0.95, 2.15, radiance=8.0, curtain=(0.55, 0.5, 0.4)),),
    pictures=(
        FramedPicture("north", 1.95, 1.66, (0.52, 0.4), 11),
        FramedPicture("north", 2.65, 1.66, (0.52, 0.4), 13),
        FramedPicture("south", 1.2, 1.55, (0.8, 0.6), 4),
    ),
    lamps=(Lamp((2.4, 2.545, 2.2), 0.22, (22.0, 19.8, 16.8), disc=True),),
    pieces=(
        Piece(models.BED, "bed", 2.3, 1.11),
        Piece(models.BEDSIDE_TABLE, "furniture", _WEST_TABLE_X, 0.27),
        Piece(models.BEDSIDE_TABLE, "furniture", _EAST_TABLE_X, 0.27),
        Piece(models.SHADE_LAMP, "objects", _WEST_TABLE_X, 0.24, elevation=0.454),
        Piece(models.SHADE_LAMP, "objects", _EAST_TABLE_X, 0.24, elevation=0.454),
        Piece(models.CLOCK, "objects", _EAST_TABLE_X - 0.12, 0.42, elevation=0.454, stretch=1.4),
        Piece(models.TEDDY_BEAR, "objects", 2.75, 0.62, elevation=0.6, facing=20),
        Piece(models.WARDROBE, "furniture", 4.3, 2.6, facing=270),
        Piece(models.DESK, "table", 0.45, 2.3, facing=90),
        Piece(models.OFFICE_CHAIR, "chair", 1.15, 2.35, facing=255),
        Piece(models.LAPTOP, "objects", 0.48, 2.35, facing=90, elevation=0.72),
        Piece(models.DESK_LAMP, "objects", 0.35, 1.8, facing=60, elevation=0.72),
        Piece(models.CHEST, "furniture", 1.2, 3.99, facing=180),
        Piece(models.VASE_STRIPED, "objects", 0.75, 4.0, elevation=0.82),
        Piece(models.RADIATOR, "objects", 0.12, 3.5, facing=90, elevation=0.12),
        Piece(models.POTTED_PLANT, "objects", 0.48, 0.5, stretch=1.35),
    ),
    blocks=(
        Block((1.2, 0.001, 1.7), (3.5, 0.014, 3.3), "floor", _BEDROOM_RUG, 2.3),
        Block((0.22, 0.72, 2.75), (0.4, 0.75, 2.98), "books", Material((0.35, 0.06, 0.05))),
        Block((0.24, 0.75, 2.77), (0.41, 0.775, 2.96), "books", Material((0.06, 0.16, 0.3))),
        Block((0.25, 0.775, 2.78), (0.4, 0.8, 2.97), "books", Material((0.5, 0.42, 0.2))),
    ),
    walk=Walk(
        eyes=((3.75, 1.52, 3.95), (3.3, 1.5, 3.85), (2.6, 1.5, 3.7), (1.95, 1.52, 3.55)),
        targets=((1.7, 0.75, 1.2), (1.7, 0.75, 0.9), (2.3, 0.75, 0.8), (3.3, 0.8, 0.9)),
    ),
    exposure=4.0,
)

_LIVING_ROOM_RUG = Material(texture=textures.rug(8, ((150, 70, 60), (60, 52, 70), (214, 190, 150))))

LIVING_ROOM = Room(
    name="living_room",
    size=(5.4, 2.65, 4.8),
    wall=Material(texture=textures.plaster(3, (228, 222, 206))),
    accent=Material(texture=textures.plaster(4, (186, 194, 176))),
    floor=Material(texture=textures.planks(6, (142, 96, 62), boards=10), finish="plastic", roughness=0.25),
    floor_metres=1.4,
    windows=(RoomWindow("north", 1.3, 3.1, 0.5, 2.2, radiance=6.0, panes=3, curtain=(0.5, 0.28, 0.16)),),
    pictures=(
        FramedPicture("west", 1.75, 1.62, (0.75, 0.55), 7),
        FramedPicture("west", 2.75, 1.62, (0.75, 0.55), 10),
        FramedPicture("east", 3.6, 1.55, (0.6, 0.8), 16),
        FramedPicture("south", 2.6, 1.5, (1.0, 0.7), 19),
    ),
    lamps=(Lamp((2.8, 2.645, 2.5), 0.25, (20.0, 18.0, 15.2), disc=True),),
    pieces=(
        Piece(models.SOFA, "sofa", 0.42, 2.25, facing=90),
        Piece(models.COFFEE_TABLE, "table", 1.65, 2.25, facing=90),
        Piece(models.OPEN_BOOK, "books", 1.65, 2.0, facing=70, elevation=0.45),
        Piece(models.LITTLE_PLANT, "objects", 1.65, 2.5, elevation=0.45),
        Piece(models.ARMCHAIR, "chair", 1.75, 3.75, facing=170),
        Piece(models.FLOOR_LAMP, "objects", 0.4, 3.75, facing=90),
        Piece(models.FICUS, "objects", 0.62, 0.55, stretch=1.9),
        Piece(models.TV_STAND, "furniture", 5.13, 2.3, facing=270),
        Piece(models.TV, "tv", 5.15, 2.3, facing=270, elevation=0.526, stretch=1.35),
        Piece(models.SPEAKER, "objects", 5.2, 3.2, facing=270),
        Piece(models.SPEAKER, "objects", 5.2, 1.4, facing=270),
        Piece(models.BOOKCASE, "furniture", 4.94, 0.2),
        Piece(models.BOOKCASE, "furniture", 4.04, 0.2),
        Piece(models.LOUNGE_CHAIR, "chair", 3.35, 1.35, facing=300),
        Piece(models.CHEST, "furniture", 2.6, 4.5, facing=180),
        Piece(models.VASE_DARK, "objects", 2.2, 4.5, elevation=0.82),
        Piece(models.VASE_BLUE, "objects", 3.05, 4.5, elevation=0.82),
    ),
    blocks=(Block((0.9, 0.001, 1.1), (2.6, 0.014, 3.4), "floor", _LIVING_ROOM_RUG, 2.3),),
    walk=Walk(
        eyes=((4.75, 1.52, 4.35), (4.35, 1.5, 4.1), (3.6, 1.5, 3.95), (2.9, 1.52, 3.8)),
        targets=((1.4, 0.85, 1.7), (1.5, 0.85, 1.2), (2.8, 0.9, 0.7), (4.6, 0.9, 1.0)),
    ),
    exposure=3.2,
)

_TABLE_X, _TABLE_Z = 2.75, 2.85
_COUNTER, _TABLE_TOP = 0.878, 0.724
_UNIT_Z = 0.315

KITCHEN = Room(
    name="kitchen",
    size=(5.0, 2.6, 4.8),
    wall=Material(texture=textures.plaster(5, (230, 220, 188))),
    accent=Material(texture=textures.tiles(6, (206, 214, 212), (176, 180, 178), count=10)),
    floor=Material(texture=textures.tiles(7, (172, 150, 128), (128, 118, 108)), finish="plastic", roughness=0.22),
    floor_metres=1.6,
    windows=(
        RoomWindow("north", 1.47, 2.32, 1.12, 2.1, radiance=7.0, panes=2),
        RoomWindow("west", 2.0, 3.4, 0.9, 2.15, radiance=8.0, panes=2, curtain=(0.6, 0.32, 0.2)),
    ),
    pictures=(
        FramedPicture("east", 2.9, 1.6, (0.8, 0.6), 23),
        FramedPicture("east", 1.8, 1.6, (0.5, 0.65), 26),
        FramedPicture("south", 2.2, 1.6, (0.9, 0.7), 29),
    ),
    lamps=(Lamp((2.6, 2.595, 1.5), 0.2, (19.0, 17.0, 14.2), disc=True),),
    pieces=(
        Piece(models.FRIDGE, "furniture", 0.49, 0.43, metal=True),
        Piece(models.DRAWERS, "furniture", 1.185, _UNIT_Z),
        Piece(models.SINK, "furniture", 1.895, _UNIT_Z),
        Piece(models.STOVE, "furniture", 2.905, 0.37),
        Piece(models.LOWER_CABINET, "furniture", 3.915, _UNIT_Z),
        Piece(models.SMALL_LOWER_CABINET, "furniture", 4.65, _UNIT_Z),
        Piece(models.HOOD, "furniture", 2.905, 0.2, elevation=1.65, metal=True),
        Piece(models.UPPER_CABINET, "furniture", 3.98, 0.165, elevation=1.45),
        Piece(models.SMALL_UPPER_CABINET, "furniture", 4.71, 0.165, elevation=1.45),
        Piece(models.SMALL_UPPER_CABINET, "furniture", 1.19, 0.165, elevation=1.45),
        Piece(models.MICROWAVE, "objects", 4.6, 0.25, elevation=_COUNTER),
        Piece(models.TOASTER, "objects", 3.7, 0.27, elevation=_COUNTER),
        Piece(models.COFFEE_MAKER, "objects", 1.13, 0.27, elevation=_COUNTER),
        Piece(models.MIXER, "objects", 4.1, 0.28, facing=30, elevation=_COUNTER),
        Piece(models.KETTLE, "objects", 2.62, 0.25, facing=40, elevation=0.85),
        Piece(models.LARGE_PAN, "objects", 3.2, 0.42, elevation=0.85, metal=True),
        Piece(models.DINING_TABLE, "table", _TABLE_X, _TABLE_Z),
        Piece(models.CUSHION_CHAIR, "chair", _TABLE_X - 0.36, _TABLE_Z - 0.55, facing=4),
        Piece(models.CUSHION_CHAIR, "chair", _TABLE_X + 0.36, _TABLE_Z - 0.57, facing=-5),
        Piece(models.CUSHION_CHAIR, "chair", _TABLE_X - 0.36, _TABLE_Z + 0.56, facing=176),
        Piece(models.CUSHION_CHAIR, "chair", _TABLE_X + 0.38, _TABLE_Z + 0.58, facing=188),
        Piece(models.FRUIT_BOWL, "objects", _TABLE_X, _TABLE_Z, elevation=_TABLE_TOP),
        Piece(models.PLACE_SETTING, "objects", _TABLE_X - 0.36, _TABLE_Z - 0.24, facing=180, elevation=_TABLE_TOP),
        Piece(models.PLACE_SETTING, "objects", _TABLE_X + 0.38, _TABLE_Z + 0.24, elevation=_TABLE_TOP),
        Piece(models.HANGING_LIGHT, "objects", _TABLE_X, _TABLE_Z, elevation=1.995, stretch=0.7),
        Piece(models.DRESSER, "furniture", 4.72, 2.6, facing=270),
        Piece(models.TEAPOT, "objects", 4.7, 2.2, facing=200, elevation=0.81),
        Piece(models.APPLES, "objects", 4.7, 3.0, elevation=0.81),
        Piece(models.WINE_BOTTLE, "objects", 4.66, 2.45, elevation=0.81),
        Piece(models.FICUS, "objects", 0.5, 1.35, stretch=1.5),
    ),
    blocks=(),
    walk=Walk(
        eyes=((0.85, 1.55, 4.25), (1.5, 1.52, 4.2), (2.6, 1.52, 4.2), (3.7, 1.55, 4.1)),
        targets=((3.2, 0.85, 1.0), (3.1, 0.85, 0.7), (2.5, 0.9, 0.6), (1.5, 0.9, 0.9)),
    ),
    exposure=2.7,
)

ROOMS: dict[str, Room] = {room.name: room for room in (BEDROOM, LIVING_ROOM, KITCHEN)}
