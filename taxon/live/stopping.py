"""When a live command ends: after its time, or at a signal.

    SIGINT, SIGTERM, the end of its time --> Stop          a second signal ends the command at once
    async for item in until(items, stop): ...

Law: what was begun is finished and summed up before the command ends, unless it is told twice.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import TypeVar

Item = TypeVar("Item")

INTERRUPTED = 130


class Stop:
    """The wish that a command ends; made on its loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def wanted(self) -> bool:
        """Whether to end."""
        return self._event.is_set()

    def set(self) -> None:
        """End now."""
        self._event.set()

    def after(self, seconds: float | None) -> None:
        """End after so long, counted from the first call; None sets no end."""
        if seconds is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.set)

    def on_signals(self) -> None:
        """SIGINT and SIGTERM end the command; a second one cancels it."""
        main = asyncio.current_task()

        def on_signal() -> None:
            if self.wanted and main is not None:
                main.cancel()
            self.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, on_signal)

    async def wait(self, seconds: float | None = None) -> bool:
        """Waits for the wish, at most so long; whether it is there."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True


async def until(items: AsyncIterator[Item], stop: Stop) -> AsyncGenerator[Item, None]:
    """The items until the command is to end, also while it waits for the next one; closes them then."""
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.wanted:
            coming = asyncio.ensure_future(anext(items))
            try:
                await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not coming.done():
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)
            if coming.cancelled():
                return
            try:
                item = coming.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        stopping.cancel()
        if isinstance(items, AsyncGenerator):
            await items.aclose()


async def finish(work: Coroutine[None, None, None], stop: Stop, grace_seconds: float | Callable[[], float]) -> None:
    """Does the work; once the command is to end, the work has `grace_seconds`, as they are then, to come to its own end."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            grace = grace_seconds() if callable(grace_seconds) else grace_seconds
            await asyncio.wait({working}, timeout=grace)
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    if not working.cancelled():
        working.result()


def run_live(command: Coroutine[None, None, int]) -> int:
    """Runs a live command; the exit status, INTERRUPTED for one that was told twice to end."""
    try:
        return asyncio.run(command)
    except asyncio.CancelledError:
        return INTERRUPTED
