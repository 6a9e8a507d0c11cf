"""Holds live frames back while the cloud does not keep up, those of cameras with queue policy `newest`.

    UplinkStream --note_behind(True | False)--> Backpressure --wait_until_clear--> the pipeline takes its next batch

A cloud that takes fewer frames than cameras post would let the spool, and with it every delay, grow without end.
So the edge codes no more than the cloud takes, and the queue's policy decides which frames are left out.

Law: only a connected cloud holds the edge back. Through an outage, and while the frames of an outage are sent,
the edge goes on coding.
"""

from __future__ import annotations

import asyncio


class Backpressure:
    """Tells the pipeline when to wait."""

    def __init__(self) -> None:
        self._may_code = asyncio.Event()
        self._may_code.set()
        self._released = False

    @property
    def is_behind(self) -> bool:
        """Return whether the cloud holds the edge back now."""
        return not self._may_code.is_set()

    def note_behind(self, is_behind: bool) -> None:
        """Note that frames wait for the cloud's credit, or no longer do; the uplink calls this."""
        if is_behind and not self._released:
            self._may_code.clear()
        else:
            self._may_code.set()

    def release(self) -> None:
        """Hold nothing back from now on, because the service drains."""
        self._released = True
        self._may_code.set()

    async def wait_until_clear(self) -> None:
        """Wait until frames may be coded."""
        await self._may_code.wait()
