"""A kitchen with a dining table: fitted units on the north wall, a window over the sink and one to the west."""

from tools.rooms import models, textures
from tools.rooms.mesh import Material
from tools.rooms.scene import FramedPicture, Lamp, Piece, Room, RoomWindow, Walk

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
