"""Class names that the product defines more than once: who searches for one finds another.

Law: at most five names are shared, each for a reason that is written here.
"""

from __future__ import annotations

from collections import Counter

from tests.support.source_tree import classes, product_files

DEFINED_TWICE = {
    "Pipeline": "each service has one, in the file of that name; neither service sees the other's",
}
"""The names that two classes share, with the reason. Private classes count, too: a traceback shows them by the same name."""
MOST_NAMES = 5


def defined_more_than_once() -> set[str]:
    counted = Counter(one.name for one in classes(product_files()))
    return {name for name, times in counted.items() if times > 1}


def test_no_further_class_name_is_defined_twice() -> None:
    added = defined_more_than_once() - DEFINED_TWICE.keys()
    places = [f"{one.path}: {one.name}" for one in classes(product_files()) if one.name in added]
    assert not added, places


def test_a_name_that_is_unique_again_has_left_the_list() -> None:
    assert not DEFINED_TWICE.keys() - defined_more_than_once(), "take these out, so that they stay unique"
    assert len(DEFINED_TWICE) <= MOST_NAMES
