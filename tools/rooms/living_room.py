"""A living room: sofa on the west wall, television opposite, a wide window to the north."""

from tools.rooms import models, textures
from tools.rooms.mesh import Material
from tools.rooms.scene import Block, FramedPicture, Lamp, Piece, Room, RoomWindow, Walk

_RUG = Material(texture=textures.rug(8, ((150, 70, 60), (60, 52, 70), (214, 190, 150))))

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
    blocks=(Block((0.9, 0.001, 1.1), (2.6, 0.014, 3.4), "floor", _RUG, 2.3),),
    walk=Walk(
        eyes=((4.75, 1.52, 4.35), (4.35, 1.5, 4.1), (3.6, 1.5, 3.95), (2.9, 1.52, 3.8)),
        targets=((1.4, 0.85, 1.7), (1.5, 0.85, 1.2), (2.8, 0.9, 0.7), (4.6, 0.9, 1.0)),
    ),
    exposure=3.2,
)
