"""The life of a service, the same for both: it starts, serves until a signal comes, drains and stops.

    start --ready--> serving --SIGTERM or SIGINT--> stop (drains first) --> exit status 0
                       ^  |  --failed-------------> stop -----------------> exit status 1
                       `--'  --SIGHUP: reload

Law: a first signal drains, a second one stops at once. An error at the start is one line and a non-zero status.
Law: SIGHUP never ends a service. It reads again what may have changed; what cannot be used is logged, and nothing changes.
Law: a stop ends in bounded time whatever hangs, a thread included.
Law: the operator is told at the start where there is not enough room for the files of all connections.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from shared.errors import TaxonError
from shared.telemetry.logs import logger

log = logger("service")
RELOAD_SECONDS = 60.0
"""The time that one reload may take."""
OTHER_FILES = 512
"""The other files of a service: the spool's or the journal's, libraries', and its own connections."""


class Service(Protocol):
    """A service that can be run."""

    async def start(self) -> None:
        """Return when the service is ready; raises TaxonError."""

    async def failed(self) -> BaseException:
        """Wait for the first failure and return its reason, as `Supervisor.failed` does."""

    async def reload(self) -> None:
        """Read certificates, tokens and the like again; raises TaxonError, OSError or ValueError, and then changes nothing."""

    async def stop(self) -> None:
        """Drain within the deadline of the settings, then stop."""


def run_service(
    make: Callable[[], Service],
    reread: Callable[[], None] = lambda: None,
    last_resort_seconds: float | None = None,
) -> int:
    """Run one service until a signal comes; return the exit status.

    reread: reads the settings again at SIGHUP, in a thread, before the service reloads; raises TaxonError.
    last_resort_seconds: a stop that takes longer ends the whole process, wherever it hangs; None waits for ever.
    """
    return asyncio.run(_run(make(), reread, last_resort_seconds))


def _arm_last_resort(seconds: float | None) -> None:
    """End this process after the time, with a line that says so and the stacks of its threads."""
    if seconds is None:
        return

    def end() -> None:
        log.critical("the stop hangs and is given up; what was accepted is on the disk", seconds=seconds)
        faulthandler.dump_traceback(sys.stderr)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    # It runs on while the interpreter waits for threads at its end, and ends with the process.
    timer.daemon = True
    timer.start()


async def _run(service: Service, reread: Callable[[], None], last_resort_seconds: float | None) -> int:
    stopping = asyncio.Event()
    hung_up = asyncio.Event()
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()

    def arm() -> None:
        _arm_last_resort(last_resort_seconds)

    def on_signal(name: str) -> None:
        if stopping.is_set() and main is not None:
            log.warning("stopping at once", signal=name)
            main.cancel()
        log.info("draining", signal=name)
        if not stopping.is_set():
            arm()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number.name)
    loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    try:
        return await _serve(service, stopping, lambda: _reload_at(hung_up, service, reread), arm)
    except asyncio.CancelledError:
        return 1
    finally:
        # Left to itself, the loop would bring back the default, which ends the process.
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


async def _reload_at(hung_up: asyncio.Event, service: Service, reread: Callable[[], None]) -> None:
    """Reload whenever the event is set, one reload after the other."""
    while True:
        await hung_up.wait()
        hung_up.clear()
        log.info("reloading", signal=signal.SIGHUP.name)
        try:
            async with asyncio.timeout(RELOAD_SECONDS):
                await asyncio.to_thread(reread)
                await service.reload()
        except (TaxonError, OSError, ValueError) as error:
            log.error("not reloaded, what was read before holds", reason=str(error) or type(error).__name__)
        except Exception:
            log.exception("not reloaded, what was read before holds")
        else:
            log.info("reloaded")


async def _serve(
    service: Service,
    stopping: asyncio.Event,
    reloads: Callable[[], Coroutine[Any, Any, None]],
    arm: Callable[[], None],
) -> int:
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
    # A hangup that came while the service was starting is answered now.
    reloading = asyncio.create_task(reloads())
    await asyncio.wait({waits, fails}, return_when=asyncio.FIRST_COMPLETED)
    reloading.cancel()
    await asyncio.gather(reloading, return_exceptions=True)
    status = 0
    if fails.done():
        arm()
        status = 1
        log.error("failed", exc_info=fails.result())
    fails.cancel()
    waits.cancel()
    await service.stop()
    log.info("stopped")
    return status


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
