"""Blocking calls in threads, each of which is waited for no longer than its deadline.

    call --run, in a thread--> its result
                           --> CallHangs after the deadline; a fresh pool of threads takes the next calls

A thread inside a library cannot be ended, so a call that hangs is left behind with its pool.
Law: a call that hangs keeps no other call waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from shared.errors import CallHangs

Given = ParamSpec("Given")
Made = TypeVar("Made")


class DeadlineThreads:
    """A pool of threads with a deadline for each call.

    count: the number of threads.
    name: the name of the stage, for the threads and for error messages.
    deadline_seconds: the longest that a call is waited for.
    on_hang: is called for each call that was given up.
    """

    def __init__(self, count: int, name: str, deadline_seconds: float, on_hang: Callable[[], None]) -> None:
        self._count = count
        self._name = name
        self._deadline_seconds = deadline_seconds
        self._on_hang = on_hang
        self._pool = ThreadPoolExecutor(count, name)

    async def run(self, call: Callable[Given, Made], *args: Given.args, **kwargs: Given.kwargs) -> Made:
        """Return the call's result, or raise its error. Raises CallHangs after the deadline."""
        pool = self._pool
        work = asyncio.wrap_future(pool.submit(call, *args, **kwargs))
        done, _ = await asyncio.wait({work}, timeout=self._deadline_seconds)
        if done:
            return work.result()
        work.cancel()
        self._on_hang()
        # Several calls may hang in one pool; only the first of them replaces it.
        if pool is self._pool:
            self._pool = ThreadPoolExecutor(self._count, self._name)
            pool.shutdown(wait=False)
        raise CallHangs(
            f"{self._name} took longer than {self._deadline_seconds:g} s and was given up; see the cloud's log"
        )

    def shut_down(self) -> None:
        """Wait for the calls that are under way, but not for those that hang. This blocks."""
        self._pool.shutdown(cancel_futures=True)
