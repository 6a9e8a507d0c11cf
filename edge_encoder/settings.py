"""The edge's settings, with defaults that run; `shared.server.settings` reads them from flags, environment and file.

Law: an impossible value is refused here, before anything starts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from edge_encoder.cameras.plan import CameraPlan, QueuePolicy
from edge_encoder.cameras.rules import CameraDefaults
from edge_encoder.spool.spool import SpoolSync
from shared.contract.packets import checked_name
from shared.server.settings import Address, Addresses, ServiceSettings
from shared.telemetry.redaction import redacted
from shared.transport.credentials import Credentials

CameraId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Kilobits = Annotated[float, Field(gt=0, le=1e6)]
MOST_CALLS = 20_000

_SOURCE = re.compile(r"(?P<camera>[A-Za-z0-9._-]{1,64})(@(?P<fps>[0-9]+(\.[0-9]+)?))?=(?P<spec>.+)", re.ASCII)


@dataclass(frozen=True)
class SourceSetting:
    """A source that the edge plays by itself. spec: as `shared.sources` reads it.

    fps: the frames per second to play; None for the source's own.
    """

    camera_id: str
    spec: str
    fps: float | None

    def __repr__(self) -> str:
        return f"SourceSetting({self.camera_id!r}, {redacted(self.spec)!r}, fps={self.fps})"


class EdgeSettings(ServiceSettings, env_prefix="TAXON_EDGE_"):
    """The edge service: camera frames in, feature bitstreams out. The pixels never leave it."""

    TABLES_APART = frozenset({"cameras"})

    cloud: Addresses = Field(
        "127.0.0.1:50061", description="address of the cloud's gRPC; of several replicas: HOST:PORT,HOST:PORT"
    )
    cloud_ca: Path | None = Field(
        None, description="PEM file of the authorities that signed the cloud's certificate; turns TLS on"
    )
    cloud_certificate: Path | None = Field(None, description="PEM file, this edge's own, where the cloud asks for one")
    cloud_key: Path | None = Field(None, description="PEM file of its key")
    cloud_token: Path | None = Field(None, description="file with this edge's token for the cloud; its scope is uplink")
    http: Address = Field("127.0.0.1:8080", description="address to listen on for HTTP; port 0 takes a free one")
    rpc: Address = Field("127.0.0.1:50051", description="address to listen on for gRPC")
    bundle: Path | None = Field(
        None, description="folder of the model bundle; default: TAXON_BUNDLE, or the shipped one"
    )
    data: Path = Field(Path("edge-data"), description="folder of the spool; one for each edge")
    edge_id: CameraId | None = Field(None, description="this edge's name; default: one that is kept in the data folder")

    cameras: list[CameraId] = Field(
        [], description="cameras that are taken, beside those that are set in a file or at run time; none named: any"
    )
    cameras_file: Path | None = Field(
        None, description="TOML file with a table [cameras.NAME] for each camera; a change of it is taken at once"
    )
    most_cameras: int = Field(
        1000, ge=1, le=10_000, description="the most cameras that are taken, counted since the start"
    )
    largest_picture_bytes: int = Field(16 << 20, ge=1024, le=1 << 30, description="the largest picture file, in bytes")
    post_deadline_seconds: float = Field(
        30.0, gt=0, le=600, description="the longest that a camera waits for its answer"
    )
    previews: bool = Field(True, description="whether who may manage a camera can see a picture of what is coded of it")

    queue_policy: QueuePolicy = Field(
        "newest", description="newest: a newer frame supersedes one that waits; all: keep all"
    )
    queue_depth: int = Field(4, ge=1, le=10_000, description="frames of one camera that may wait")
    queue_bytes: int = Field(256 << 20, ge=1 << 20, description="the most bytes of all pictures that wait")
    most_batch: int = Field(8, ge=1, le=256, description="frames that go through the networks together")

    rate: int | None = Field(
        None,
        ge=0,
        le=15,
        description="operating point, the highest with a budget; default: the bundle's, with a budget any",
    )
    budget_kbps: Kilobits | None = Field(None, description="bit budget of each camera, kbit/s; default: none")
    budgets_kbps: dict[CameraId, Kilobits] = Field(
        {}, description="bit budgets of single cameras, kbit/s: NAME=NUMBER,NAME=NUMBER"
    )
    burst_seconds: float = Field(2.0, gt=0, le=3600, description="so many seconds of its budget may be spent at once")
    pinned_groups: list[str] = Field([], description="task groups that are coded whether or not somebody wants them")

    spool_bytes: int = Field(
        1 << 30, ge=1 << 16, description="the spool's bound; over it the oldest frames are dropped"
    )
    spool_age_seconds: float = Field(
        7 * 86400.0, gt=0, description="the spool's bound in age; older frames are dropped"
    )
    spool_sync: SpoolSync = Field(
        "full",
        description="full: an answered frame outlives a power cut; normal: a killed process only, with less waiting",
    )
    uplink_interval_seconds: float = Field(
        0.1,
        ge=0,
        le=5,
        description="the shortest time between two uplink messages; frames that come meanwhile go together",
    )
    source: list[str] = Field(
        [],
        description="a camera that the edge plays by itself: NAME=SPEC, or NAME@FPS=SPEC; "
        "SPEC: a folder, watch:FOLDER, file, URL or device",
    )
    source_loop: bool = Field(True, description="whether files and folders begin again at their end")

    @field_validator("source")
    @classmethod
    def _sources_are_sources(cls, given: list[str]) -> list[str]:
        names = [source_of(one).camera_id for one in given]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"camera {name} has two sources")
        return given

    @property
    def sources(self) -> tuple[SourceSetting, ...]:
        """The sources that the edge plays."""
        return tuple(source_of(one) for one in self.source)

    @property
    def most_calls(self) -> int:
        """The gRPC calls at once: every frame that may wait has its call, because gRPC refuses one too many uncounted."""
        return min(MOST_CALLS, self.most_cameras * (self.queue_depth + 1) + 64)

    @property
    def most_open(self) -> int:
        """The frames of one stream or source without an answer, where nothing else is set for its camera."""
        return self.most_open_with(self.queue_policy)

    @property
    def cloud_credentials(self) -> Credentials:
        """The credentials that the uplink shows, and the authorities that it trusts."""
        return Credentials(
            self.cloud_ca, self.cloud_certificate, self.cloud_key, self.cloud_token, insecure=self.insecure
        )

    @property
    def named_cameras(self) -> frozenset[str]:
        """The cameras that are this edge's whether or not they give a frame."""
        return frozenset(self.cameras) | {source.camera_id for source in self.sources}

    @property
    def plans(self) -> tuple[CameraPlan, ...]:
        """The cameras whose source or budget is set here."""
        sources = {one.camera_id: one for one in self.sources}
        found: list[CameraPlan] = []
        for name in dict.fromkeys([*sources, *self.budgets_kbps]):
            source = sources.get(name)
            spec, fps = (None, None) if source is None else (source.spec, source.fps)
            found.append(CameraPlan(name, source=spec, fps=fps, budget_kbps=self.budgets_kbps.get(name)))
        return tuple(found)

    @property
    def camera_defaults(self) -> CameraDefaults:
        """What holds for a camera of which nothing else is set."""
        return CameraDefaults(self.queue_policy, self.budget_kbps, self.burst_seconds)

    def most_open_with(self, policy: QueuePolicy) -> int:
        """Return the same for a camera's own policy: with `all` as many as wait, so that none is refused."""
        return self.queue_depth + (2 * self.most_batch if policy == "newest" else 0)


def source_of(text: str) -> SourceSetting:
    """Return the source that NAME=SPEC or NAME@FPS=SPEC names. Raises ValueError."""
    match = _SOURCE.fullmatch(text)
    if match is None:
        raise ValueError(f"{redacted(text)!r} is no source: write NAME=SPEC or NAME@FPS=SPEC")
    fps = None if match["fps"] is None else float(match["fps"])
    if fps == 0:
        raise ValueError(f"{redacted(text)!r}: the frames per second must be above 0")
    return SourceSetting(checked_name("camera", match["camera"]), match["spec"], fps)
