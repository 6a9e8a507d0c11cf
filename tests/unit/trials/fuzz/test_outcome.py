"""A fuzzer process is watched: one that hangs is found and says where it stands, one that is merely slow to begin is not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.trials.fuzz import outcome
from tests.trials.fuzz.outcome import TELL_STACKS, Outcome, Watch
from tests.trials.fuzz.targets import TARGETS

pytestmark = pytest.mark.starts_process

BEGINNING = f"""
import faulthandler, sys, time
faulthandler.register({TELL_STACKS:d}, all_threads=True)
def say(line):
    print(line, flush=True)
def stuck_here():
    time.sleep(60)
"""


async def watched(script: str, most_seconds: float) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BEGINNING + script, cwd=Path(__file__).parents[4],
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        return await Watch(TARGETS["uplink"](), process, most_seconds).outcome()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.asyncio
async def test_one_that_hangs_says_where() -> None:
    found = await watched("say('INFO: Seed: 1')\nsay('#8 NEW cov: 5')\nstuck_here()", 1.0)
    [finding] = found.findings
    assert "the fuzzer hangs, 1 s after its beginning" in finding
    assert "stuck_here" in finding
    assert found.inputs == 8


@pytest.mark.asyncio
async def test_one_that_never_begins_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "START_SECONDS", 3.0)
    [finding] = (await watched("stuck_here()", 0.5)).findings
    assert "not begun" in finding
    assert "stuck_here" in finding


@pytest.mark.asyncio
async def test_its_time_counts_from_the_fuzzers_own_beginning() -> None:
    script = "time.sleep(1.5)\nsay('INFO: Seed: 1')\nsay('stat::number_of_executed_units: 12')"
    found = await watched(script, 1.0)
    assert (found.findings, found.inputs) == ([], 12)


@pytest.mark.asyncio
@pytest.mark.parametrize(("script", "words"), [("say('INFO: Seed: 1')", "nothing was run"), ("sys.exit(77)", "77")])
async def test_one_that_runs_nothing_or_fails_is_a_finding(script: str, words: str) -> None:
    [finding] = (await watched(script, 30.0)).findings
    assert words in finding
