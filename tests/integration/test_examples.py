"""Each example does what its first lines say: the scripts as processes, the notebook cell by cell."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.model.shipped import SHIPPED_SAMPLES
from tests.support.services import ServiceProcess, running
from tests.support.source_tree import ROOT

EXAMPLES = ROOT / "examples"
NOTEBOOK = EXAMPLES / "paper_walkthrough.ipynb"
LARGEST_NOTEBOOK_BYTES = 500_000
PHOTO = SHIPPED_SAMPLES / "kitchen" / "030.jpg"


def started(script: str, *arguments: str) -> list[str]:
    return [sys.executable, str(EXAMPLES / script), *arguments]


def code_cells() -> list[dict[str, Any]]:
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


def first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.strip()]


@pytest.mark.starts_process
def test_the_offline_codec_prints_every_operating_point() -> None:
    ran = subprocess.run(started("offline_codec.py", str(PHOTO)), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    sizes = [int(size) for size in re.findall(r"^rate \d: (\d+) bytes, kitchen", ran.stdout, re.MULTILINE)]
    assert len(sizes) == 4
    assert sizes == sorted(sizes)
    assert re.search(
        r"^semantic group alone: \d+ bytes, class_scene, class_object, segment_semantic$", ran.stdout, re.MULTILINE
    )


@pytest.mark.starts_process
def test_the_offline_codec_explains_a_missing_photo(tmp_path: Path) -> None:
    arguments = started("offline_codec.py", str(tmp_path / "none.jpg"))
    ran = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "none.jpg: No such file" in ran.stderr


@pytest.mark.starts_process
@pytest.mark.asyncio
async def test_a_camera_and_a_subscriber_work_together(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    clip, normals = tmp_path / "hall", tmp_path / "normals"
    clip.mkdir()
    for number in range(3):
        shutil.copyfile(SHIPPED_SAMPLES / "kitchen" / f"{number:03}.jpg", clip / f"{number}.jpg")
    bundles = str(tiny_bundle_directory.parents[1])
    cloud = ServiceProcess("cloud", tmp_path / "cloud", ("--bundles", bundles, "--threads", "1"))
    edge = ServiceProcess("edge", tmp_path / "edge", ("--cloud", cloud.rpc, "--bundle", str(tiny_bundle_directory)))
    pipe = asyncio.subprocess.PIPE
    async with running(cloud, edge), asyncio.timeout(90):
        subscriber = await asyncio.create_subprocess_exec(
            *started("subscriber.py", cloud.rpc, str(normals)), stdout=pipe, stderr=pipe
        )
        try:
            assert subscriber.stdout is not None
            assert await subscriber.stdout.readline() == b"subscribed\n"
            camera = await asyncio.create_subprocess_exec(
                *started("camera.py", str(clip), edge.rpc), stdout=pipe, stderr=pipe
            )
            out, errors = await camera.communicate()
            assert (camera.returncode, errors) == (0, b"")
            receipts = [line.split(":")[1].split(",")[0].strip() for line in out.decode().splitlines()]
            assert receipts == ["coded"] * 3
            results = [(await subscriber.stdout.readline()).decode() for _ in range(3)]
            assert all(line.startswith("hall ") for line in results)
        finally:
            subscriber.send_signal(signal.SIGINT)
            await subscriber.wait()
    found = sorted(normals.iterdir())
    assert len(found) >= 2, "the last one may still have been on its way to the disk"
    assert np.load(found[0]).shape[0] == 3


def test_the_notebook_runs_and_prints_what_is_shown_in_it() -> None:
    names: dict[str, Any] = {}
    for cell in code_cells():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec("".join(cell["source"]), names)
        shown = "".join(text for output in cell["outputs"] for text in output.get("text", ()))
        # Another processor may round a feature otherwise, so that numbers differ a little.
        assert first_words(printed.getvalue()) == first_words(shown)


def test_the_notebook_was_saved_after_a_run_from_top_to_bottom_and_is_small() -> None:
    cells = code_cells()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "execute_result"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 6
    assert NOTEBOOK.stat().st_size < LARGEST_NOTEBOOK_BYTES


def test_the_notebook_has_the_papers_equations_in_its_headings() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    prose = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert {
        number
        for number in range(1, 9)
        if re.search(rf"[Ee]quation(s \d and)? {number}\b|equations {number} and", prose)
    } == set(range(1, 9))
