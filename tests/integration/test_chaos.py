"""Faults at random for half a minute: see `tests.trials.chaos`, which runs as long as you like.

What this machine cannot do is said and left out.

TAXON_CHAOS_SEED repeats a run's faults (their moments differ a little); TAXON_CHAOS_SECONDS lengthens it.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.trials.chaos.run import run

# A life's memory is compared at fixed ages, which a service that shares its core reaches before it is warm.
pytestmark = [pytest.mark.starts_process, pytest.mark.alone]

SECONDS = 25.0


@pytest.mark.asyncio
async def test_whatever_dies_every_accepted_frame_arrives_once_and_in_order(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    seed = int(os.environ.get("TAXON_CHAOS_SEED", random.randrange(1 << 30)))
    seconds = float(os.environ.get("TAXON_CHAOS_SECONDS", SECONDS))
    print(f"TAXON_CHAOS_SEED={seed}")
    report = await run(tmp_path, tiny_bundle_directory, seed, seconds, has_sources=seconds > SECONDS)
    print(report.table())
    print(report)
    assert not report.broken()
