"""The end of tasks that a service has started.

Law: when `ended` returns, no task runs any more. One `cancel` is not enough. What a task awaits may come at the very
moment of its cancellation. Before 3.12, Python then lets `asyncio.wait_for` (as libraries use it) return that, and the
cancellation is forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.1


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks until all are done, and pass over what they raised."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
