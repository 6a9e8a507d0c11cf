"""Read Taskonomy's stored numbers in the units of docs/targets.md, and name its classes (numpy only).

Each function names its official source: StanfordVL/taskonomy, or EPFL-VILAB/omnidata, whose annotator rendered the data set.
It raises ValueError for an array that the data set cannot hold.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.datasets.frame import IGNORE, unit

STEPS_PER_METRE = 512
# Holes of the mesh are 65535. The task bank masks from here on, so that a hole's blurred rim goes too (task_data_loading.py).
FIRST_HOLE = 64500
ZERO_CURVATURE = 127
UNCERTAIN, BACKGROUND = 0, 1
SHORTEST_NORMAL = 0.5

# The classes stand in the order in which the published networks put out their logits. Scenes are 63 of Places-365 that are rooms
# of homes and workplaces (taskbank/lib/data/load_ops.py, class_places_workspace_and_home; names from code/lib/data/places_class_names.txt).
# Objects are all of ImageNet-1000, in its usual order (taskbank/experiments/final/class_1000/config.py). Segments are 16 of COCO and the
# background (taskbank/assets/web_assets/pseudosemantics/coco_selected_classes.txt).
PLACES = 365
OBJECTS = 1000

SCENE_OF_PLACE = {
    3: "alcove", 23: "assembly_line", 25: "atrium/public", 26: "attic", 28: "auto_factory", 37: "bank_vault", 43: "basement",
    45: "bathroom", 51: "bedchamber", 52: "bedroom", 56: "biology_laboratory", 61: "booth/indoor", 63: "bow_window/indoor",
    88: "chemistry_lab", 89: "childs_room", 93: "clean_room", 95: "closet", 100: "computer_room", 102: "conference_room",
    106: "corridor", 121: "dining_room", 124: "dorm_room", 126: "dressing_room", 129: "elevator/door", 131: "elevator_shaft",
    133: "engine_room", 135: "escalator/indoor", 156: "garage/indoor", 165: "greenhouse/indoor", 176: "home_office",
    177: "home_theater", 179: "hospital_room", 182: "hotel_room", 203: "kitchen", 208: "laundromat", 215: "living_room",
    217: "lobby", 228: "mezzanine", 240: "nursery", 241: "nursing_home", 244: "office", 246: "office_cubicles",
    248: "operating_room", 253: "pantry", 255: "parking_garage/indoor", 264: "physics_laboratory", 269: "playroom",
    280: "reception", 281: "recreation_room", 282: "repair_shop", 285: "restaurant_kitchen", 298: "server_room", 303: "shower",
    311: "stable", 317: "staircase", 318: "storage_room", 328: "television_room", 332: "ticket_booth", 343: "utility_room",
    346: "veterinarians_office", 352: "waiting_room", 358: "wet_bar", 363: "youth_hostel",
}  # fmt: skip

SCENES = tuple(SCENE_OF_PLACE.values())

SEGMENTS = (
    "background", "bottle", "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv", "microwave", "oven", "toaster",
    "sink", "refrigerator", "book", "clock", "vase",
)  # fmt: skip


def depth_metres(stored: npt.NDArray[np.uint16]) -> npt.NDArray[np.float64]:
    """Z-buffer depth uint16 [H, W] -> metres float64 [H, W], NaN where the mesh has a hole (data/README.md: units of 1/512 m)."""
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise ValueError("a depth map has one channel of 16 bits")
    return np.where(stored < FIRST_HOLE, stored / STEPS_PER_METRE, np.nan)


def normal(stored: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """RGB uint8 [H, W, 3] -> unit normals float32 [3, H, W] (x right, y up, z towards the camera) and where there is one, bool [H, W].

    Stored are x right, y down, z into the scene, of the normal that faces the camera, as 127.5 (n + 1): so y and z change sign. The axes
    x and y are the authors' (omnidata issue 13); about z that issue's words and its code disagree, and the annotator's script
    (create_normal_images.py) and measured floors and walls (maturk/dn-splatter issue 9) say "into the scene". What is
    seen faces the camera, so a picture whose mean says otherwise has z the other way round. Grey, the colour behind holes, is no direction.
    """
    if stored.dtype != np.uint8 or stored.ndim != 3 or stored.shape[2] != 3:
        raise ValueError("a normal map is RGB of 8 bits")
    x, y, z = np.moveaxis(stored.astype(np.float32) / 127.5 - 1.0, 2, 0)
    vectors = np.stack([x, -y, -z])
    known = np.linalg.norm(vectors, axis=0) > SHORTEST_NORMAL
    if known.any() and vectors[2][known].mean() < 0:
        vectors[2] *= -1.0
    return unit(vectors), known


def principal_curvature(stored: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """RGB uint8 [H, W, 3] -> k1 >= k2 float32 [2, H, W], in 1 / (3 cm), clipped to -1..1.

    create_curvature_images.py, map_to_color: red and green are 127 (k r + 1) with r = 3 cm. MeshLab, which measured them, puts the one of
    larger magnitude first (filter_mls/implicits.h) and counts along the normal, into the room: bulges are positive.
    """
    if stored.dtype != np.uint8 or stored.ndim != 3 or stored.shape[2] != 3:
        raise ValueError("a curvature map is RGB of 8 bits")
    red_green = np.clip(stored[..., :2].astype(np.float32) / ZERO_CURVATURE - 1.0, -1.0, 1.0)
    return np.stack([red_green.max(2), red_green.min(2)])


def reshading(stored: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Grey uint8 [H, W] -> 0..1 float32 [1, H, W]. The lamp falls off with distance (omnidata's settings.py), unlike the rooms' labels."""
    if stored.dtype != np.uint8 or stored.ndim != 2:
        raise ValueError("a reshading is grey of 8 bits")
    return (stored.astype(np.float32) / 255.0)[None]


