"""Settings: flags over environment over file over defaults, and one line for what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from shared.service.settings import ServiceSettings, SettingsRefused, load_settings


class LampSettings(ServiceSettings, env_prefix="TAXON_LAMP_"):
    """Light a lamp."""

    queue_depth: int = Field(4, ge=1, description="how deep")
    cameras: list[str] = Field([], description="which")
    bright: bool = Field(False, description="how bright")


def load(*argv: str) -> LampSettings:
    return load_settings(LampSettings, "taxon lamp", argv)


def test_defaults_run() -> None:
    settings = load()
    assert (settings.queue_depth, settings.cameras, settings.bright, settings.providers) == (4, [], False, "auto")
    assert type(settings) is LampSettings


def test_a_flag_beats_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "lamp.toml"
    file.write_text('queue_depth = 5\nthreads = 3\ncameras = ["a"]\nlog_level = "debug"\n')
    monkeypatch.setenv("TAXON_LAMP_QUEUE_DEPTH", "6")
    monkeypatch.setenv("TAXON_LAMP_THREADS", "2")
    settings = load("--config", str(file), "--queue-depth", "7", "--bright")
    assert (settings.queue_depth, settings.threads, settings.cameras, settings.log_level, settings.bright) == (
        7,
        2,
        ["a"],
        "debug",
        True,
    )
    monkeypatch.setenv("TAXON_LAMP_CONFIG", str(file))
    assert load().cameras == ["a"]


def test_a_flag_may_be_given_several_times() -> None:
    assert load("--cameras", "a", "--cameras", "b").cameras == ["a", "b"]


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (("--queue-depth", "0"), "queue_depth: .*greater than or equal to 1"),
        (("--queue-depth", "many"), "queue_depth: .*integer"),
        (("--providers", "abacus"), "providers: .*match"),
        (("--config",), "needs the name"),
        (("--config", "missing.toml"), "no settings file missing.toml"),
    ],
)
def test_an_impossible_setting_is_one_line(argv: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(SettingsRefused, match=complaint) as refused:
        load(*argv)
    assert "\n" not in str(refused.value)


def test_an_unknown_setting_of_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "lamp.toml"
    file.write_text("queue_dept = 5\n")
    with pytest.raises(SettingsRefused, match="queue_dept"):
        load("--config", str(file))
    file.write_text("queue_depth = = 5\n")
    with pytest.raises(SettingsRefused, match="line 1"):
        load("--config", str(file))


def test_an_unknown_flag_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load("--queue-dept", "5")
    assert ended.value.code == 2
    assert "--queue-dept" in capsys.readouterr().err


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load("--help")
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for name in LampSettings.model_fields:
        assert "--" + name.replace("_", "-") in told
