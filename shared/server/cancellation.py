"""How a service ends what it has started.

Law: when `ended` returns, no task runs any more. One `cancel` is not enough: what a task awaits may come in the very moment in which it is
cancelled, and Python before 3.12 then lets `asyncio.wait_for` (as libraries use it) return that, and the cancellation is forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.1


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels the tasks until all are done; what they raised is passed over."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
