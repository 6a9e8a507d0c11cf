"""The end of a live command: after its time, or at a signal.

    SIGINT, SIGTERM, the end of its time --> Stop          a second signal ends the command at once
    async for item in until(items, stop): ...

Law: a command finishes and sums up what it began, unless it is told twice to end.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import TypeVar

Item = TypeVar("Item")

INTERRUPTED = 130


class Stop:
    """The request that a command ends. It is made on the command's loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def wanted(self) -> bool:
        """True once the command is to end."""
        return self._event.is_set()

    def set(self) -> None:
        """Ask for the end now."""
        self._event.set()

    def after(self, seconds: float | None) -> None:
        """Ask for the end after these seconds, counted from the first call; None asks for none."""
        if seconds is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.set)

    def on_signals(self) -> None:
        """Let SIGINT and SIGTERM ask for the end; a second one cancels the command."""
        main = asyncio.current_task()

        def on_signal() -> None:
            if self.wanted and main is not None:
                main.cancel()
            self.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, on_signal)

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait for the request, at most these seconds, and return True if it came."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True


async def until(items: AsyncIterator[Item], stop: Stop) -> AsyncGenerator[Item, None]:
    """Give the items until the command is to end, even while the next one is awaited; close them then."""
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
    """Do the work. Once the command is to end, the work has `grace_seconds`, as they are then, to end by itself."""
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
    """Run a live command and return its exit status; INTERRUPTED if it was told twice to end."""
    try:
        return asyncio.run(command)
    except asyncio.CancelledError:
        return INTERRUPTED
