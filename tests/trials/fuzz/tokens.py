"""Who may do what, as it is written and shown: token files, scopes, Authorization headers.

    bytes --a file--> Tokens --written again--> the same entries       text --read_scopes--> Grant.allows, against a matcher of its own
    text --Access.caller--> Caller, for a token of the file and nothing else

Law: a file is refused by SettingsRefused alone and a scope by ValueError; nothing is allowed that the text does not name; and no refusal
repeats what was shown.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random

from shared.errors import SettingsRefused, Unauthenticated
from shared.server.access.callers import ASKED, Access, Call
from shared.server.access.scopes import Action, Grant, Scope, read_scopes
from shared.server.access.token_file import Tokens, digest_of, read_tokens, token_line
from tests.trials.fuzz.bundles import MEMORY
from tests.trials.fuzz.mutation import mutated
from tests.trials.fuzz.target import LawBroken, Target

_FILE, _SCOPES, _HEADER = range(3)
CAMERAS = ("hall", "shop7-door", "a.b_c", "a" * 64, "*")
GRANTED = {"hall": "post:hall", "wall": "subscribe", "prometheus": "metrics"}
"""The names of tokens, and what they allow."""
_REFUSALS = (ASKED, "this token is unknown here, or was taken back")
"""Refusals hold nothing of what was shown."""
WORDS = (
    *(b"post", b"subscribe", b"uplink", b"metrics", b"admin", b":", b",", b"*", b"?", b"shop7-*", b"a*a*a*a*a*b", b" ", b"\t"),
    *(b"Bearer ", b"bearer", b"\n", b"\r", b"\x00", b"\x85", b"\xa0", b"# ", b"0" * 64, b"[", b"!", b"\\"),
)  # fmt: skip


def token(name: str) -> str:
    """Return the token of this name, always the same one."""
    return "txn_" + (name * 43)[:43]


def token_file() -> str:
    """Return a token file with a line for each of GRANTED."""
    lines = (token_line(name, token(name), read_scopes(scopes)) for name, scopes in GRANTED.items())
    return "# by the fuzzer\n" + "".join(line + "\n" for line in lines)


class TokenTarget(Target):
    """The first byte says what the others are."""

    name = "tokens"
    longest = 2048

    def __init__(self) -> None:
        self._folder = Path()
        self._access = Access()
        texts = [(_FILE, token_file()), (_FILE, "\n  # nobody\n")]
        texts += [
            (_SCOPES, text) for text in ("admin", "post:shop7-*,metrics", "subscribe, uplink:a.b_?", "post:*a*a*a*b")
        ]
        texts += [(_HEADER, f"Bearer {token(name)}") for name in GRANTED] + [(_HEADER, "Basic dXNlcjpwYXNz")]
        self._seeds = [bytes([kind]) + text.encode() for kind, text in texts]

    def opened(self) -> AbstractContextManager[object]:
        folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self._folder = Path(folder.name)
        (self._folder / "ours").write_text(token_file())
        self._access = Access(Tokens(self._folder / "ours"))
        return folder

    def seeds(self) -> Sequence[bytes]:
        return self._seeds

    def run(self, data: bytes) -> bool:
        kind, content = data[:1], data[1:]
        if kind == bytes([_SCOPES]):
            return _scopes(content.decode("utf-8", "replace"))
        if kind == bytes([_HEADER]):
            return self._shown(content.decode("latin-1"))
        return self._file(content)

    def mutate(self, data: bytes, random: Random) -> bytes:
        if random.randrange(2):
            return super().mutate(data, random)
        at = random.randrange(1, len(data) + 1) if data else 0
        return data[:at] + random.choice(WORDS) + mutated(data[at:], random, b"") * random.randrange(2)

    def _file(self, content: bytes) -> bool:
        path = self._folder / "theirs"
        path.write_bytes(content)
        try:
            tokens = Tokens(path)
        except SettingsRefused:
            return False
        for entry in tokens.entries:
            found = tokens.find(entry.digest)
            if found is None or found.digest != entry.digest:
                raise LawBroken(f"{entry.grant.name} is not found by its own digest")
        lines = [f"{one.grant.name} {one.digest.hex()} {_written(one.grant.scopes)}" for one in tokens.entries]
        if read_tokens("\n".join(lines)) != tokens.entries:
            raise LawBroken(f"the entries are read otherwise from {lines}")
        if tokens.find(digest_of(token("stray"))) is not None:
            raise LawBroken("a token that is in no file is found")
        return bool(tokens.entries)

    def _shown(self, text: str) -> bool:
        known = "|".join(re.escape(token(name)) for name in GRANTED)
        ours = re.fullmatch(rf"(?i:bearer) \s*({known})\s*", text)
        try:
            caller = self._access.caller(text, Call("http", "GET /metrics", ""))
        except Unauthenticated as error:
            if ours is not None:
                raise LawBroken(f"{text!r} is refused") from error
            if str(error) not in _REFUSALS:
                raise LawBroken(f"{text!r} is refused with {error}") from error
            return False
        if ours is None or caller.name not in GRANTED or ours[1] != token(caller.name):
            raise LawBroken(f"{text!r} is taken for {caller.name}")
        return True


def _scopes(text: str) -> bool:
    try:
        scopes = read_scopes(text)
    except ValueError:
        return False
    if read_scopes(_written(scopes)) != scopes:
        raise LawBroken(f"{text!r} is written {_written(scopes)!r}, which is something else")
    parts = [part.strip().partition(":") for part in text.split(",")]
    grant = Grant("fuzz", scopes)
    for action in Action:
        for camera in CAMERAS:
            named = any(
                name == "admin" or (name == action and _matches(cameras or "*", camera)) for name, _, cameras in parts
            )
            if grant.allows(action, camera) != named:
                raise LawBroken(f"{text!r} allows {action}:{camera}: {not named}")
    return True


def _matches(pattern: str, name: str) -> bool:
    """Return True where the pattern means the name: `*` is any characters, `?` is one."""
    reached = {0}
    for sign in pattern:
        if sign == "*":
            reached = set(range(min(reached), len(name) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(name) and sign in ("?", name[at])}
    return len(name) in reached


def _written(scopes: Sequence[Scope]) -> str:
    return ",".join(str(scope) for scope in scopes)
