from __future__ import annotations

import pytest

from edge_encoder.control.wanted_groups import CurrentWish, kept_wish
from shared.errors import BadName, UnknownName
from tests.support.edge import wanted

GROUPS = ("semantic", "geometry")


def test_nothing_is_wanted_until_somebody_says_so() -> None:
    assert CurrentWish(GROUPS).groups_for("a") == ()


def test_groups_of_all_and_of_single_cameras_add_up_in_the_bundles_order() -> None:
    wishes = CurrentWish(GROUPS)
    wishes.replace(wanted("geometry", kitchen=("semantic",)))
    assert wishes.groups_for("hall") == ("geometry",)
    assert wishes.groups_for("kitchen") == ("semantic", "geometry")


def test_a_wish_replaces_the_one_before() -> None:
    wishes = CurrentWish(GROUPS)
    wishes.replace(wanted("geometry", kitchen=("semantic",)))
    wishes.replace(wanted())
    assert wishes.groups_for("kitchen") == ()


def test_pinned_groups_are_wanted_whatever_the_cloud_says() -> None:
    wishes = CurrentWish(GROUPS, ["semantic"])
    assert wishes.groups_for("a") == ("semantic",)
    wishes.replace(wanted(b=("geometry",)))
    assert (wishes.groups_for("a"), wishes.groups_for("b")) == (("semantic",), GROUPS)
    with pytest.raises(UnknownName, match="unknown task group audio"):
        CurrentWish(GROUPS, ["audio"])


def test_groups_of_other_bundles_are_passed_over_and_bad_names_refused() -> None:
    wishes = CurrentWish(GROUPS)
    wishes.replace(wanted("audio", a=("smell",)))
    assert wishes.groups_for("a") == ()
    with pytest.raises(BadName):
        wishes.replace(wanted(**{"no name": ("semantic",)}))


def test_a_kept_wish_comes_back_and_a_damaged_one_is_none() -> None:
    wish = wanted("geometry", a=("semantic",))
    assert kept_wish(wish.SerializeToString()) == wish
    assert kept_wish(None) == kept_wish(b"\xff\xff\xff") == wanted()
