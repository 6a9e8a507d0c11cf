"""The furniture models that the rooms use, with their authors' own sizes.

Sizes (width, height, depth; metres) stand here too, so that a room can be
checked without the catalogue; a test compares both where it is installed.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """Library and running number of a catalogue model; size in metres."""

    library: str
    number: int
    size: tuple[float, float, float]


def _model(library: str, number: int, width: float, depth: float, height: float) -> Model:
    """Take the catalogue's order and unit (width, depth, height; centimetres)."""
    return Model(library, number, (width / 100, height / 100, depth / 100))


_CC0, _CC_BY, _KATOR, _SCOPIA = "BlendSwap-CC-0", "BlendSwap-CC-BY", "KatorLegaz", "Scopia"

BED = _model(_SCOPIA, 3, 170.5, 216.5, 110.8)
BEDSIDE_TABLE = _model(_CC0, 4, 48.55, 48.1, 45.4)
SHADE_LAMP = _model(_SCOPIA, 55, 33.1, 33.1, 41.9)
WARDROBE = _model(_SCOPIA, 5, 217.4, 53.0, 200.0)
DESK = _model(_CC_BY, 54, 140.1, 81.1, 72.0)
OFFICE_CHAIR = _model(_SCOPIA, 47, 63.5, 63.7, 100.0)
LAPTOP = _model(_CC_BY, 99, 33.9, 25.3, 26.6)
DESK_LAMP = _model(_SCOPIA, 48, 13.7, 34.2, 45.0)
CHEST = _model(_CC_BY, 75, 143.5, 53.6, 82.0)
TEDDY_BEAR = _model(_CC0, 51, 33.1, 21.8, 32.2)
CLOCK = _model(_CC_BY, 20, 7.0, 4.3, 7.0)
SPEAKER = _model(_CC0, 43, 22.1, 25.4, 35.4)
VASE_STRIPED = _model(_SCOPIA, 42, 27.2, 27.2, 30.0)
VASE_DARK = _model(_SCOPIA, 43, 23.5, 23.5, 50.9)
VASE_BLUE = _model(_SCOPIA, 44, 24.4, 24.4, 40.0)
RADIATOR = _model(_CC_BY, 114, 50.4, 11.6, 60.0)
OPEN_BOOK = _model(_CC_BY, 9, 28.1, 18.4, 2.4)
SOFA = _model(_SCOPIA, 75, 223.4, 74.0, 87.9)
COFFEE_TABLE = _model(_CC_BY, 22, 120.0, 70.1, 45.0)
TV_STAND = _model(_CC_BY, 82, 135.1, 46.5, 52.6)
TV = _model(_CC0, 22, 77.5, 14.2, 50.8)
BOOKCASE = _model(_KATOR, 80, 89.8, 34.7, 221.0)
ARMCHAIR = _model(_SCOPIA, 69, 72.8, 81.2, 97.0)
LOUNGE_CHAIR = _model(_KATOR, 48, 77.0, 155.2, 100.0)
FICUS = _model(_SCOPIA, 157, 42.5, 41.5, 82.4)
FLOOR_LAMP = _model(_SCOPIA, 87, 39.6, 58.3, 142.9)
LITTLE_PLANT = _model(_CC0, 77, 26.6, 26.6, 23.2)
POTTED_PLANT = _model(_SCOPIA, 36, 59.0, 65.0, 58.0)
FRIDGE = _model(_CC0, 151, 92.5, 80.6, 184.3)
DRAWERS = _model(_CC_BY, 33, 44.2, 61.2, 87.8)
SINK = _model(_CC_BY, 37, 97.6, 61.6, 97.6)
LOWER_CABINET = _model(_CC_BY, 36, 97.6, 61.6, 87.8)
SMALL_LOWER_CABINET = _model(_CC_BY, 38, 48.7, 61.6, 87.8)
UPPER_CABINET = _model(_CC_BY, 41, 109.4, 32.1, 77.1)
SMALL_UPPER_CABINET = _model(_CC_BY, 39, 33.6, 32.1, 77.1)
STOVE = _model(_CC_BY, 44, 103.9, 72.3, 85.2)
HOOD = _model(_CC_BY, 30, 101.55, 39.2, 48.6)
DINING_TABLE = _model(_CC_BY, 58, 144.3, 93.4, 72.4)
CUSHION_CHAIR = _model(_CC_BY, 17, 42.3, 44.6, 91.1)
FRUIT_BOWL = _model(_SCOPIA, 355, 32.0, 33.6, 14.1)
PLACE_SETTING = _model(_SCOPIA, 256, 41.7, 38.9, 14.0)
HANGING_LIGHT = _model(_CC_BY, 29, 43.9, 43.9, 86.0)
KETTLE = _model(_CC_BY, 8, 17.9, 16.2, 20.0)
TOASTER = _model(_SCOPIA, 395, 27.0, 15.5, 17.4)
MICROWAVE = _model(_CC_BY, 48, 40.2, 35.8, 24.75)
COFFEE_MAKER = _model(_KATOR, 27, 18.6, 28.7, 30.0)
LARGE_PAN = _model(_CC_BY, 43, 33.1, 26.8, 28.2)
MIXER = _model(_CC0, 19, 21.4, 36.0, 35.3)
DRESSER = _model(_CC_BY, 130, 160.5, 51.9, 81.0)
APPLES = _model(_SCOPIA, 70, 25.7, 25.7, 16.0)
WINE_BOTTLE = _model(_SCOPIA, 22, 7.8, 7.8, 30.0)
TEAPOT = _model(_SCOPIA, 123, 21.7, 14.7, 21.3)
