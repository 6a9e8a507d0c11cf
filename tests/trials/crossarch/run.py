"""Runs one trial's process and judges what it reported.

    Trial --process, with a deadline--> report --Runner--> Outcome: symbols compared, contradictions, distance to other machines

Law: what a process does not report, reports of another machine than wanted, or decodes to another symbol, is a failure.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.decode_symbols import symbols_digest
from shared.errors import TaxonError
from shared.model.bundle import Bundle
from tests.trials.crossarch.corpus import Corpus
from tests.trials.crossarch.decode import latents_of
from tests.trials.crossarch.machine import Machine
from tests.trials.crossarch.prepare import ROOT
from tests.trials.crossarch.trials import Trial

DEADLINE_SECONDS = 1200.0
INHERITED = ("HOME", "LANG", "PATH", "TMPDIR")


@dataclass(frozen=True)
class Difference:
    """How far an encode trial's networks are from the first one's. features: share of floats that differ, 0..1.

    largest: the largest difference, as a share of the feature map's largest value. symbols: latent integers that differ, of
    all. frames: bitstreams with such a symbol.
    """

    features: float
    largest: float
    symbols: int
    all_symbols: int
    frames: int


@dataclass(frozen=True)
class Outcome:
    """The outcome of a trial. wrong: bitstreams that decoded to another symbol or were refused. seconds: of the work alone."""

    trial: Trial
    machine: Machine | None
    streams: int = 0
    symbols: int = 0
    wrong: int = 0
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    difference: Difference | None = None
    skipped: str = ""

    @property
    def failed(self) -> bool:
        """Return True where the law is broken, or was not tried as wanted."""
        return not self.skipped and (self.wrong > 0 or bool(self.problems) or self.streams == 0)

    @property
    def line(self) -> str:
        """Return a line for people."""
        if self.skipped:
            return f"{self.trial.kind:6}  {self.trial.name}: skipped, {self.skipped}"
        apart = ""
        if self.difference is not None:
            apart = (
                f"; {self.difference.features:.1%} of the features and {self.difference.symbols} symbols "
                f"({self.difference.frames} frames) are not the first's"
            )
        said = "".join(f"; {problem}" for problem in self.problems)
        right = f"{self.streams - self.wrong} of {self.streams} as coded"
        return f"{self.trial.kind:6}  {self.trial.name}: {right}, {self.seconds:.1f} s{apart}{said}"


@dataclass
class Runner:
    """Runs trials. folder: where encode trials write. first: the first encode trial's folder, once there is one."""

    bundle: Bundle
    corpus: Corpus
    folder: Path
    first: Path | None = None
    _encoded: int = field(default=0)

    def run(self, trial: Trial) -> Outcome:
        """Run one trial, from its process to its outcome; a process that fails is a failed outcome."""
        target = self.corpus.directory
        if trial.kind == "encode":
            self._encoded += 1
            target = self.folder / f"encoded-{self._encoded}"
        try:
            report = self._report(trial, target)
        except (subprocess.SubprocessError, ValueError) as error:
            said = str(getattr(error, "stderr", "") or error).strip().splitlines()
            return Outcome(trial, None, problems=(f"the process failed: {said[-1] if said else error}",))
        machine = Machine.from_json(report["machine"])
        problems = tuple(trial.contradictions(machine))
        if trial.kind == "decode":
            return self._judge_decoding(trial, report, machine, problems)
        return self._judge_encoding(trial, report, machine, problems, target)

    def _report(self, trial: Trial, target: Path) -> dict[str, Any]:
        module = f"tests.trials.crossarch.{trial.kind}"
        command: list[str | Path] = [*trial.python, "-m", module]
        command += ["--bundle", self.bundle.directory, *trial.options, target]
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment | {"ORT_DISABLE_TELEMETRY": "1", "PYTHONDONTWRITEBYTECODE": "1"} | dict(trial.environment),
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=True,
        )
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def _judge_decoding(
        self, trial: Trial, report: dict[str, Any], machine: Machine, problems: tuple[str, ...]
    ) -> Outcome:
        expected = self.corpus.digests
        wrong = differing(expected, report["digests"])
        if report["recoded"] != len(expected):
            problems += (f"only {report['recoded']} of {len(expected)} were coded to the same bytes again",)
        return Outcome(trial, machine, len(expected), self.corpus.symbols, wrong, report["seconds"], problems)

    def _judge_encoding(
        self, trial: Trial, report: dict[str, Any], machine: Machine, problems: tuple[str, ...], target: Path
    ) -> Outcome:
        """Decode here what was coded there, with codecs that have seen nothing else."""
        codecs, found, symbols = self.bundle.codecs(), {}, 0
        for path in sorted(target.glob("*.txn")):
            try:
                latents = latents_of(self.bundle, codecs, path.read_bytes())
            except TaxonError as error:
                found[path.stem] = f"refused: {error}"
                continue
            found[path.stem] = symbols_digest(latents)
            symbols += sum(latent.z.size + latent.v.size for latent in latents.values())
        wrong = differing(report["digests"], found)
        self.first = self.first or target
        return Outcome(
            trial,
            machine,
            len(report["digests"]),
            symbols,
            wrong,
            report["seconds"],
            problems,
            None if target == self.first else compared(self.first, target),
        )


