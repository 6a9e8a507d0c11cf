"""Wishes: their union by group and camera, and how long they outlive their subscriber."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_analytics.analysis.catalogue import ServedBundle
from cloud_analytics.journal.local.sqlite_journal import Database, open_database
from cloud_analytics.journal.local.storage import DiskWishStore
from cloud_analytics.journal.storage import StoredWish
from cloud_analytics.wishes import WantedGroups, Wishes
from shared.contract.results import Encoding
from shared.contract.wishes import SubscriberWish
from tests.support.cloud import catalogue_of, metrics
from tests.support.uptime import Machine

GROUPS = {"class_scene": "semantic", "segment_semantic": "semantic", "normal": "geometry", "reshading": "geometry"}


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def database(tmp_path: Path, machine: Machine) -> Iterator[Database]:
    opened = open_database(tmp_path, machine.uptime)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def served(tiny_bundle_directory: Path) -> ServedBundle:
    catalogue = catalogue_of(tiny_bundle_directory.parents[1], metrics())
    catalogue.scan()
    return next(iter(catalogue.served.values()))


def wishes_on(database: Database, most_held: int = 10) -> Wishes:
    return Wishes(DiskWishStore(database), most_held, metrics())


def of_all(*groups: str) -> WantedGroups:
    return WantedGroups(frozenset(groups), {})


wish_lists = st.lists(
    st.tuples(
        st.sets(st.sampled_from(("door", "hall", "yard"))),
        st.sets(st.sampled_from([*GROUPS, "a task of another bundle"])),
    ),
    max_size=6,
)


@given(wish_lists)
def test_wanted_is_the_union_by_camera_and_says_nothing_twice(
    served: ServedBundle, wished: list[tuple[set[str], set[str]]]
) -> None:
    wishes = Wishes(DiskWishStore(None), 10, metrics())  # type: ignore[arg-type]  # nothing of it is written
    for place, (cameras, tasks) in enumerate(wished):
        wishes.put(SubscriberWish(tuple(cameras), tuple(tasks), subscription_id=f"s{place}"))
    wanted = wishes.wanted(served)
    for camera in ("door", "hall", "yard", "one that comes later"):
        expected = {
            GROUPS[t] for cameras, tasks in wished for t in tasks & GROUPS.keys() if not cameras or camera in cameras
        }
        assert wanted.of_all | wanted.of_cameras.get(camera, frozenset()) == expected
        tasks_expected = {t for cameras, tasks in wished for t in tasks if not cameras or camera in cameras}
        assert wishes.tasks_for(camera) == tasks_expected
    for groups in wanted.of_cameras.values():
        assert groups
        assert not groups & wanted.of_all


@pytest.mark.asyncio
async def test_a_clean_end_ends_the_wish_and_a_broken_one_holds_it(database: Database, served: ServedBundle) -> None:
    wishes = wishes_on(database)
    wishes.put(SubscriberWish(subscription_id="a", tasks=("normal",), hold_seconds=60))
    wishes.put(SubscriberWish(subscription_id="b", tasks=("class_scene",), hold_seconds=60))
    assert wishes.wanted(served) == of_all("geometry", "semantic")
    wishes.drop("a", hold=False)
    assert wishes.wanted(served) == of_all("semantic")
    wishes.drop("b", hold=True)
    assert wishes.wanted(served) == of_all("semantic")
    assert wishes.tasks_for("door") == frozenset(), "no head runs for a subscriber that is away"
    wishes.put(SubscriberWish(subscription_id="b", tasks=("normal",)))
    assert wishes.wanted(served) == of_all("geometry"), "who comes back replaces its own wish"
    wishes.drop("b", hold=True)
    assert wishes.wanted(served) == of_all(), "it asked for no hold"
    await wishes.close()


@pytest.mark.asyncio
async def test_a_held_wish_expires_and_listeners_hear_of_it(database: Database, served: ServedBundle) -> None:
    wishes = wishes_on(database)
    heard: list[WantedGroups] = []
    stop = wishes.listen(lambda: heard.append(wishes.wanted(served)))
    wishes.put(SubscriberWish(subscription_id="a", tasks=("normal",), hold_seconds=0.05))
    wishes.drop("a", hold=True)
    async with asyncio.timeout(5):
        while heard[-1] != of_all():
            await asyncio.sleep(0.01)
    assert heard == [of_all("geometry"), of_all("geometry"), of_all()]
    stop()
    wishes.put(SubscriberWish(subscription_id="b"))
    assert len(heard) == 3
    await wishes.close()


@pytest.mark.asyncio
async def test_wishes_outlive_the_process_for_their_time(
    database: Database, served: ServedBundle, machine: Machine
) -> None:
    first = wishes_on(database)
    first.put(
        SubscriberWish(("door",), ("normal",), Encoding.PNG, 64, 3, 100, subscription_id="connected", cursor="cursor")
    )
    first.put(SubscriberWish(subscription_id="away", tasks=("class_scene",), hold_seconds=30))
    first.put(SubscriberWish(subscription_id="unsubscribed", tasks=("reshading",), hold_seconds=300))
    first.put(SubscriberWish(subscription_id="no hold", tasks=("reshading",)))
    await first.written()
    first.drop("away", hold=True)
    first.drop("unsubscribed", hold=False)
    await first.written()  # and no close: the process was killed

    machine.pass_seconds(20)
    machine.of_day += 1e8
    second = wishes_on(database)
    await second.start()
    assert second.wanted(served) == WantedGroups(frozenset({"semantic"}), {"door": frozenset({"geometry"})})
    await second.close()
    kept = await DiskWishStore(database, machine.now).kept()
    wish = SubscriberWish(("door",), ("normal",), Encoding.PNG, 64, 3, 100, subscription_id="connected")
    assert StoredWish(wish, database.running.now() + 100) in kept, "its time counts from the restart"

    machine.pass_seconds(15)
    machine.of_day -= 2e8
    third = wishes_on(database)
    await third.start()
    assert third.wanted(served) == WantedGroups(frozenset(), {"door": frozenset({"geometry"})}), "30 s are over"
    await third.close()


@pytest.mark.asyncio
async def test_held_wishes_are_bounded(database: Database) -> None:
    wishes = wishes_on(database, most_held=3)
    for place in range(6):
        wishes.put(SubscriberWish(subscription_id=f"s{place}", tasks=("normal",), hold_seconds=100 + place))
        wishes.drop(f"s{place}", hold=True)
    await wishes.close()
    assert {one.wish.subscription_id for one in await DiskWishStore(database).kept()} == {"s3", "s4", "s5"}


@pytest.mark.asyncio
async def test_a_caller_that_gives_up_takes_no_other_s_wish_along(database: Database) -> None:
    wishes = wishes_on(database)
    gate, workers = threading.Event(), 64
    busy = [asyncio.create_task(asyncio.to_thread(gate.wait)) for _ in range(workers)]
    await asyncio.sleep(0)
    wishes.put(SubscriberWish(subscription_id="stays", tasks=("normal",), hold_seconds=100))
    wishes.put(SubscriberWish(subscription_id="gives up", tasks=("normal",), hold_seconds=100))
    writing = asyncio.create_task(wishes.written())
    await asyncio.sleep(0.05)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    gate.set()
    await asyncio.gather(*busy)
    await wishes.written()
    assert {one.wish.subscription_id for one in await DiskWishStore(database).kept()} == {"stays", "gives up"}


@pytest.mark.asyncio
async def test_a_wish_that_is_dropped_because_the_service_stops_has_its_whole_time_after_the_restart(
    database: Database, machine: Machine
) -> None:
    wishes = wishes_on(database)
    wishes.put(SubscriberWish(subscription_id="connected", tasks=("normal",), hold_seconds=30))
    wishes.put(SubscriberWish(subscription_id="unsubscribes", tasks=("normal",), hold_seconds=30))
    wishes.put(SubscriberWish(subscription_id="broken before", tasks=("normal",), hold_seconds=30))
    wishes.drop("broken before", hold=True)
    wishes.stopping()
    wishes.drop("connected", hold=True)
    wishes.drop("unsubscribes", hold=False)
    await wishes.close()
    machine.pass_seconds(60)
    kept = await DiskWishStore(database).kept()
    assert [(one.wish.subscription_id, one.expires) for one in kept] == [("connected", database.running.now() + 30)]


@pytest.mark.asyncio
async def test_a_held_wish_outlives_a_clock_that_is_set_and_no_longer_than_it_asked(
    tmp_path: Path, machine: Machine
) -> None:
    for jump in (1e9, -1e9):
        folder = tmp_path / f"{jump}"
        database = open_database(folder, machine.uptime)
        wishes = Wishes(DiskWishStore(database, machine.now), 10, metrics())
        wishes.put(SubscriberWish(subscription_id="away", tasks=("normal",), hold_seconds=30))
        wishes.drop("away", hold=True)
        await wishes.close()
        database.close()
        machine.of_day += jump
        machine.pass_seconds(20)
        database = open_database(folder, machine.uptime)
        (kept,) = await DiskWishStore(database, machine.now).kept()
        assert kept.expires == pytest.approx(database.running.now() + 10)
        machine.pass_seconds(11)
        assert await DiskWishStore(database, machine.now).kept() == ()
        database.close()
