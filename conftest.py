"""What holds for the whole run: each test is held to its marker, which says what it starts (tests/support/starts.py).

No service writes a secret that a test gave it (tests/support/secrets.py).
"""

from __future__ import annotations

import gc
import os

import pytest

from tests.support.secrets import SecretGuard
from tests.support.starts import ALONE, MARKERS, StartGuard

# Several workers share the processor, and the networks are small: each process has one thread for its arithmetic.
# This stands before NumPy and torch are imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    config.addinivalue_line("markers", f"alone: {ALONE}")
    config.pluginmanager.register(StartGuard(), "starts")
    config.pluginmanager.register(SecretGuard(), "secrets")
    # A third of the time to import torch and its like goes to looking for garbage that is not there.
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