def differing(expected: Mapping[str, str], found: Mapping[str, str]) -> int:
    """Return how many bitstreams have another digest than what was coded, are missing or are not expected."""
    return sum(expected.get(name) != found.get(name) for name in {*expected, *found})


def compared(first: Path, other: Path) -> Difference:
    """Return how far apart two encode trials' networks are, from the features.npz of each."""
    with np.load(first / "features.npz") as a, np.load(other / "features.npz") as b:
        names = sorted({*a.files} & {*b.files})
        latents = [name for name in names if name.startswith("latent-")]
        maps = [name for name in names if not name.startswith("latent-")]
        apart = sum(int((a[name] != b[name]).sum()) for name in maps)
        largest = max(float(np.abs(a[name] - b[name]).max() / np.abs(a[name]).max()) for name in maps)
        counts = {name: int((a[name] != b[name]).sum()) for name in latents}
        frames = {name.partition("-")[2].partition("-")[2] for name, count in counts.items() if count}
        return Difference(
            apart / sum(a[name].size for name in maps),
            largest,
            sum(counts.values()),
            sum(a[name].size for name in latents),
            len(frames),
        )


def table(outcomes: Iterable[Outcome]) -> str:
    """Return the figures as two Markdown tables: decoding elsewhere, and coding elsewhere."""
    decoding = ["| decoded on | kernels of OpenBLAS | numpy | as coded | time |", "|---|---|---|---|---|"]
    coding = [
        "| coded on | ONNX Runtime | features that differ | by at most | symbols that differ | decoded as coded | time |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in outcomes:
        if one.machine is None:
            coding.append(f"| {one.trial.name} | | | | | {one.skipped or 'failed'} | |")
            continue
        right = f"{one.streams - one.wrong} of {one.streams}"
        if one.trial.kind == "decode":
            kernels = f"{one.machine.blas}, {one.machine.blas_threads} thread{'s' * (one.machine.blas_threads != 1)}"
            decoding.append(f"| {one.trial.name} | {kernels} | {one.machine.numpy} | {right} | {one.seconds:.1f} s |")
            continue
        apart = "| | | "
        if (gap := one.difference) is not None:
            apart = f"| {gap.features:.1%} | {gap.largest:.1e} | {gap.symbols} of {gap.all_symbols} "
        coding.append(f"| {one.trial.name} | {one.machine.onnxruntime} {apart}| {right} | {one.seconds:.1f} s |")
    return "\n".join([*decoding, "", *coding, ""])
