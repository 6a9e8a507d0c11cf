"""The token file: it has one line for each token, which holds the token's hash and never the token.

    new_token --> "txn_..." (256 random bits), given to the client
    token_line --> "kitchen  9f86d08...  post:kitchen", a line of the file --Tokens.find--> TokenEntry

A hash without salt or stretching is enough for 256 random bits: nobody can try them all.
Laws: a file that changes is read again. One that cannot be read changes nothing, so that a half-written file neither
grants nor takes away. A look-up takes the same time whichever entry matches.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from shared.errors import SettingsRefused
from shared.server.access.scopes import Grant, Scope, read_scopes
from shared.transport.secret_files import Stamp, stamp_of

PREFIX = "txn_"
"""The prefix by which tools that look for secrets in code find a token."""
TOKEN_BYTES = 32
LONGEST_TOKEN = 256
MOST_TOKENS = 10_000
LARGEST_FILE_BYTES = 4 << 20
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class TokenEntry:
    """A line of the file. digest: the SHA-256 of the token, 32 bytes."""

    digest: bytes
    grant: Grant


def new_token() -> str:
    """Return a token that nobody has had: 256 bits from the system's source of randomness."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> bytes:
    """Return the hash that is kept of a token, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


def token_line(name: str, token: str, scopes: tuple[Scope, ...]) -> str:
    """Return the token's line in the file; raises ValueError for an impossible name."""
    return f"{_checked_name(name)} {digest_of(token).hex()} {','.join(str(scope) for scope in scopes)}"


def read_tokens(text: str) -> tuple[TokenEntry, ...]:
    """Read the file's entries; raises ValueError that names the line.

    Empty lines and those that begin with # are skipped.
    """
    entries: list[TokenEntry] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            entries.append(_entry(line.split()))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    names = [entry.grant.name for entry in entries]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice} stands twice; give each token one of its own")
    if len(entries) > MOST_TOKENS:
        raise ValueError(f"more than {MOST_TOKENS} tokens")
    return tuple(entries)


class Tokens:
    """A token file; raises SettingsRefused where it cannot be read at first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: tuple[TokenEntry, ...] = ()
        self._stamp: Stamp | None = None
        try:
            self.reload()
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise SettingsRefused(f"tokens: {path}: {why}; `taxon token` makes its lines") from error

    @property
    def entries(self) -> tuple[TokenEntry, ...]:
        """The entries that hold now; another tuple after each change."""
        return self._entries

    def reload(self) -> bool:
        """Read the file where it has changed; return True where it has.

        Raises OSError or ValueError, and then changes nothing.
        """
        stamp = stamp_of([self.path])
        if stamp == self._stamp:
            return False
        if self.path.stat().st_size > LARGEST_FILE_BYTES:
            raise ValueError(f"has more than {LARGEST_FILE_BYTES} bytes")
        self._entries = read_tokens(self.path.read_text(encoding="utf-8"))
        # Only now: a file that could not be read may be the same one when it can, once its owner or mode is right.
        self._stamp = stamp
        return True

    def find(self, digest: bytes) -> TokenEntry | None:
        """Return the entry of a token's digest. Each entry is compared in constant time, so that the time reveals nothing."""
        found: TokenEntry | None = None
        for entry in self._entries:
            if hmac.compare_digest(entry.digest, digest):
                found = entry
        return found


def _entry(words: list[str]) -> TokenEntry:
    if len(words) != 3:
        raise ValueError("must be NAME SHA256 SCOPE,SCOPE,...")
    name, digest, scopes = words
    if _DIGEST.fullmatch(digest) is None:
        raise ValueError("the second word must be a SHA-256 of 64 digits 0-9 a-f (never the token itself)")
    return TokenEntry(bytes.fromhex(digest), Grant(_checked_name(name), read_scopes(scopes)))


def _checked_name(name: str) -> str:
    if PREFIX in name:
        # Such a name would stand in every log.
        raise ValueError("a name must not hold a token")
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name[:40]!r} is no name of a token: take 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    return name
