"""The settings of the cloud service; `shared.server.settings` says where their values come from.

Law: every default runs on a laptop, and every bound that keeps memory or disk finite is a setting.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from shared.model.shipped import SHIPPED_BUNDLES
from shared.server.settings import Address, ServiceSettings

MEBIBYTE = 1 << 20

LOCAL_BUS = "local"
_BUS_URL = re.compile(r"(nats|tls)://[^\s,]+")


def checked_bus(text: str) -> str:
    """Return the text if it is `local` or URLs of NATS servers.

    Raises ValueError; its message does not tell the password that a URL may hold.
    """
    if text != LOCAL_BUS and not all(_BUS_URL.fullmatch(url) for url in text.split(",")):
        raise ValueError("must be local, or addresses of NATS, such as nats://127.0.0.1:4222 (several with commas)")
    return text


BusUrls = Annotated[str, AfterValidator(checked_bus)]
BusName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]


class CloudSettings(ServiceSettings, env_prefix="TAXON_CLOUD_"):
    """The cloud service: takes feature bitstreams from edges, gives task results to subscribers."""

    rpc: Address = Field("127.0.0.1:50061", description="address to listen on for gRPC")
    http: Address = Field("127.0.0.1:8090", description="address to listen on for the wall, health and metrics")
    bundles: Path = Field(SHIPPED_BUNDLES, description="folder of model bundles, <name>/<version>/ each")
    bundle_scan_seconds: float = Field(2.0, gt=0, le=3600, description="how often to look for new bundles and heads")
    data: Path = Field(Path("cloud-data"), description="folder of the journal; not used with a bus")
    bus: BusUrls = Field(
        "local", description="local: this cloud is alone; nats://HOST:PORT[,nats://...]: it shares with its replicas"
    )
    bus_name: BusName = Field("taxon", description="what this installation's streams in NATS begin with")
    bus_copies: int = Field(1, ge=1, le=5, description="on how many NATS servers each stream is kept")
    journal_bytes: int = Field(256 * MEBIBYTE, ge=MEBIBYTE, description="most bytes of the journal; the oldest go")
    journal_age_seconds: float = Field(86400.0, gt=0, description="how long the journal keeps a frame")
    queue_delay_seconds: float = Field(0.005, ge=0, le=1, description="how long a batch waits for more frames")
    most_batch: int = Field(16, ge=1, le=1024, description="most frames of one batch")
    decode_threads: int = Field(2, ge=1, le=64, description="threads for entropy decoding, and as many for rendering")
    receive_queue_frames: int = Field(256, ge=1, description="frames between the journal and the bus, of all edges")
    credit_frames: int = Field(32, ge=1, le=100_000, description="most frames of an edge that wait for their results")
    ack_interval_seconds: float = Field(5.0, ge=0, le=60, description="how long an acknowledgement may wait for others")
    ack_frames: int = Field(64, ge=1, description="so many frames are acknowledged without waiting")
    most_uplinks: int = Field(1000, ge=1, description="edges connected at once")
    most_subscribers: int = Field(1000, ge=1, description="subscribers connected at once")
    subscriber_queue_frames: int = Field(
        64, ge=1, le=100_000, description="most live frames queued for one subscriber; beyond them it loses its oldest"
    )
    recent_bytes: int = Field(
        256 * MEBIBYTE, ge=MEBIBYTE, description="memory for recent results; older ones are computed again when wanted"
    )
    most_measured_cameras: int = Field(
        10_000, ge=1, le=100_000, description="cameras that have metrics of their own; beyond it the quietest has none"
    )
    largest_message_bytes: int = Field(
        16 * MEBIBYTE, ge=4096, le=1 << 30, description="the largest gRPC message to a subscriber"
    )
