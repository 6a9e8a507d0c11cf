"""Saves a result as files: <camera>/<sequence>.json, and <sequence>.<task>.png or .npy for each dense task.

    Result --> {path: bytes} --> the files, all or none of them

Law: the JSON is put in place last, so a frame whose JSON is there is complete.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from shared.contract.packets import checked_name
from taxon.client import ClassesResult, PictureResult, Result, TensorResult
from taxon.files import write_all


def save(folder: Path, result: Result) -> None:
    """Write one result below the folder; raises OutputError. It waits for the disk, so call it in a thread."""
    write_all(files_of(folder, result))


def files_of(folder: Path, result: Result) -> dict[Path, bytes]:
    """Return the files of one result; raises BadName if its camera or a task has no valid name."""
    camera = folder / _folder_name(checked_name("camera", result.camera_id))
    files: dict[Path, bytes] = {}
    for task in result.tasks:
        path = camera / f"{result.sequence}.{checked_name('task', task.task)}"
        if isinstance(task, TensorResult):
            buffer = io.BytesIO()
            np.save(buffer, task.values, allow_pickle=False)
            files[path.with_name(f"{path.name}.npy")] = buffer.getvalue()
        elif isinstance(task, PictureResult):
            files[path.with_name(f"{path.name}.png")] = task.png
    names = [path.name for path in files]
    document = json.dumps({**_document(result), "files": names}, indent=1, ensure_ascii=False)
    return {**files, camera / f"{result.sequence}.json": (document + "\n").encode()}


def _folder_name(camera_id: str) -> str:
    """Return the camera's id, or a harmless name for the two ids that mean other folders."""
    return f"_{camera_id}" if camera_id in (".", "..") else camera_id


def _document(result: Result) -> dict[str, Any]:
    return {
        "camera": result.camera_id,
        "sequence": result.sequence,
        "capture_time_us": result.capture_time_us,
        "received_time_us": result.received_time_us,
        "coded_bytes": result.coded_bytes,
        "groups": [{"group": one.group, "rate": one.rate, "bytes": one.bytes} for one in result.groups],
        "geometry": vars(result.geometry),
        "bundle_digest": result.bundle_digest.hex(),
        "traceparent": result.traceparent,
        "error": result.error,
        "classes": {
            task.task: [
                {"index": one.index, "label": one.label, "probability": round(one.probability, 6)}
                for one in task.classes
            ]
            for task in result.tasks
            if isinstance(task, ClassesResult)
        },
    }
