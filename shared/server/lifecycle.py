"""The life of a service, the same for both: it starts, serves until a signal comes, drains and stops.

    start --ready--> serving --SIGTERM or SIGINT--> stop (drains first) --> exit status 0
                             --failed-------------> stop -----------------> exit status 1

Law: a first signal drains, a second one stops at once. An error at the start is one line and a non-zero status.
Law: the operator is told at the start where there is not enough room for the files of all connections.
"""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Callable
from typing import Protocol

from shared.errors import TaxonError
from shared.telemetry.logs import logger

log = logger("service")
OTHER_FILES = 512
"""The other files of a service: the spool's or the journal's, libraries', and its own connections."""


class Service(Protocol):
    """A service that can be run."""

    async def start(self) -> None:
        """Return when the service is ready; raises TaxonError."""

    async def failed(self) -> BaseException:
        """Wait for the first failure and return its reason, as `Supervisor.failed` does."""

    async def stop(self) -> None:
        """Drain within the deadline of the settings, then stop."""


def run_service(make: Callable[[], Service]) -> int:
    """Run one service until a signal comes; return the exit status."""
    return asyncio.run(_run(make()))


async def _run(service: Service) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()

    def on_signal(name: str) -> None:
        if stopping.is_set() and main is not None:
            log.warning("stopping at once", signal=name)
            main.cancel()
        log.info("draining", signal=name)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number.name)
    try:
        return await _serve(service, stopping)
    except asyncio.CancelledError:
        return 1


async def _serve(service: Service, stopping: asyncio.Event) -> int:
    waits = asyncio.create_task(stopping.wait())
    starts = asyncio.create_task(service.start())
    await asyncio.wait({waits, starts}, return_when=asyncio.FIRST_COMPLETED)
    if not starts.done():
        # A signal came while the service was starting: there is nothing to drain yet.
        starts.cancel()
        await asyncio.gather(starts, return_exceptions=True)
        await service.stop()
        return 0
    try:
        starts.result()
    except TaxonError:
        waits.cancel()
        await service.stop()
        raise
    fails = asyncio.create_task(service.failed())
    await asyncio.wait({waits, fails}, return_when=asyncio.FIRST_COMPLETED)
    status = 0
    if fails.done():
        status = 1
        log.error("failed", exc_info=fails.result())
    fails.cancel()
    waits.cancel()
    await service.stop()
    log.info("stopped")
    return status


log = logger("service")


def make_room(connections: int) -> int:
    """Make room for these connections; return the number of files that may be open then."""
    wanted = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    given = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (given, hard))
    if given < wanted:
        log.warning(
            "fewer files may be open than connections are allowed",
            files=given,
            wanted=wanted,
            lower="--http-connections, --rpc-connections, or raise the limit (ulimit -n)",
        )
    return given
