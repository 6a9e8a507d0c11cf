"""A tiny bundle whose input has the size of the real one's, and splits that were stolen through it once."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.privacy.collection import Collection, collect_split
from tests.support.bundles import write_tiny_bundle
from tests.support.experiments import sources


@pytest.fixture(scope="session")
def wide_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wide") / "tiny" / "1"
    write_tiny_bundle(directory, scale=8)
    return directory


@pytest.fixture(scope="session")
def fit(wide_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """20 sources with two views each: two chunks."""
    return collect_split(tmp_path_factory.mktemp("fit"), wide_bundle, sources(20, 2), False, 1, "fit")


@pytest.fixture(scope="session")
def validation(wide_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return collect_split(tmp_path_factory.mktemp("validation"), wide_bundle, sources(5, 1, 500), True, 1, "validation")
