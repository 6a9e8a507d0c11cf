"""Blocking calls in threads, none of which is waited for longer than its deadline.

    await threads.run(call, ...)  -->  its result, or CallHangs after the deadline: a fresh pool then takes the next calls

A thread in a library's code cannot be ended, so one that hangs is left behind with its pool. Law: it keeps nobody else waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from shared.errors import CallHangs

Given = ParamSpec("Given")
Made = TypeVar("Made")


class Threads:
    """count: of threads. deadline_seconds: of a call. hung: told of each call that was given up."""

    def __init__(self, count: int, name: str, deadline_seconds: float, hung: Callable[[], None]) -> None:
        self._count = count
        self._name = name
        self._deadline_seconds = deadline_seconds
        self._hung = hung
        self._pool = ThreadPoolExecutor(count, name)

    async def run(self, call: Callable[Given, Made], *args: Given.args, **kwargs: Given.kwargs) -> Made:
        """The call's result or error; raises CallHangs."""
        pool = self._pool
        work = asyncio.wrap_future(pool.submit(call, *args, **kwargs))
        done, _ = await asyncio.wait({work}, timeout=self._deadline_seconds)
        if done:
            return work.result()
        work.cancel()
        self._hung()
        if pool is self._pool:
            self._pool = ThreadPoolExecutor(self._count, self._name)
            pool.shutdown(wait=False)
        raise CallHangs(
            f"{self._name} took longer than {self._deadline_seconds:g} s and was given up; see the cloud's log"
        )

    def shut_down(self) -> None:
        """Waits for what is under way, but not for what hangs; blocks."""
        self._pool.shutdown(cancel_futures=True)