def segments(stored: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Ids uint8 [H, W] -> 0..16 in the order of SEGMENTS, 255 where the annotator was uncertain.

    data/README.md: 0 is uncertain and to be masked, 1 the background, 2..17 the objects; the networks' classes are one less.
    """
    if stored.dtype != np.uint8 or stored.ndim != 2:
        raise ValueError("a segmentation has one channel of 8 bits")
    if stored.max(initial=0) >= BACKGROUND + len(SEGMENTS):
        raise ValueError(f"a segmentation has ids 0 to {len(SEGMENTS)}, not {stored.max()}")
    return np.where(stored == UNCERTAIN, np.uint8(IGNORE), stored - np.uint8(BACKGROUND))


def scene_distribution(stored: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Probabilities of the 365 places -> of the 63 scenes float64 [63] (class_places_workspace_and_home: selected, summing to 1 again)."""
    values = _vector(stored, PLACES)
    selected = values[list(SCENE_OF_PLACE)]
    if values.min() < 0 or selected.sum() <= 0:
        raise ValueError("a scene label holds probabilities, of which those of rooms are not all zero")
    return selected / selected.sum()


def object_distribution(stored: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Logits of ImageNet's classes -> probabilities float64 [1000].

    class_1000_softmax takes a softmax of what it reads, from a folder named softmax_1000. Numbers that are a distribution already (none
    negative, summing to 1) stay as they are: a softmax of them would be all but uniform. The commonest class is the same.
    """
    values = _vector(stored, OBJECTS)
    if values.min() >= 0 and abs(values.sum() - 1.0) < 1e-3:
        return values / values.sum()
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def segment_weights(stored: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Weights of the segments' cross-entropy float32 [17], for classes 0..16 (semantic_segment_rebalanced)."""
    values = _vector(stored, len(SEGMENTS))
    if values.min() < 0:
        raise ValueError("weights are not negative")
    return values.astype(np.float32)


def _vector(stored: npt.NDArray[np.floating], length: int) -> npt.NDArray[np.float64]:
    values = np.squeeze(stored)
    if values.shape != (length,) or values.dtype.kind != "f" or not np.isfinite(values).all():
        raise ValueError(f"expected {length} finite numbers, found {stored.dtype} {list(stored.shape)}")
    return values.astype(np.float64)
