"""What all tests share: Hypothesis without deadlines (the machine may be busy), and a tiny bundle."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from shared.bundle import Bundle
from tests.tiny_bundle import write_tiny_bundle

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
