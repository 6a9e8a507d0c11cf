"""`make fuzz DURATION=60`: every target in turn, each for its share of the time, by a fuzzer process of its own.

    TARGETS --child, its output read line by line, its memory looked at each second--> Outcome --> one line of summary

Law (what fails it): an error that nobody promised, an input over its deadline, memory over its bound or growing, a damaged input that gives
results, a target that ran nothing. Every finding leaves its input in `out/fuzz/` and is printed with the command that replays it.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.trials.fuzz.outcome import Outcome, Watch, summary
from tests.trials.fuzz.target import CORPUS, Target
from tests.trials.fuzz.targets import TARGETS

FINDINGS = Path("out/fuzz")
GRACE_SECONDS = 60.0
"""A fuzzer that does not end so long after its time hangs: libFuzzer itself ends an input after the target's deadline."""


def main() -> int:
    """Return 0 where the law held."""
    options = _options()
    if options.replay:
        return _replayed(TARGETS[options.replay[0]](), Path(options.replay[1]))
    if platform.machine() != "x86_64":
        print(
            "fuzz: atheris comes for x86-64 alone; pytest tests/unit/trials/fuzz runs the same targets without guidance",
            file=sys.stderr,
        )
        return 2
    began = time.monotonic()
    outcomes = asyncio.run(_all(options.targets, options.seconds / len(options.targets), options.seed))
    print(summary(outcomes, time.monotonic() - began), flush=True)
    return int(any(outcome.findings for outcome in outcomes))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.trials.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of all targets together")
    parser.add_argument("--targets", type=lambda text: text.split(","), default=list(TARGETS), help="default: all")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"), help="run one input, with its traceback")
    options = parser.parse_args()
    for name in (*options.targets, *(options.replay or ())[:1]):
        if name not in TARGETS:
            parser.error(f"there is no target {name}; there are {', '.join(TARGETS)}")
    return options


def _replayed(target: Target, path: Path) -> int:
    with target.opened():
        began = time.monotonic()
        taken = target.run(path.read_bytes())
    print(f"{'taken' if taken else 'refused'} in {time.monotonic() - began:.3f} s: the law holds for {path}")
    return 0


async def _all(names: Sequence[str], seconds: float, seed: int) -> list[Outcome]:
    return [await _fuzzed(TARGETS[name](), max(1, round(seconds)), seed) for name in names]


async def _fuzzed(target: Target, seconds: int, seed: int) -> Outcome:
    FINDINGS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        found, seeds = Path(folder, "found"), Path(folder, "seeds")
        found.mkdir()
        seeds.mkdir()
        for number, data in enumerate(target.seeds()):
            (seeds / f"{number}").write_bytes(data)
        kept = CORPUS / target.name
        folders = [found, seeds, *([kept] if kept.is_dir() else [])]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.trials.fuzz.child", target.name, *_flags(target, seconds, seed), *map(str, folders),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        watch = Watch(target, process, seconds + GRACE_SECONDS)
        try:
            return await watch.outcome()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _flags(target: Target, seconds: int, seed: int) -> list[str]:
    return [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-timeout={target.deadline_seconds}",
        f"-rss_limit_mb={target.most_rss_mebibytes}",
        f"-max_len={target.longest}",
        f"-artifact_prefix={FINDINGS}/{target.name}-",
        "-len_control=0",
        "-print_final_stats=1",
        "-detect_leaks=0",
        "-handle_usr2=0",
    ]


if __name__ == "__main__":
    sys.exit(main())
