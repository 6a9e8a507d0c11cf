"""The setup of every experiment and the making of its training runs, several at a time where there are cores for it.

runs that are missing --worker processes--> results in the suite's folder --result_of--> RunResult
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from tqdm import tqdm

from experiments.runs.runs import BASE_SEED, Run, RunResult, result_of
from experiments.suites.suite import Suite

OpenSuite = Callable[[], Suite]


@dataclass(frozen=True)
class Setup:
    """Settings of an experiment.

    open_suite: opens the suite again in a worker process (it can be pickled and hashed). seeds: how many of each run that is repeated.
    steps: of every run. workers: training processes at a time.
    """

    suite: Suite
    open_suite: OpenSuite
    device: str
    seeds: int
    steps: int
    workers: int

    def results(self, runs: Sequence[Run]) -> list[RunResult]:
        """The results of the runs, in their order; those that are missing are made first."""
        missing = [run for run in dict.fromkeys(runs) if not (self.suite.folder / "runs" / f"{run.key}.json").exists()]
        if self.workers > 1 and len(missing) > 1:
            self._in_processes(missing)
        return [result_of(self.suite, run, self.device) for run in runs]

    def described(self) -> dict[str, Any]:
        """Describe how a results file was made."""
        return {
            "suite": self.suite.name,
            "networks_sha256": self.suite.networks_sha256,
            "seeds": [BASE_SEED + seed for seed in range(self.seeds)],
            "steps": self.steps,
            "frames": {split: len(self.suite.split(split)) for split in ("fit", "validation", "test")},
        }

    def _in_processes(self, runs: Sequence[Run]) -> None:
        context = multiprocessing.get_context("spawn")
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        with ProcessPoolExecutor(self.workers, context, _start, (threads,)) as pool:
            jobs = {pool.submit(_work, self.open_suite, run, self.device): run for run in runs}
            for job in tqdm(as_completed(jobs), total=len(jobs), desc="training runs"):
                job.result()
                tqdm.write(f"done: {jobs[job].key}")


def _start(threads: int) -> None:
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)


@cache
def _opened(open_suite: OpenSuite) -> Suite:
    """A worker's suite, opened once."""
    return open_suite()


def _work(open_suite: OpenSuite, run: Run, device: str) -> None:
    result_of(_opened(open_suite), run, device)
