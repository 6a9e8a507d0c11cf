"""The way of results from the analysis to subscriptions: what any bus does.

    Analysed --publish--> bus --open(cursor, cameras)--> Feed --take--> the frames in the journal's order, each once

`cloud_analytics.results.local` is it, over the log of one process or of many (`cloud_analytics.journal.frame_log`).
Law: what `publish` has returned for is kept for subscribers that come back, as long as the bus keeps anything.
"""

from __future__ import annotations

from typing import Protocol

from cloud_analytics.frames import Analysed, Lost, Received


class Feed(Protocol):
    """One subscriber's frames."""

    @property
    def cursor(self) -> str:
        """Where it is: what a client gives to go on from here."""

    def take(self) -> Received | Lost | None:
        """What comes next, None if that is not there yet."""

    async def wait(self) -> None:
        """Returns when `take` has something; raises what `end` was given."""

    def choose(self, cameras: tuple[str, ...]) -> None:
        """Other cameras from the next frame on; none named means all."""

    def end(self, error: Exception, *, drop: bool) -> None:
        """Nothing more is added, and `wait` raises the error once all that is queued has been taken or, where it is told to, dropped."""


class ResultBus(Protocol):
    """A bus."""

    async def publish(self, analysed: Analysed) -> None:
        """The next frame, in the journal's order."""

    async def reach(self, cursor: str) -> None:
        """To be awaited before `open`: the cursor may be of a frame that only another replica knows yet. Raises LogUnavailable."""

    def open(self, cursor: str, cameras: tuple[str, ...]) -> Feed:
        """What comes after the cursor, or from now on if it is empty; raises BadRequest for what is no cursor."""

    def cursor_of(self, received: Received) -> str:
        """The cursor of a frame."""
