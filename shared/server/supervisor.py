"""The background tasks of a service or of one of its parts, and the time that a stop is given.

    start --task ends that must not--> failed: the service stops with this reason
    stop --cancel, again until it works--> every task has ended

A part that ends at its own moment has a supervisor of its own; the service's supervisor watches it.

Laws: the first failure is kept, also where nobody waits for it yet. A task that `stop` ends has not failed.
When `stop` returns, no task runs any more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

AGAIN_SECONDS = 0.1


class Supervisor:
    """Named tasks of which most must not end by themselves."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._has_failed = asyncio.Event()
        self._watchers: list[Callable[[BaseException], None]] = []
        self._is_stopping = False

    def start(self, work: Coroutine[Any, Any, None], name: str, *, may_end: bool = False) -> asyncio.Task[None]:
        """Run the work in the background. may_end: its end is a failure only where it comes with an error."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._on_end(done, may_end))
        return task

    def watch(self, part: Supervisor) -> None:
        """Count a failure of that part as one of this supervisor; whoever owns the part stops it."""
        part._watchers.append(self._fail)
        if part._failure is not None:
            self._fail(part._failure)

    async def failed(self) -> BaseException:
        """Wait for the first failure and return its reason; wait for ever where nothing fails."""
        await self._has_failed.wait()
        assert self._failure is not None
        return self._failure

    async def stop(self) -> None:
        """Cancel all tasks and wait until they have ended."""
        self._is_stopping = True
        await ended(self._tasks)

    def _on_end(self, task: asyncio.Task[None], may_end: bool) -> None:
        self._tasks.discard(task)
        # Asked for in any case: asyncio complains of an exception that nobody has looked at.
        error = None if task.cancelled() else task.exception()
        if self._is_stopping or (error is None and may_end):
            return
        self._fail(error or RuntimeError(f"{task.get_name()} has ended"))

    def _fail(self, reason: BaseException) -> None:
        if self._failure is not None:
            return
        self._failure = reason
        self._has_failed.set()
        for watcher in self._watchers:
            watcher(reason)


class Deadline:
    """The moment until which a stop may take its time. seconds: from now. clock: seconds, monotonic."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + seconds

    def left(self, at_least: float = 0.0) -> float:
        """Return the seconds that are left, or `at_least` where fewer are."""
        return max(at_least, self._at - self._clock())

    async def allows(self, work: Awaitable[object], at_least: float = 0.0) -> bool:
        """Do the work or cancel it at the deadline; return whether it was done."""
        try:
            async with asyncio.timeout(self.left(at_least)):
                await work
        except TimeoutError:
            return False
        return True


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks until all are done, and pass over what they raised.

    One `cancel` is not enough. What a task awaits may come at the very moment of its cancellation. Before 3.12, Python then
    lets `asyncio.wait_for` (as libraries use it) return that, and the cancellation is forgotten.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
