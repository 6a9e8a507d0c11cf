"""What the wall needs of the cloud: `cloud_analytics.subscribers.subscriptions` has it."""

from __future__ import annotations

from typing import Protocol

from cloud_analytics.frames import BundleState, CameraState, FrameOutput, Lost, Wish


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

    def describe(self) -> tuple[BundleState, ...]:
        """The bundles that are served, and their tasks."""
