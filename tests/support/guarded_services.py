"""An edge and a cloud with TLS, client certificates and tokens, as an operator would guard them.

async with guarded(folder, bundle) as both:
    camera = both.client("hall", "post:hall")      a token that both services know within two seconds
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from taxon.client import CameraClient, Credentials, Outcome, Timeouts, Wish
from tests.support.authority import Authority, TokenFolder, authority
from tests.support.services import ServiceProcess, running

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
        """A client with a new token, once both services know it."""
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
    """The sequence of a frame with this outcome, posted until it has it."""
    async with asyncio.timeout(30):
        while (receipt := await camera.post(PICTURE)).outcome is not outcome:
            await asyncio.sleep(0.1)
    return receipt.sequence
