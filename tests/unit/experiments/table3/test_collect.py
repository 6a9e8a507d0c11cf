"""Which tasks to code together."""

from __future__ import annotations

import pytest

from experiments.table3.collect import best_grouping, partitions


@pytest.mark.parametrize(("count", "bell"), [(0, 1), (1, 1), (3, 5), (6, 203)])
def test_every_partition_is_found_once(count: int, bell: int) -> None:
    items = [str(i) for i in range(count)]
    found = {frozenset(frozenset(group) for group in partition) for partition in partitions(items)}
    assert len(found) == len(partitions(items)) == bell
    assert all(sorted(item for group in partition for item in group) == items for partition in found)


def test_tasks_that_help_each_other_are_put_together() -> None:
    ratios: dict[str, float | None] = {"a+b": 0.7, "a+c": 1.2, "b+c": 1.3, "a+d": 1.1, "b+d": 1.1, "c+d": 0.8}
    grouping = best_grouping(("a", "b", "c", "d"), ratios)
    assert {frozenset(group) for group in grouping} == {frozenset("ab"), frozenset("cd")}


def test_where_nothing_helps_or_nothing_is_known_every_task_stays_alone() -> None:
    assert len(best_grouping(("a", "b", "c"), {"a+b": 1.1, "a+c": 1.2, "b+c": 1.05})) == 3
    assert len(best_grouping(("a", "b"), {"a+b": 1.01})) == 2
