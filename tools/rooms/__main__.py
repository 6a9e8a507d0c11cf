"""Render the sample rooms: `python -m tools.rooms --out samples`.

    room --parts--> scenes --per frame--> <out>/<room>/<nnn>.jpg
                                    +---> <labels>/<room>/<nnn>.npz

Files that exist are kept, so an interrupted run goes on where it stopped.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drjit
import numpy as np
from PIL import Image
from tqdm import tqdm

from tools.rooms import assemble, labels, render
from tools.rooms.camera import poses
from tools.rooms.homes import ROOMS
from tools.rooms.scene import Room

JPEG_QUALITY = 88


@dataclass(frozen=True)
class Job:
    """The files to write, their folder, and how finely to render them."""

    out: Path | None
    labels: Path | None
    width: int
    height: int
    samples: int
    indices: range
    """Frames of the walk that are wanted."""
    frames: int
    """Frames of the whole walk."""


def main() -> None:
    """Read the command line and render the rooms that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tools.rooms", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder of the pictures; without it only labels are written")
    parser.add_argument("--labels", type=Path, help="folder of the labels")
    parser.add_argument("--room", choices=sorted(ROOMS), action="append", help="may be given more than once")
    parser.add_argument("--frames", type=int, default=60, help="frames of a room's whole walk")
    parser.add_argument("--every", type=int, default=1, help="write only each n-th frame of the walk")
    parser.add_argument("--spp", type=int, default=4, help="samples per pixel before denoising")
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.out is None and options.labels is None:
        parser.error("give --out, --labels or both")
    drjit.set_thread_count(options.threads)
    job = Job(
        options.out,
        options.labels,
        options.width,
        options.height,
        options.spp,
        range(0, options.frames, options.every),
        options.frames,
    )
    names = options.room or list(ROOMS)
    with tqdm(total=len(names) * len(job.indices), unit="frame") as progress:
        for name in names:
            progress.set_description(name)
            render_room(ROOMS[name], job, progress)


def render_room(room: Room, job: Job, progress: "tqdm[None]") -> None:
    """Write what is missing of one room."""
    way = poses(room.walk, job.frames)
    pictures = _missing(job.out, room, job.indices, "jpg")
    truths = _missing(job.labels, room, job.indices, "npz")
    progress.update(len(job.indices) - len(pictures.keys() | truths.keys()))
    if not pictures and not truths:
        return
    meshes = assemble.parts(room)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assemble.write_parts(meshes, folder)
        seen = assemble.picture_scene(room, meshes, folder) if pictures else None
        exact = assemble.label_scene(meshes, folder) if truths else None
    for index in sorted(pictures.keys() | truths.keys()):
        if seen is not None and index in pictures:
            pixels = render.picture(seen, way[index], job.width, job.height, job.samples, room.exposure, seed=index)
            unfinished = pictures[index].with_suffix(".part")
            Image.fromarray(pixels).save(unfinished, format="JPEG", quality=JPEG_QUALITY, optimize=True)
            unfinished.replace(pictures[index])
        if exact is not None and index in truths:
            arrays: dict[str, Any] = {**labels.frame_labels(exact, way[index], job.width, job.height)}
            unfinished = truths[index].with_suffix(".part")
            with unfinished.open("wb") as file:
                np.savez_compressed(file, **arrays)
            unfinished.replace(truths[index])
        progress.update()


def _missing(folder: Path | None, room: Room, indices: range, suffix: str) -> dict[int, Path]:
    """Frames not yet written, by index."""
    if folder is None:
        return {}
    (folder / room.name).mkdir(parents=True, exist_ok=True)
    paths = {index: folder / room.name / f"{index:03d}.{suffix}" for index in indices}
    return {index: path for index, path in paths.items() if not path.exists()}


if __name__ == "__main__":
    main()
