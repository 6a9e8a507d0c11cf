"""What the wall needs of the cloud: `cloud_analytics.subscriptions` has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cloud_analytics.results.types import CameraState, FrameOutput, Lost, Wish


class OfferedTask(Protocol):
    """A task that can be asked for. shape: without the batch, "H" and "W" standing for the network's input."""

    @property
    def name(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def shape(self) -> Sequence[str | int] | str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def labels(self) -> Sequence[str]: ...


class OfferedBundle(Protocol):
    """A bundle that is served."""

    @property
    def tasks(self) -> Sequence[OfferedTask]: ...


class FrameStream(Protocol):
    """One subscription."""

    async def change(self, wish: Wish) -> None:
        """Replaces the wish, without a gap."""

    async def next(self) -> FrameOutput | Lost:
        """Waits for what comes next."""

    async def close(self, *, hold: bool) -> None:
        """Ends it; the wish outlives it where `hold` says so."""


class Source(Protocol):
    """All results of the cloud."""

    async def subscribe(self, wish: Wish) -> FrameStream:
        """Raises UnknownCamera, UnknownName, BadRequest, Busy."""

    def cameras(self) -> tuple[CameraState, ...]:
        """Every camera that the cloud knows."""

    def describe(self) -> Sequence[OfferedBundle]:
        """The bundles that are served, and their tasks."""
