"""One fuzzer process, watched: its lines, its inputs, its memory.

    output --lines--> progress, number of inputs, findings       /proc/<pid>/statm, each second --> growth

Law: what the process does not say by itself (it hangs, it grows) is found here.
"""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.trials.fuzz.target import Target

PROGRESS_SECONDS = 10.0
START_SECONDS = 120.0
"""The time for imports, which are slow where each is instrumented and other programs want the processor."""
STACKS_SECONDS = 2.0
TELL_STACKS = signal.SIGUSR2
"""At this signal a fuzzer process writes where its threads stand."""
MOST_GROWTH_MEBIBYTES = 192
"""The growth in the last two thirds of a run, whatever its length; libFuzzer itself keeps what it found in memory."""
_PAGE_BYTES = 4096
_BEGINNING = "INFO: Seed:"
_INPUTS = re.compile(r"^#(\d+)\s.*cov: (\d+)")
_ALL = re.compile(r"^stat::number_of_executed_units:\s*(\d+)")
_ARTIFACT = re.compile(r"Test unit written to (\S+)")


@dataclass
class Outcome:
    """The outcome of one target. coverage: places in the code, by the last progress line. rss_mebibytes: the most that it took."""

    name: str
    inputs: int = 0
    coverage: int = 0
    rss_mebibytes: float = 0.0
    growth_mebibytes: float = 0.0
    findings: list[str] = field(default_factory=list)


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Return the last line of a run."""
    each = ", ".join(
        f"{one.name} {one.inputs} ({one.rss_mebibytes:.0f} MiB, {one.growth_mebibytes:+.0f})" for one in outcomes
    )
    total, findings = sum(one.inputs for one in outcomes), sum(len(one.findings) for one in outcomes)
    return f"fuzz: {total} inputs in {seconds:.0f} s, {findings} findings; {each}"


class Watch:
    """most_seconds: after which the process is hanging, from the fuzzer's own beginning: that is when libFuzzer's clock starts."""

    def __init__(self, target: Target, process: asyncio.subprocess.Process, most_seconds: float) -> None:
        self._target = target
        self._process = process
        self._most_seconds = most_seconds
        self._outcome = Outcome(target.name)
        self._lines: deque[str] = deque(maxlen=60)
        self._rss: list[float] = []
        self._artifacts: list[str] = []
        self._begun = False

    async def outcome(self) -> Outcome:
        """Return the outcome, once the process has ended or was found to hang."""
        sampling = asyncio.create_task(self._sample())
        try:
            async with asyncio.timeout(START_SECONDS) as deadline:
                await self._read(deadline)
                status = await self._process.wait()
            if status != 0:
                self._found("\n".join(self._lines) + f"\n{self._target.name}: the fuzzer ended with status {status}")
        except TimeoutError:
            waited = (
                f"{self._most_seconds:.0f} s after its beginning"
                if self._begun
                else f"{START_SECONDS:.0f} s and not begun"
            )
            self._found(f"{self._target.name}: the fuzzer hangs, {waited}\n" + await self._stacks())
        finally:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
        self._judge_memory()
        if not self._outcome.inputs and not self._outcome.findings:
            self._found(f"{self._target.name}: nothing was run")
        return self._outcome

    async def _stacks(self) -> str:
        """Return where the threads of a process that hangs stand."""
        self._lines.clear()
        if self._process.returncode is None:
            self._process.send_signal(TELL_STACKS)
            try:
                async with asyncio.timeout(STACKS_SECONDS) as deadline:
                    await self._read(deadline)
            except TimeoutError:
                pass
        return "\n".join(self._lines)

    async def _read(self, deadline: asyncio.Timeout) -> None:
        assert self._process.stdout is not None
        told = time.monotonic()
        async for raw in self._process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            if line.startswith(_BEGINNING) and not self._begun:
                self._begun = True
                deadline.reschedule(asyncio.get_running_loop().time() + self._most_seconds)
            elif (progress := _INPUTS.match(line)) is not None:
                self._outcome.inputs, self._outcome.coverage = int(progress[1]), int(progress[2])
                if time.monotonic() - told >= PROGRESS_SECONDS:
                    told = time.monotonic()
                    print(
                        f"{self._target.name}: {self._outcome.inputs} inputs, {self._outcome.coverage} places",
                        flush=True,
                    )
            elif (everything := _ALL.match(line)) is not None:
                self._outcome.inputs = int(everything[1])
            elif (artifact := _ARTIFACT.search(line)) is not None:
                self._artifacts.append(artifact[1])
            elif line and not line.startswith(("INFO:", "stat::", "NEW_FUNC", "WARNING: Failed to find function")):
                self._lines.append(line)

    async def _sample(self) -> None:
        while True:
            try:
                pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
            except (OSError, IndexError):
                return
            self._rss.append(pages * _PAGE_BYTES / (1 << 20))
            await asyncio.sleep(1)

    def _judge_memory(self) -> None:
        if not self._rss:
            return
        self._outcome.rss_mebibytes = max(self._rss)
        settled = self._rss[len(self._rss) // 3 :]
        half = len(settled) // 2
        # The least of each half: what a single large picture takes for a moment is no growth.
        self._outcome.growth_mebibytes = min(settled[half:]) - min(settled[: half or 1])
        if self._outcome.growth_mebibytes > MOST_GROWTH_MEBIBYTES:
            self._found(f"{self._target.name}: grew by {self._outcome.growth_mebibytes:.0f} MiB")

    def _found(self, what: str) -> None:
        self._outcome.findings.append(what)
        print(f"FINDING {what}", flush=True)
        for path in self._artifacts:
            print(f"replay: python -m tests.trials.fuzz --replay {self._target.name} {path}", flush=True)
