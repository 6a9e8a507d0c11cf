"""The command line: what it accepts, and the one line and exit status of what it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.model.shipped import SHIPPED_BUNDLE
from taxon import commands
from taxon.commands import COMMANDS
from taxon.commands.common import for_each, names_of
from taxon.defaults import bundle_directory, data_folder
from taxon.errors import InputError, UsageError
from taxon.main import build_parser, main


def status_and_error(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    status: str | int | None
    try:
        status = main(argv)
    except SystemExit as exit:
        status = exit.code
    assert isinstance(status, int), "an exit status is a number"
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "COMMAND"),
        (["paint"], "paint"),
        (["encode", "a.jpg"], "-o/--output"),
        (["encode", "-o", "out"], "IMAGE"),
        (["encode", "a.jpg", "-o", "out", "--rate", "high"], "invalid int value: 'high'"),
        (["encode", "a.jpg", "-o", "out", "--loud"], "--loud"),
        (["decode", "-o", "out"], "FILE"),
        (["evaluate"], "--split"),
        (["evaluate", "--split", "test", "--limit", "0"], "--limit 0"),
        (["bundle"], "ACTION"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(capsys, argv, said):
    status, error = status_and_error(capsys, *argv)
    assert status == 2
    assert error.startswith("taxon: ")
    assert error.count("\n") == 1
    assert said in error


@pytest.mark.parametrize("command", ["run", "encode", "decode", "inspect", "evaluate", "bundle"])
def test_every_command_explains_itself(capsys, command):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"usage: taxon {command}" in capsys.readouterr().out


def test_the_options_of_encode() -> None:
    argv = ["encode", "a.jpg", "b.png", "-o", "out", "--rate", "2", "--groups", "semantic,geometry", "--bundle", "b"]
    parsed = build_parser(argv).parse_args(argv)
    assert parsed.images == [Path("a.jpg"), Path("b.png")]
    assert (parsed.output, parsed.rate, parsed.bundle) == (Path("out"), 2, Path("b"))
    assert names_of(parsed.groups) == ["semantic", "geometry"]


def test_names_come_with_commas_or_spaces_and_once() -> None:
    assert names_of(["a,b", "c", "a"]) == ["a", "b", "c"]
    assert names_of(None) is None
    with pytest.raises(UsageError, match="empty"):
        names_of([","])


def test_the_bundle_is_the_option_then_the_environment_then_the_shipped_one(monkeypatch):
    monkeypatch.setenv("TAXON_BUNDLE", "/from/environment")
    assert bundle_directory(Path("given")) == Path("given")
    assert bundle_directory(None) == Path("/from/environment")
    monkeypatch.delenv("TAXON_BUNDLE")
    assert bundle_directory(None) == SHIPPED_BUNDLE


def test_data_is_a_folder_or_a_name_in_the_environments_folder(monkeypatch, tmp_path):
    (tmp_path / "rooms").mkdir()
    monkeypatch.setenv("TAXON_DATA", str(tmp_path))
    assert data_folder(None) == tmp_path
    assert data_folder(Path("rooms")) == tmp_path / "rooms"
    assert data_folder(Path("elsewhere")) == Path("elsewhere")
    monkeypatch.delenv("TAXON_DATA")
    assert data_folder(None) is None


def test_one_refused_input_does_not_keep_the_others_from_being_done(capsys):
    done = []

    def work(item: str) -> None:
        if item == "bad":
            raise InputError("cannot be read")
        done.append(item)

    assert for_each(["first", "bad", "last"], str, work) == 1
    assert done == ["first", "last"]
    assert capsys.readouterr().err == "taxon: bad: cannot be read\n"


def test_without_the_extra_a_command_says_which_one_it_needs(capsys, monkeypatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(commands, "import_module", missing)
    status, error = status_and_error(capsys, "train")
    assert (status, error) == (
        2,
        "taxon: `taxon train` needs the train extra: pip install -e '.[train]' in the checkout (no module torch)\n",
    )


def test_a_fault_of_our_own_is_not_taken_for_a_missing_extra(monkeypatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'shared.typo'", name="shared.typo")

    monkeypatch.setattr(commands, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match=r"shared\.typo"):
        main(["encode", "a.jpg", "-o", "out"])


@pytest.mark.starts_process
def test_services_and_their_commands_import_neither_torch_nor_matplotlib() -> None:
    modules = [command.module for command in COMMANDS.values() if command.extra != "train"]
    program = f"import sys, {', '.join(modules)}; print(sorted({{'torch', 'matplotlib', 'scipy', 'onnx'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.starts_process
def test_grpc_writes_no_lines_of_its_own_unless_it_is_asked_to() -> None:
    script = "import os, taxon.main; print(os.environ['GRPC_VERBOSITY'])"
    plain = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    for environment, verbosity in ((plain, "NONE"), (plain | {"GRPC_VERBOSITY": "debug"}, "debug")):
        told = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert told.stdout.split() == [verbosity]


@pytest.mark.starts_process
def test_a_service_without_an_inference_runtime_says_which_extra_it_needs(tmp_path: Path) -> None:
    script = "import sys; sys.modules['onnxruntime'] = None; from taxon.main import main; sys.exit(main(sys.argv[1:]))"
    argv = [sys.executable, "-c", script, "cloud", "--rpc", "127.0.0.1:0", "--data", str(tmp_path)]
    told = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert told.stderr.startswith("taxon: `taxon cloud` needs the cloud extra: pip install")
