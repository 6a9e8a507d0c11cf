"""A pytest plugin: no service writes a secret that a test gave it, in no log, on no output and in no answer.

    TokenFolder.add, ServiceProcess(options) --declare--> the secrets of this run
    log files, stdout, /metrics, /v1/cameras --look, saw--> a test during which one of them appears fails

Tokens of a `TokenFolder` and passwords in the options of a `ServiceProcess` are declared by themselves. A test that uses
another secret says so: `WATCH.declare(secret, "the camera's password")`.
Law: whatever a service writes until it has ended is looked at, also what it writes after its test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

import pytest

LEAST_CHARACTERS = 6
"""A shorter password in an option is no secret here: it would stand in ordinary words by chance."""
_LOGIN = re.compile(r"://[^/@\s]*?:(.+)@", re.S)
_PARAMETER = re.compile(r"[?&](?:token|password|pwd|auth|key)=([^&\s]+)")


class SecretWatch:
    """The secrets that tests have given to services, and what services have written."""

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}
        self._read_bytes: dict[Path, int] = {}
        self._found: list[str] = []
        self._longest = 1

    def declare(self, secret: str, what: str) -> str:
        """Note a secret, and return it. what: its name in the complaint."""
        for written in {secret, unquote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}:
            self._secrets.setdefault(written, what)
            self._longest = max(self._longest, len(written.encode()))
        return secret

    def declare_passwords(self, texts: Iterable[str]) -> None:
        """Note the passwords and tokens that stand in options or variables of a service."""
        for text in texts:
            for found in (*_LOGIN.findall(text), *_PARAMETER.findall(text)):
                if len(found) >= LEAST_CHARACTERS:
                    self.declare(found, f"of {text.partition('://')[0]}://...")

    def follow(self, log: Path) -> None:
        """Look at this file from now on; what it holds already is looked at, too."""
        self._read_bytes.setdefault(log, 0)

    def saw(self, text: str, where: str) -> None:
        """Look at something that a service gave."""
        for secret, what in self._secrets.items():
            if secret in text:
                # The complaint itself must not spread it.
                line = next((line for line in text.splitlines() if secret in line), text)
                self._found.append(f"{where} holds a secret ({what}): {self._without_any(line)[:400]}")

    def _without_any(self, line: str) -> str:
        for secret in sorted(self._secrets, key=len, reverse=True):
            line = line.replace(secret, "<SECRET>")
        return line

    def look(self) -> None:
        """Look at what has been added to the files since the last time."""
        for path, read_bytes in tuple(self._read_bytes.items()):
            try:
                with path.open("rb") as file:
                    # A secret may have been written in two pieces.
                    file.seek(max(0, read_bytes - self._longest))
                    new = file.read()
                    self._read_bytes[path] = file.tell()
            except FileNotFoundError:
                continue
            if len(new) > self._longest or not read_bytes:
                self.saw(new.decode(errors="replace"), str(path))

    def take_found(self) -> list[str]:
        """Return what was found, and forget it."""
        found, self._found = list(dict.fromkeys(self._found)), []
        return found


WATCH = SecretWatch()
"""The watch of this process; each worker runs whole files, with the services that they start."""


class SecretGuard:
    """The plugin."""

    def __init__(self, watch: SecretWatch = WATCH) -> None:
        self._watch = watch

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail a test during which a secret was written. The end of a module's services belongs to its last test."""
        report = yield
        self._watch.look()
        for name, text in report.sections:
            if "stdout" in name or "stderr" in name:
                self._watch.saw(text, name)
        found = self._watch.take_found()
        if found and not report.failed:
            report.outcome = "failed"
            report.longrepr = "\n".join(found)
        return report
