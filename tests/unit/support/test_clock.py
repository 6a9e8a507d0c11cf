"""A process's clock can be set while it runs, and its durations stay true."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.clock import KEPT_SECONDS, WrongClock, needs_wrong_clock

pytestmark = pytest.mark.starts_process

TELLS = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"


@needs_wrong_clock
def test_it_is_set_back_while_the_process_runs(tmp_path: Path) -> None:
    clock = WrongClock(tmp_path / "clock")
    with subprocess.Popen(
        [sys.executable, "-c", TELLS],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **clock.environment},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        questions, answers = process.stdin, process.stdout

        def told() -> tuple[float, float]:
            questions.write("?\n")
            questions.flush()
            of_day, monotonic = answers.readline().split()
            return float(of_day) - time.time(), float(monotonic) - time.monotonic()

        assert max(map(abs, told())) < 1
        clock.set(-3600.0)
        time.sleep(KEPT_SECONDS)
        wrong, monotonic = told()
        assert abs(wrong + 3600) < 1
        assert abs(monotonic) < 1
        questions.close()
