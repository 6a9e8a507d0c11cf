"""Doors that are not opened by accident, and tokens as `taxon token` makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.services import taxon

pytestmark = pytest.mark.starts_process


@pytest.mark.parametrize("kind", ["edge", "cloud"])
def test_a_door_to_other_machines_is_not_opened_by_accident(kind: str, tmp_path: Path) -> None:
    refused = taxon(kind, "--http", "0.0.0.0:0", "--rpc", "127.0.0.1:0", "--data", tmp_path)
    assert refused.status == 2
    assert "--http 0.0.0.0:0 lets other machines in: give --tls-certificate and --tokens" in refused.errors[0]
    assert "--insecure" in refused.errors[0]


def test_an_edge_does_not_send_in_plain_text_by_accident(tmp_path: Path) -> None:
    refused = taxon(
        "edge", "--cloud", "cloud.example:50061", "--http", "127.0.0.1:0", "--rpc", "127.0.0.1:0", "--data", tmp_path
    )
    assert refused.status == 2
    assert "give --cloud-ca" in refused.errors[0]


def test_a_token_is_made_for_its_client_alone(tmp_path: Path) -> None:
    made = taxon("token", "hall", "post:hall,metrics", "-o", tmp_path / "hall.token", "--add-to", tmp_path / "tokens")
    assert (made.status, made.out) == (0, "")
    token = (tmp_path / "hall.token").read_text().strip()
    assert (tmp_path / "hall.token").stat().st_mode & 0o777 == 0o600
    assert token not in (tmp_path / "tokens").read_text()
    again = taxon("token", "porch", "post:porch", "-o", tmp_path / "hall.token")
    assert again.status == 1, "a client's file is never overwritten"
    twice = taxon("token", "hall", "post:hall", "-o", tmp_path / "two.token", "--add-to", tmp_path / "tokens")
    assert twice.status == 1
    assert not (tmp_path / "two.token").exists()
    assert taxon("token", "hall", "fly", "-o", tmp_path / "three.token").status == 2


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_token_file_keeps_its_readers(mode: int, tmp_path: Path) -> None:
    """The service may run as another user than who adds a line; a new file is for its group at most."""
    tokens = tmp_path / "tokens"
    assert taxon("token", "hall", "post:hall", "-o", tmp_path / "hall.token", "--add-to", tokens).status == 0
    assert tokens.stat().st_mode & 0o777 & ~0o640 == 0
    tokens.chmod(mode)
    assert taxon("token", "porch", "post:porch", "-o", tmp_path / "porch.token", "--add-to", tokens).status == 0
    assert tokens.stat().st_mode & 0o777 == mode
    assert [line.split()[0] for line in tokens.read_text().splitlines()] == ["hall", "porch"]


def test_a_command_tells_of_a_token_that_everybody_can_read(tmp_path: Path) -> None:
    token = tmp_path / "hall.token"
    assert taxon("token", "hall", "post:hall", "-o", token).status == 0
    asked = ("watch", "--from", "127.0.0.1:1", "--token", token, "--tasks", "class_scene", "--give-up", "1")
    assert not [line for line in taxon(*asked).errors if "everybody" in line]
    token.chmod(0o644)
    assert [line for line in taxon(*asked).errors if "hall.token: everybody on this machine can read it" in line]
