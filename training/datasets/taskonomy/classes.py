"""The classes of Taskonomy's labels, in the order in which the published networks put out their logits.

Scenes: 63 of Places-365 that are rooms of homes and workplaces (StanfordVL/taskonomy, taskbank/lib/data/load_ops.py,
class_places_workspace_and_home; names from code/lib/data/places_class_names.txt). Objects: all of ImageNet-1000, in its usual order
(taskbank/experiments/final/class_1000/config.py). Segments: 16 of COCO and the background (taskbank/assets/web_assets/pseudosemantics/
coco_selected_classes.txt).
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class ClassCounts:
    """The number of classes of each task: a label is 0..count-1."""

    class_scene: int
    class_object: int
    segment_semantic: int


CLASS_COUNTS = ClassCounts(len(SCENES), OBJECTS, len(SEGMENTS))
