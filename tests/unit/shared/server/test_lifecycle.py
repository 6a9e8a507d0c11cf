"""A service's life: signals drain it or stop it at once, and a failure ends it with a status."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from shared.server.lifecycle import run_service

SLOW_SERVICE = """
import asyncio
from shared.server.lifecycle import run_service
from shared.telemetry.logs import configure_logs
configure_logs("slow")
class Slow:
    async def start(self): print("started", flush=True)
    async def failed(self): await asyncio.Event().wait()
    async def reload(self):
        print("reloading", flush=True)
        if {refuses}: raise ValueError("half a file")
    async def stop(self):
        print("draining", flush=True)
        await asyncio.sleep({drain})
        print("stopped", flush=True)
raise SystemExit(run_service(Slow))
"""


@pytest.mark.starts_process
@pytest.mark.parametrize(
    ("drain", "signals", "status", "last"),
    [(0.1, 1, 0, "stopped"), (60, 2, 1, "draining")],
    ids=["the first signal drains", "the second one stops at once"],
)
def test_signals(drain: float, signals: int, status: int, last: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_SERVICE.format(drain=drain, refuses=False)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "draining\n"
        if signals == 2:
            process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(timeout=20) == status
    assert (rest.split() or ["draining"])[-1] == last


@pytest.mark.starts_process
@pytest.mark.parametrize("refuses", [False, True], ids=["what is new is taken", "what is unusable is told"])
def test_a_hangup_reloads_and_never_ends_the_service(refuses: bool) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_SERVICE.format(drain=0, refuses=refuses)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        assert process.stdout.readline() == "started\n"
        for _ in range(3):
            process.send_signal(signal.SIGHUP)
            assert process.stdout.readline() == "reloading\n"
            told = process.stderr.readline() + process.stderr.readline()
            assert ("half a file" in told) is refuses
            assert ('"reloaded"' in told) is not refuses
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "draining\n"
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=20) == 0, "a hangup while it drains does not end it either"


HANGING_SERVICE = """
import asyncio, threading, time
from shared.server.lifecycle import run_service
from shared.telemetry.logs import configure_logs
configure_logs("hanging")
class Hanging:
    async def start(self):
        print("started", flush=True)
        if "{where}" == "start": await asyncio.to_thread(time.sleep, 600)
    async def failed(self):
        if "{where}" != "failure": await asyncio.Event().wait()
        return RuntimeError("a part failed")
    async def reload(self): ...
    async def stop(self):
        if "{where}" == "loop": time.sleep(600)
        if "{where}" == "task": await asyncio.Event().wait()
        if "{where}" in ("thread", "failure"): threading.Thread(target=time.sleep, args=[600]).start()
raise SystemExit(run_service(Hanging, last_resort_seconds=1.0))
"""


@pytest.mark.starts_process
@pytest.mark.parametrize("where", ["start", "loop", "task", "thread", "failure"])
def test_a_stop_that_hangs_is_given_up_and_says_where(where: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING_SERVICE.format(where=where)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        assert process.stdout.readline() == "started\n"
        if where != "failure":
            process.send_signal(signal.SIGTERM)
        told = process.stderr.read()
        assert process.wait(timeout=20) == 1
    assert "the stop hangs and is given up" in told
    assert "most recent call first" in told


def test_a_service_that_fails_is_stopped_with_a_status() -> None:
    class Failing:
        stopped = False

        async def start(self) -> None: ...

        async def failed(self) -> BaseException:
            return RuntimeError("the uplink's task ended")

        async def reload(self) -> None: ...

        async def stop(self) -> None:
            self.stopped = True

    service = Failing()
    assert run_service(lambda: service) == 1
    assert service.stopped
