"""All training stages in order.

A stage is skipped where its result lies in the work folder already, and resumed where it was stopped.

sources -> views -> tasks (tasks.pt) -> codec (codec.pt) -> joint (joint.pt)
        -> teacher (teacher.pt) -> answers
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from training.data.batches import Share
from training.data.pictures import PictureShare
from training.data.sources import prepare_rooms, prepare_sources
from training.data.views import ViewSet, prepare_branch, prepare_views
from training.datasets.nyuv2 import Nyuv2
from training.networks.task_networks import CodedNetworks, TaskNetworks
from training.networks.teacher import Teacher
from training.stages.answers import write_answers
from training.stages.codec import CodecTraining, train_codec
from training.stages.tasks import TaskTraining, train_tasks
from training.stages.teacher import TeacherTraining, train_teacher
from training.stages.validate import Validation, describe, validate

VIEWS_EACH = {"nyuv2": 6, "houses": 3, "photos": 4}
VIEWS_SEED = 20261122
STAGES = ("sources", "views", "tasks", "codec", "joint")
TEACHER, ANSWERS = "teacher", "answers"
ASIDE = (TEACHER, ANSWERS)
"""The stages of the teacher, which is trained aside and never shipped."""
JOINT_DEFAULTS = CodecTraining(joint=True, steps=1200, learning_rate=1.2e-3, seed=20261124)
# Every 8th training photo is kept from the object class's training, to choose by.
PHOTO_VALIDATION_EVERY = 8


@dataclass(frozen=True)
class Views:
    """The three view sets, with the views that are trained on and those that choices are made by."""

    rooms: ViewSet
    houses: ViewSet
    photos: ViewSet
    fit_rooms: np.ndarray
    validation_rooms: np.ndarray
    fit_photos: np.ndarray
    validation_photos: np.ndarray


def open_views(data: Path, work: Path, device: str) -> Views:
    """Open or write the views of all data sets."""
    sets = {name: prepare_views(work, name, count, VIEWS_SEED, device) for name, count in VIEWS_EACH.items()}
    position = {entry.index: i for i, entry in enumerate(Nyuv2(data / "nyuv2", "train").entries)}
    held_out = [position[entry.index] for entry in Nyuv2(data / "nyuv2", "validation").entries]
    room_source, photo_source = np.asarray(sets["nyuv2"]["source"]), np.asarray(sets["photos"]["source"])
    room_held = np.isin(room_source, held_out)
    photo_held = photo_source % PHOTO_VALIDATION_EVERY == PHOTO_VALIDATION_EVERY - 1
    room_whole = np.arange(len(room_source)) % VIEWS_EACH["nyuv2"] == 0
    photo_whole = np.arange(len(photo_source)) % VIEWS_EACH["photos"] == 0
    return Views(
        sets["nyuv2"],
        sets["houses"],
        sets["photos"],
        np.flatnonzero(~room_held),
        np.flatnonzero(room_held & room_whole),
        np.flatnonzero(~photo_held),
        np.flatnonzero(photo_held & photo_whole),
    )


@dataclass(frozen=True)
class Recipe:
    """Settings of all stages."""

    tasks: TaskTraining = field(default_factory=TaskTraining)
    codec: CodecTraining = field(default_factory=CodecTraining)
    joint: CodecTraining = JOINT_DEFAULTS
    teacher: TeacherTraining = field(default_factory=TeacherTraining)


def run(data: Path, work: Path, last_stage: str, recipe: Recipe, device: str) -> None:
    """Run the stages up to `last_stage`, printing seeds and validation figures; figures also go to `work`/validation.json."""
    print(f"seeds: views {VIEWS_SEED}, tasks {recipe.tasks.seed}, codec {recipe.codec.seed}, joint {recipe.joint.seed}")
    prepare_sources(data, work)
    if last_stage in ASIDE:
        print(f"seed: teacher {recipe.teacher.seed}")
        teacher = make_teacher(data, work, recipe.teacher, device)
        if last_stage == ANSWERS:
            prepare_rooms(data, work)
            write_answers(teacher, work, ("nyuv2", "houses", "rooms"), device)
        return
    wanted = STAGES[: STAGES.index(last_stage) + 1]
    if "views" not in wanted:
        return
    views = open_views(data, work, device)
    if "tasks" not in wanted:
        return
    tasks = train_tasks(
        Share(views.rooms, views.fit_rooms, recipe.tasks.rooms_per_batch),
        Share(views.houses, np.arange(len(views.houses)), recipe.tasks.houses_per_batch),
        recipe.tasks,
        work,
        device,
    )
    report(work, "uncompressed", tasks, views, device)
    torch.save(tasks.state_dict(), work / "uncompressed.pt")
    if "codec" not in wanted:
        return
    trained_as = hashlib.sha256((work / "uncompressed.pt").read_bytes()).hexdigest()
    rooms, houses, photos = (
        prepare_branch(part, tasks.branch, trained_as, device) for part in (views.rooms, views.houses, views.photos)
    )
    coded: CodedNetworks | None = None
    for name, settings in (("codec", recipe.codec), ("joint", recipe.joint)):
        if name in wanted:
            shares = [
                Share(rooms, views.fit_rooms, settings.rooms_per_batch),
                Share(houses, np.arange(len(houses)), settings.houses_per_batch),
                Share(photos, views.fit_photos, settings.photos_per_batch),
            ]
            coded = train_codec(tasks, coded, shares, settings, work, device)
            report(work, name, coded, views, device)
            torch.save(coded.state_dict(), work / f"{name}-final.pt")


def make_teacher(data: Path, work: Path, settings: TeacherTraining, device: str) -> Teacher:
    """Train the teacher on the source frames, the validation frames left out."""
    rooms = work / "sources" / "nyuv2"
    fit, held_out = (
        [rooms / f"{entry.index}.npz" for entry in Nyuv2(data / "nyuv2", split).entries]
        for split in ("fit", "validation")
    )
    houses = sorted((work / "sources" / "houses").glob("*.npz"))
    shares = (PictureShare(fit, settings.rooms_per_batch), PictureShare(houses, settings.houses_per_batch))
    return train_teacher(*shares, held_out, settings, work, device)


def report(work: Path, name: str, networks: TaskNetworks | CodedNetworks, views: Views, device: str) -> None:
    """Print and keep the validation figures of every operating point."""
    path = work / "validation.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    rates = range(4) if isinstance(networks, CodedNetworks) else range(1)
    for rate in rates:
        rooms = validate(networks, views.rooms, views.validation_rooms, rate, device)
        photos = validate(networks, views.photos, views.validation_photos, rate, device)
        both = Validation({**rooms.figures, "class_object top1": photos.figures["class_object top1"]}, rooms.bits)
        print(f"{name} rate {rate}: {describe(both)}", flush=True)
        kept[f"{name} {rate}"] = {"figures": dict(both.figures), "bits": dict(both.bits)}
    path.write_text(json.dumps(kept, indent=1))
