"""A private authority and its certificates, made by the script that operators have: deploy/make_ca.sh."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from shared.server.access.scopes import read_scopes
from shared.server.access.token_file import new_token, token_line
from shared.server.tls.certificates import TlsFiles
from taxon.client import Credentials

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "make_ca.sh"


@dataclass(frozen=True)
class Authority:
    """A folder as the script leaves it."""

    folder: Path

    def renew(self) -> None:
        """New certificates with new keys, of the same authority; at first the authority too."""
        subprocess.run([SCRIPT, self.folder], check=True, capture_output=True, timeout=60)

    def file(self, name: str) -> Path:
        return self.folder / name

    @property
    def ca(self) -> Path:
        return self.file("ca.crt")

    def service(self, name: str, asks_clients: bool = False, asks_web: bool = True) -> TlsFiles:
        ca = self.ca if asks_clients else None
        return TlsFiles(self.file(f"{name}.crt"), self.file(f"{name}.key"), ca, asks_web)

    def client(self, token: Path | None = None, with_certificate: bool = False) -> Credentials:
        if not with_certificate:
            return Credentials(self.ca, token=token)
        return Credentials(self.ca, self.file("client.crt"), self.file("client.key"), token)


def authority(folder: Path) -> Authority:
    made = Authority(folder)
    made.renew()
    return made


class TokenFolder:
    """A token file and the clients' files beside it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "tokens"
        self._folder = folder
        self._lines: dict[str, str] = {}
        self._write()

    def add(self, name: str, scopes: str) -> Path:
        """A new token; the client's file."""
        token = new_token()
        self._lines[name] = token_line(name, token, read_scopes(scopes))
        self._write()
        given = self._folder / f"{name}.token"
        given.write_text(token + "\n")
        return given

    def take_back(self, name: str) -> None:
        del self._lines[name]
        self._write()

    def _write(self) -> None:
        new = self.path.with_name("tokens.new")
        new.write_text("# made by a test\n" + "".join(line + "\n" for line in self._lines.values()))
        new.replace(self.path)


def header(token: Path) -> dict[str, str]:
    """As HTTP shows it."""
    return {"Authorization": f"Bearer {token.read_text().strip()}"}
