"""Whether the cloud keeps up, for cameras that would rather miss a frame than see old results (queue policy `newest`).

    UplinkStream --behind(True | False)--> Backpressure --kept_up--> Pipeline takes the next batch, or leaves it to the queue's policy

A cloud that takes fewer frames than cameras post lets the spool, and with it every delay, grow without end; so the edge
codes no more than is taken. Law: only a connected cloud holds it back: through an outage, and while the frames of an
outage are sent, it goes on coding.
"""

from __future__ import annotations

import asyncio


class Backpressure:
    """is_live: False for policy `all`, where whatever comes is kept and nothing is held back."""

    def __init__(self, is_live: bool) -> None:
        self._is_live = is_live
        self._open = asyncio.Event()
        self._open.set()
        self._released = False

    @property
    def is_behind(self) -> bool:
        """Whether the cloud holds the edge back now."""
        return not self._open.is_set()

    def behind(self, is_behind: bool) -> None:
        """Told by the uplink: frames wait for credit, or no longer do."""
        if is_behind and self._is_live and not self._released:
            self._open.clear()
        else:
            self._open.set()

    def release(self) -> None:
        """From now on nothing is held back: the service drains."""
        self._released = True
        self._open.set()

    async def kept_up(self) -> None:
        """Returns when frames may be coded."""
        await self._open.wait()
