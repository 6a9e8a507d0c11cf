"""A private authority, its certificates and token files, and both services guarded by them.

    async with guarded(folder, bundle) as both:
        camera = both.client("hall", "post:hall")      a token that both services know within two seconds

deploy/make_ca.sh makes the certificates, as it does for operators.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.server.access.scopes import read_scopes
from shared.server.access.token_file import new_token, token_line
from shared.server.tls.certificates import TlsFiles
from taxon.client import CameraClient, Credentials, Outcome, Timeouts, Wish
from tests.support.secrets import WATCH
from tests.support.services import ServiceProcess, running

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "make_ca.sh"


@dataclass(frozen=True)
class Authority:
    """A folder as the script leaves it."""

    folder: Path

    def renew(self) -> None:
        """Make new certificates with new keys by the same authority, which the first call makes, too."""
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
        """Add a new token, and return the client's file."""
        token = WATCH.declare(new_token(), f"the token {name}")
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
    """Return the HTTP header that shows the token."""
    return {"Authorization": f"Bearer {token.read_text().strip()}"}


PICTURE = (sorted((Path(__file__).resolve().parents[2] / "samples").glob("*/*.jpg"))[0]).read_bytes()
PATIENT = Timeouts(give_up=60)
WISH = Wish(tasks=("class_scene",))
EDGE = "shop7"


@dataclass(frozen=True)
class Guarded:
    """Both services as an operator would guard them."""

    edge: ServiceProcess
    cloud: ServiceProcess
    ours: Authority
    tokens: TokenFolder

    def client(self, name: str, scopes: str) -> Credentials:
        """Return a client's credentials with a new token."""
        return self.ours.client(self.tokens.add(name, scopes), with_certificate=True)


@asynccontextmanager
async def guarded(folder: Path, bundle: Path, uplink_scopes: str = "uplink") -> AsyncIterator[Guarded]:
    ours, tokens = authority(folder / "certificates"), TokenFolder(folder / "tokens")
    uplink, metrics = tokens.add("edge-1", uplink_scopes), tokens.add("prometheus", "metrics")

    def service(kind: str, *options: str) -> ServiceProcess:
        files = ours.service(kind)
        flags = [
            "--tls-certificate",
            str(files.certificate),
            "--tls-key",
            str(files.key),
            "--tls-client-ca",
            str(ours.ca),
        ]
        flags += ["--tls-clients", "rpc", "--tokens", str(tokens.path)]
        token = metrics.read_text().strip()
        return ServiceProcess(kind, folder / kind, [*flags, *options], ca=ours.ca, token=token)

    cloud = service("cloud", "--bundles", str(bundle.parents[1]), "--ack-interval-seconds", "0.2")
    shown = ["--cloud-ca", ours.ca, "--cloud-certificate", ours.file("edge.crt"), "--cloud-key", ours.file("edge.key")]
    shown += [
        "--cloud-token",
        uplink,
        "--cloud",
        cloud.rpc,
        "--bundle",
        bundle,
        "--queue-policy",
        "all",
        "--edge-id",
        EDGE,
    ]
    edge = service("edge", *map(str, shown))
    async with running(cloud, edge):
        yield Guarded(edge, cloud, ours, tokens)


async def posted(camera: CameraClient, outcome: Outcome = Outcome.CODED) -> int:
    """Post until a frame has this outcome, and return its sequence number."""
    async with asyncio.timeout(30):
        while (receipt := await camera.post(PICTURE)).outcome is not outcome:
            await asyncio.sleep(0.1)
    return receipt.sequence
