"""Cameras in a file: what is read, and the line that a refusal names."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_encoder.cameras.file import CamerasFile, line_of
from edge_encoder.cameras.plan import CameraPlan
from edge_encoder.encoding.view import View
from shared.errors import SettingsRefused, UnknownName

GOOD = """\
# the hall
[cameras.hall]
source = "rtsp://admin:pa55@10.0.0.7/stream1"
fps = 2.5
most_fps = 5

[cameras."shop7.door"]
paused = true
queue_policy = "all"
budget_kbps = 4
view.crop = [0, 0, 0.5, 1]

[cameras.empty]
"""


def no_such_rate(plan: CameraPlan) -> None:
    if plan.rate is not None:
        raise UnknownName("operating point", plan.rate, (0, 1))


def written(folder: Path, text: str) -> Path:
    path = folder / "cameras.toml"
    path.write_text(text)
    path.chmod(0o640)
    return path


def test_each_table_is_a_camera(tmp_path: Path) -> None:
    assert CamerasFile(None, written(tmp_path, GOOD)).read() == (
        CameraPlan("hall", source="rtsp://admin:pa55@10.0.0.7/stream1", fps=2.5, most_fps=5.0),
        CameraPlan("shop7.door", paused=True, queue_policy="all", budget_kbps=4.0, view=View((0.0, 0.0, 0.5, 1.0))),
        CameraPlan("empty"),
    )
    assert CamerasFile(None, written(tmp_path, "")).read() == ()
    assert CamerasFile(None, None).read() == ()


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[cameras.hall\n", 1, ""),
        ("[cameras.hall]\nfps = 1\nrate 5\n", 3, ""),
        ("[cameras.hall]\nfps = 1\n\n[cameras.hall]\n", 4, ""),
        (GOOD + "fps = -1\n", 14, "camera empty: fps: input should be greater than 0"),
        (GOOD.replace("most_fps = 5", "most_fps = '5'"), 5, "camera hall: most_fps: input should be a valid number"),
        (GOOD.replace("paused = true", "pause = true"), 8, "camera shop7.door: pause: is no setting of a camera"),
        (GOOD.replace("0.5, 1]", "0.5]"), 11, "camera shop7.door: crop must be"),
        (GOOD.replace("fps = 2.5", "rate = 7"), 4, "camera hall: unknown operating point 7"),
        (GOOD.replace('"shop7.door"', '"shop 7"'), 7, "camera shop 7: 'shop 7' is no camera id"),
        ("cameras.hall.fps = 0\n", 1, "camera hall: fps: "),
        ("\n[cameras]\nhall = { fps = 0 }\n", 3, "camera hall: fps: "),
        ("[cameras]\nhall = 5\n", 2, "camera hall: must be a table"),
        ("\nqueue_depth = 4\n", 2, "queue_depth is none of its tables"),
        ("\n\n[camera.hall]\n", 3, "camera is none of its tables"),
        ("[cameras.ok]\n\n[cameras.line]\n", 3, "camera line: the command line names it already"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line_and_without_its_values(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    file = CamerasFile(None, written(tmp_path, text), ["line"], no_such_rate)
    with pytest.raises(SettingsRefused) as refused:
        file.read()
    assert f"line {line}" in str(refused.value)
    assert said in str(refused.value)
    assert "pa55" not in str(refused.value)


@pytest.mark.parametrize("text", ["cameras = 5\n", "\x00", "a" * (5 << 20), "[" * 10_000])
def test_other_texts_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsRefused, match=r"cameras\.toml"):
        CamerasFile(None, written(tmp_path, text)).read()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    file = CamerasFile(None, tmp_path / "nothing.toml")
    assert file.stamp() is None
    with pytest.raises(SettingsRefused, match=r"there is no cameras file .*nothing.toml"):
        file.read()


def test_the_settings_file_holds_cameras_beside_settings_and_each_camera_once(tmp_path: Path) -> None:
    settings = tmp_path / "edge.toml"
    settings.write_text('queue_depth = 9\ncameras = ["a"]\n')
    assert CamerasFile(settings, None).read() == ()
    settings.write_text("queue_depth = 9\n[cameras.porch]\nrate = 1\n")
    both = CamerasFile(settings, written(tmp_path, GOOD))
    assert [plan.camera_id for plan in both.read()] == ["porch", "hall", "shop7.door", "empty"]
    settings.write_text("[cameras.hall]\n")
    with pytest.raises(SettingsRefused, match=r"cameras\.toml, line 2: camera hall: .*edge\.toml names it already"):
        both.read()


def test_the_line_of_a_setting_is_its_table_s_own() -> None:
    text = "[cameras.a]\nfps = 1\n[cameras.b]\nrate = 1\nfps = 2\n"
    assert [line_of(text, "a", "fps"), line_of(text, "b", "fps"), line_of(text, "b"), line_of(text, "c")] == [
        2,
        5,
        3,
        1,
    ]
