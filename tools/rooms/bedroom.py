"""A bedroom: bed with night stands on the north wall, desk under the west window, wardrobe to the east."""

from tools.rooms import models, textures
from tools.rooms.mesh import Material
from tools.rooms.scene import Block, FramedPicture, Lamp, Piece, Room, RoomWindow, Walk

_WEST_TABLE_X, _EAST_TABLE_X = 1.13, 3.47
_RUG = Material(texture=textures.rug(3, ((176, 160, 140), (92, 88, 104), (214, 204, 188))))

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
        Block((1.2, 0.001, 1.7), (3.5, 0.014, 3.3), "floor", _RUG, 2.3),
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
