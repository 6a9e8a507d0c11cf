"""A supervisor tells the first of its tasks that ended and must not have, and leaves none behind."""

from __future__ import annotations

import asyncio

import pytest

from shared.server.supervisor import Deadline, Supervisor, ended

pytestmark = pytest.mark.asyncio


async def for_ever() -> None:
    await asyncio.Event().wait()


async def nothing() -> None: ...


async def breaks(reason: str, seconds: float = 0.0) -> None:
    await asyncio.sleep(seconds)
    raise OSError(reason)


async def failure_of(supervisor: Supervisor) -> BaseException:
    return await asyncio.wait_for(supervisor.failed(), 5)


async def assert_no_failure(supervisor: Supervisor) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(supervisor.failed(), 0.05)


async def test_the_first_failure_is_the_reason() -> None:
    supervisor = Supervisor()
    supervisor.start(for_ever(), "journal")
    supervisor.start(breaks("the second", 0.05), "bus")
    supervisor.start(breaks("the first"), "uplink")
    assert str(await failure_of(supervisor)) == "the first"
    await asyncio.sleep(0.1)
    assert str(await failure_of(supervisor)) == "the first"
    await supervisor.stop()


async def test_a_failure_is_kept_until_somebody_waits_for_it() -> None:
    supervisor = Supervisor()
    task = supervisor.start(breaks("long ago"), "uplink")
    await asyncio.wait({task})
    assert str(await failure_of(supervisor)) == "long ago"


async def test_a_task_that_ends_without_an_error_is_named() -> None:
    supervisor = Supervisor()
    supervisor.start(nothing(), "housekeeping")
    assert str(await failure_of(supervisor)) == "housekeeping has ended"


async def test_a_task_that_somebody_else_cancels_is_named() -> None:
    supervisor = Supervisor()
    supervisor.start(for_ever(), "housekeeping").cancel()
    assert str(await failure_of(supervisor)) == "housekeeping has ended"


async def test_a_task_that_may_end_fails_with_an_error_alone() -> None:
    supervisor = Supervisor()
    supervisor.start(nothing(), "source", may_end=True)
    await assert_no_failure(supervisor)
    supervisor.start(breaks("no such camera"), "source", may_end=True)
    assert str(await failure_of(supervisor)) == "no such camera"


async def test_a_task_that_is_started_late_is_watched_too() -> None:
    supervisor = Supervisor()
    waiting = asyncio.create_task(supervisor.failed())
    await asyncio.sleep(0)
    supervisor.start(breaks("late"), "source")
    assert str(await asyncio.wait_for(waiting, 5)) == "late"


async def test_a_stop_ends_all_tasks_and_is_no_failure() -> None:
    supervisor = Supervisor()
    tasks = [supervisor.start(for_ever(), str(number)) for number in range(3)]
    await asyncio.wait_for(supervisor.stop(), 5)
    assert all(task.done() for task in tasks)
    await assert_no_failure(supervisor)


async def test_a_stop_waits_for_what_a_task_does_at_its_end() -> None:
    supervisor, tidied = Supervisor(), []

    async def tidy() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0.05)
            tidied.append("spool")

    supervisor.start(tidy(), "spool")
    await asyncio.sleep(0)
    await asyncio.wait_for(supervisor.stop(), 5)
    assert tidied == ["spool"]


async def test_a_part_fails_for_the_service_too_and_is_stopped_by_its_owner() -> None:
    service, part = Supervisor(), Supervisor()
    service.watch(part)
    task = part.start(for_ever(), "pipeline")
    await service.stop()
    assert not task.done(), "a service's parts end in their own order"
    part.start(breaks("the disk is full"), "journal")
    assert str(await failure_of(part)) == "the disk is full"
    await part.stop()
    assert task.done()


@pytest.mark.parametrize("is_early", [True, False], ids=["failed before it is watched", "fails while it is watched"])
async def test_the_failure_of_a_part_of_a_part_is_told(is_early: bool) -> None:
    service, storage, cameras = Supervisor(), Supervisor(), Supervisor()
    if is_early:
        await asyncio.wait({cameras.start(breaks("no bus"), "cameras")})
    service.watch(storage)
    storage.watch(cameras)
    if not is_early:
        cameras.start(breaks("no bus"), "cameras")
    assert str(await failure_of(service)) == "no bus"


async def test_the_stop_of_a_part_is_no_failure_of_the_service() -> None:
    service, part = Supervisor(), Supervisor()
    service.watch(part)
    part.start(for_ever(), "pipeline")
    await part.stop()
    await assert_no_failure(service)


async def test_a_deadline_cancels_the_work_that_it_does_not_allow() -> None:
    cancelled = asyncio.Event()

    async def long_work() -> None:
        try:
            await for_ever()
        finally:
            cancelled.set()

    assert not await Deadline(0.05).allows(long_work())
    assert cancelled.is_set()
    assert await Deadline(5.0).allows(asyncio.sleep(0))


async def test_a_deadline_that_has_passed_allows_what_is_done_already() -> None:
    passed = Deadline(-1.0)
    assert await passed.allows(nothing())
    assert not await passed.allows(for_ever())
    assert await passed.allows(asyncio.sleep(0.001), at_least=5.0)


async def test_a_deadline_tells_what_is_left() -> None:
    now = 100.0
    deadline = Deadline(8.0, clock=lambda: now)
    now = 105.0
    assert (deadline.left(), deadline.left(at_least=4.0)) == (3.0, 4.0)
    now = 110.0
    assert deadline.left() == 0.0


async def test_a_task_that_swallows_its_cancellation_ends_too() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed += 1

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(ended([task]), 5)
    assert (task.done(), swallowed) == (True, 1)
