"""What a token allows, its file, and that what cannot be read changes nothing."""

from __future__ import annotations

import hmac
import string
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SettingsRefused
from shared.server.access.scopes import Action, Grant, read_scopes
from shared.server.access.token_file import Tokens, digest_of, new_token, read_tokens, token_line
from tests.support.security import TokenFolder


def grant(scopes: str) -> Grant:
    return Grant("n", read_scopes(scopes))


@pytest.mark.parametrize(
    ("scopes", "action", "camera", "allowed"),
    [
        ("post:hall", Action.POST, "hall", True),
        ("post:hall", Action.POST, "hall2", False),
        ("post:hall", Action.POST, "Hall", False),
        ("post:hall", Action.SUBSCRIBE, "hall", False),
        ("post:shop7-*,post:door?", Action.POST, "shop7-a.b", True),
        ("post:shop7-*,post:door?", Action.POST, "door1", True),
        ("post:shop7-*", Action.POST, "shop70-a", False),
        ("post", Action.POST, "anything", True),
        ("subscribe:a", Action.SUBSCRIBE, None, True),
        ("metrics", Action.METRICS, None, True),
        ("metrics", Action.SUBSCRIBE, None, False),
        ("uplink", Action.POST, "a", False),
        ("admin", Action.UPLINK, "a", True),
    ],
)
def test_a_scope_allows_what_it_names_and_nothing_else(
    scopes: str, action: Action, camera: str | None, allowed: bool
) -> None:
    assert grant(scopes).allows(action, camera) is allowed


def test_only_a_star_is_every_camera() -> None:
    assert grant("subscribe").allows_every(Action.SUBSCRIBE)
    assert grant("admin").allows_every(Action.SUBSCRIBE)
    assert not grant("subscribe:?*,post").allows_every(Action.SUBSCRIBE)


@pytest.mark.parametrize(
    "text", ["", "post,", "paste", "metrics:a", "post:", "post:a b", "post:[a]", "POST", "post:a:b"]
)
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"scope|cameras"):
        read_scopes(text)


def test_a_token_in_the_wrong_place_of_its_line_is_refused_and_not_told() -> None:
    """Names and complaints stand in logs."""
    token = new_token()
    digest = digest_of(token).hex()
    for line in (
        f"{token} {digest} post",
        f"hall {token} post",
        f"hall {digest} {token}",
        f"hall {digest} post:{token}",
    ):
        with pytest.raises(ValueError, match="line 1") as told:
            read_tokens(line)
        assert token[:8] not in str(told.value)


@pytest.mark.parametrize("pattern", ["*", "?*", "*" * 40 + "b", "h*a*l*l*?*?*?*x"])
def test_a_pattern_is_judged_at_once_whatever_comes(pattern: str) -> None:
    began = time.monotonic()
    grant(f"post:{pattern}").allows(Action.POST, "ha" * 30_000)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("camera", ["*", "hal?", "[h]all", "hall\n", "", " hall", "HALL", "h\u0430ll"])
def test_a_camera_s_own_characters_are_no_pattern(camera: str) -> None:
    assert not grant("post:hall").allows(Action.POST, camera)
    assert not grant("post:hal?").allows(Action.POST, camera) or camera == "hal?"


@given(st.text(string.printable, max_size=200))
def test_no_text_breaks_the_reading(text: str) -> None:
    try:
        entries = read_tokens(text)
    except ValueError:
        return
    assert all(len(entry.digest) == 32 and entry.grant.scopes for entry in entries)


def test_a_token_is_256_random_bits_and_its_line_does_not_hold_it() -> None:
    token = new_token()
    line = token_line("hall", token, read_scopes("post:hall"))
    assert token not in line
    assert len(token) >= 4 + 43
    assert new_token() != token
    assert read_tokens(line)[0].digest == digest_of(token)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a b", "line 1: must be NAME"),
        ("#\n\na txn_secret post", "line 3: the second word must be a SHA-256"),
        (f"a {'0' * 64} post\na {'1' * 64} post", "stands twice"),
        (f"a/b {'0' * 64} post", "no name"),
    ],
)
def test_a_wrong_line_is_named_and_a_token_in_it_is_not_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as told:
        read_tokens(text)
    assert "txn_secret" not in str(told.value)


def test_every_entry_is_compared_whichever_matches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = TokenFolder(tmp_path)
    files = [folder.add(f"n{index}", "post") for index in range(5)]
    tokens = Tokens(folder.path)
    compared: list[bytes] = []

    truly = hmac.compare_digest

    def counting(left: bytes, right: bytes) -> bool:
        compared.append(left)
        return truly(left, right)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    for file in (files[0], files[4]):
        compared.clear()
        assert tokens.find(digest_of(file.read_text().strip())) is not None
        assert len(compared) == 5, "the time must not tell where in the file a token stands"


def test_a_file_that_becomes_wrong_changes_nothing_and_one_that_is_mended_does(tmp_path: Path) -> None:
    folder = TokenFolder(tmp_path)
    first = digest_of(folder.add("first", "post").read_text().strip())
    tokens = Tokens(folder.path)
    assert not tokens.reload()
    good = folder.path.read_text()
    folder.path.write_text(good + "half a li")
    with pytest.raises(ValueError, match="line 3"):
        tokens.reload()
    assert tokens.find(first) is not None
    folder.path.unlink()
    with pytest.raises(OSError, match="No such file"):
        tokens.reload()
    assert tokens.find(first) is not None
    folder.take_back("first")
    assert tokens.reload()
    assert tokens.find(first) is None


def test_a_start_with_an_unusable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="No such file"):
        Tokens(tmp_path / "none")
