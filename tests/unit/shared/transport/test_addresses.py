"""Clients of several addresses of one service go round, and begin evenly."""

from __future__ import annotations

from shared.transport.addresses import Targets


def test_targets_go_round() -> None:
    targets = Targets("a:1, b:2,c:3")
    seen = []
    for _ in range(4):
        seen.append(targets.current)
        targets.next()
    assert seen == ["a:1", "b:2", "c:3", "a:1"]
    one = Targets("a:1", "edge")
    one.next()
    assert (len(one), one.current) == (1, "a:1")


def test_clients_of_different_names_begin_at_different_targets_evenly() -> None:
    begins = [Targets("a:1,b:2,c:3", f"edge-{number}").current for number in range(3000)]
    assert all(800 < begins.count(target) < 1200 for target in ("a:1", "b:2", "c:3"))
    assert Targets("a:1,b:2", "same").current == Targets("a:1,b:2", "same").current
