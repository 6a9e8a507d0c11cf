"""What all tests share: Hypothesis without deadlines (the machine may be busy), and a tiny bundle."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from shared.model.bundle import Bundle
from tests.support.bundles import write_tiny_bundle

settings.register_profile("taxon", deadline=None, max_examples=60)
settings.load_profile("taxon")


@pytest.fixture(scope="session")
def tiny_bundle_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete bundle of random weights, 32x32 pixels; tests that change files copy it first."""
    directory = tmp_path_factory.mktemp("models") / "tiny" / "1"
    write_tiny_bundle(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_bundle(tiny_bundle_directory: Path) -> Bundle:
    return Bundle.load(tiny_bundle_directory)


@pytest.fixture(autouse=True)
def denormal_numbers_stay() -> Iterator[None]:
    """Training commands flush them in their whole process, which here is that of all tests."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
