"""Settings: flags over environment over file over defaults, and one line for what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field
from structlog.testing import capture_logs

from shared.errors import SettingsRefused
from shared.server.settings import Address, ServiceSettings, load_settings, reread_settings, unknown_variables


class LampSettings(ServiceSettings, env_prefix="TAXON_LAMP_"):
    """Light a lamp."""

    queue_depth: int = Field(4, ge=1, description="how deep")
    cameras: list[str] = Field([], description="which")
    bright: bool = Field(False, description="how bright")
    at: Address = Field("127.0.0.1:8080", description="where")
    brightness: dict[str, float] = Field({}, description="how bright each: NAME=NUMBER")


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
        (("--queue-depth", "many"), "queue_depth: must be a whole number"),
        (("--providers", "abacus"), "providers: must be 'auto', 'cpu'"),
        (("--at", "nowhere"), "at: must be an address, HOST:PORT"),
        (("--at", "127.0.0.1:65536"), "at: must be an address, HOST:PORT"),
        (("--brightness", "lamp"), "brightness: .*how bright each: NAME=NUMBER"),
        (("--brightness", "lamp=dim"), "brightness.lamp: must be a number"),
        (("--brightness", "{lamp"), "brightness: is no JSON"),
        (("--cameras", ""), "cameras: has an empty part"),
        (("--cameras", "a,"), "cameras: has an empty part"),
        (("--config",), "needs the name"),
        (("--config=",), "needs the name"),
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
    with pytest.raises(SettingsRefused, match="queue_dept: is no setting, see taxon lamp --help"):
        load("--config", str(file))
    file.write_text('config = "another.toml"\n')
    with pytest.raises(SettingsRefused, match=r"lamp\.toml: config is no setting of a file"):
        load("--config", str(file))
    file.write_text("queue_depth = = 5\n")
    with pytest.raises(SettingsRefused, match=r"lamp\.toml: is no TOML: .*line 1"):
        load(f"--config={file}")
    file.write_bytes(b"\xff")
    with pytest.raises(SettingsRefused, match=r"lamp\.toml: is no TOML: .*utf-8"):
        load(f"--config={file}")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("queue_depth = 2.5", "queue_depth: must be a whole number"),
        ("drain_seconds = 1e6", "drain_seconds: must be less than or equal to 600 "),
        ('drain_seconds = "long"', "drain_seconds: must be a number"),
        ('cameras = "a"', "cameras: must be a valid list"),
        ('brightness = ["a"]', "brightness: must be a valid dictionary"),
        ('bright = "maybe"', "bright: must be a valid boolean"),
        ("log_level = 3", "log_level: must be 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_line_of_the_file_that_cannot_be_is_told_in_the_projects_words(
    tmp_path: Path, line: str, complaint: str
) -> None:
    file = tmp_path / "lamp.toml"
    file.write_text(line + "\n")
    with pytest.raises(SettingsRefused, match=f"^{complaint}"):
        load("--config", str(file))


def test_tables_of_flags_variables_and_the_file_go_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "lamp.toml"
    file.write_text("brightness = { a = 1, b = 1, c = 1 }\n")
    monkeypatch.setenv("TAXON_LAMP_BRIGHTNESS", "b=2,c=2")
    assert load("--config", str(file), "--brightness", "c=3").brightness == {"a": 1, "b": 2, "c": 3}


def test_lists_and_tables_are_written_alike_in_flags_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = load("--cameras", "a,b", "--brightness", "a=1,b=2.5")
    monkeypatch.setenv("TAXON_LAMP_CAMERAS", "a, b")
    monkeypatch.setenv("TAXON_LAMP_BRIGHTNESS", "a=1,b=2.5")
    assert load() == flags
    monkeypatch.setenv("TAXON_LAMP_CAMERAS", '["a", "b"]')
    monkeypatch.setenv("TAXON_LAMP_BRIGHTNESS", '{"a": 1, "b": 2.5}')
    assert load() == flags
    assert (flags.cameras, flags.brightness) == (["a", "b"], {"a": 1, "b": 2.5})


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("BRIGHTNESS", "a", "brightness: must be NAME=VALUE"),
        ("CAMERAS", "[a", "cameras: is no JSON"),
        ("QUEUE_DEPTH", "", "queue_depth: must be a whole number"),
    ],
)
def test_an_impossible_variable_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(f"TAXON_LAMP_{name}", value)
    with pytest.raises(SettingsRefused, match=complaint) as refused:
        load()
    assert "\n" not in str(refused.value)


def test_a_misspelt_variable_is_told_and_one_that_kubernetes_sets_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "QUEU_DEPTH",
        "QUEUE_DEPTH",
        "CONFIG",
        "SERVICE_HOST",
        "PORT",
        "PORT_8080_TCP_ADDR",
        "SERVICE_PORT_HTTP",
    ):
        monkeypatch.setenv(f"TAXON_LAMP_{name}", "1")
    assert unknown_variables(LampSettings) == ("TAXON_LAMP_QUEU_DEPTH",)


def test_an_unknown_flag_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load("--queue-dept", "5")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "taxon: unrecognized arguments: --queue-dept 5 (see taxon lamp --help)\n"


def test_what_is_refused_is_told_without_its_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingsRefused) as refused:
        load("--at", "nats://bob:hunter2@bus")
    with pytest.raises(SystemExit):
        load("rtsp://bob:hunter2@cam")
    assert "hunter2" not in str(refused.value) + capsys.readouterr().err
    shown = load("--cameras", "http://bob:hunter2@cam/live")
    assert "http://bob:***@cam/live" in repr(shown)
    assert "hunter2" not in f"{shown!r} {shown}"


def test_settings_that_have_changed_are_told(tmp_path: Path) -> None:
    file = tmp_path / "lamp.toml"
    file.write_text("queue_depth = 5\n")
    argv = ("--config", str(file), "--threads", "2")
    running = load(*argv)
    file.write_text('queue_depth = 6\nlog_level = "debug"\nthreads = 9\n')
    with capture_logs() as told:
        found = reread_settings(running, "taxon lamp", argv, {"log_level"})
    assert (found.queue_depth, found.log_level, found.threads) == (6, "debug", 2)
    assert [(line["log_level"], line["settings"]) for line in told] == [
        ("warning", ["queue_depth"]),
        ("info", ["log_level"]),
    ]
    file.write_text("queue_depth = many\n")
    with pytest.raises(SettingsRefused, match=r"lamp\.toml"):
        reread_settings(running, "taxon lamp", argv, ())


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load("--help")
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for name in LampSettings.model_fields:
        assert "--" + name.replace("_", "-") in told
    assert "--config FILE" in told
    assert "TAXON_LAMP_LOG_LEVEL" in told
    assert "null" not in told
    assert "--cameras A,B,..." in told
