"""`from shared.client import ...` works for one more release, and says what to write."""

from __future__ import annotations

import pytest

import taxon

FORMER_NAMES = (
    "BundleInfo",
    "CameraClient",
    "CameraFrame",
    "CameraInfo",
    "ClassesResult",
    "ClassProbability",
    "CloudClient",
    "Credentials",
    "Encoding",
    "GroupBytes",
    "Outcome",
    "PictureResult",
    "Receipt",
    "Refused",
    "Result",
    "SettingsRefused",
    "Subscriber",
    "TaskInfo",
    "TaskResult",
    "TensorResult",
    "Timeouts",
    "Unreachable",
    "Wish",
)


@pytest.mark.parametrize("name", FORMER_NAMES)
def test_a_former_name_is_that_of_taxon_and_warns(name: str) -> None:
    found: dict[str, object] = {}
    with pytest.warns(DeprecationWarning, match=f"import {name} from taxon"):
        exec(f"from shared.client import {name}", found)
    assert found[name] is getattr(taxon, name)


def test_other_names_are_no_part_of_it() -> None:
    with pytest.raises(ImportError, match="Nothing"):
        exec("from shared.client import Nothing")
