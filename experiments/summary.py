"""The claims in one table, from the results files alone: the paper's figure, ours, and whether it holds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.datasets.frame import DataError

CLAIMS_FILE = "claims.json"


@dataclass(frozen=True)
class Claim:
    """One claim, a ratio of rates: less is better. ours: None where the results file has no figure (its curves do not overlap)."""

    what: str
    paper: str
    at_least: float
    aim: float
    ours: float | None
    holds: bool
    detail: Mapping[str, float | None]


def claims(folder: Path) -> list[Claim]:
    """Read from table1.json to table4.json of `folder`; raises DataError where one is missing."""
    table1, table2, table3, table4 = (read_results(folder, f"table{number}") for number in range(1, 5))
    seeds = {name: geometric_mean(values) for name, values in table1["rate_ratio"].items()}
    plateaus = {task: entry["rate_ratio"] for task, entry in table2["tasks"].items()}
    together = table3["rate_ratio"]
    pictures = {
        f"{task}, {name}": entry["rate_ratio"]["hevc-intra"]
        for task, found in table4["unseen"].items()
        for name, entry in found["representations"].items()
    }
    return [
        _claim(
            "rate against CompressAI's hyperprior (Balle et al.; table 1)", "0.52 x", 0.60, 0.35,
            seeds["codebook / scale"], seeds,
        ),
        _claim(
            "rate against IDFC at its plateau (table 2)", "0.50 to 0.65 x, 0.14 x on reshading", 0.40, 0.20,
            geometric_mean(plateaus.values()), plateaus,
        ),
        _claim(
            "Trinity against Customized, total rate (table 3)", "0.83 x", 0.85, 0.70,
            together["trinity / customized"], {"hex / customized": together["hex / customized"]},
        ),
        _claim(
            "rate against an HEVC-intra picture at equal unseen-task performance (table 4)", "0.36 x", 0.30, 0.10,
            geometric_mean(value for name, value in pictures.items() if name.endswith("binary+")), pictures,
        ),
    ]  # fmt: skip


def write_claims(folder: Path) -> list[Claim]:
    """The claims, also written to `folder`/claims.json."""
    found = claims(folder)
    (folder / CLAIMS_FILE).write_text(json.dumps([asdict(claim) for claim in found], indent=1) + "\n")
    return found


def table(found: Iterable[Claim]) -> str:
    """Markdown."""
    lines = ["| what | the paper | at least | aim | ours | holds |", "|---|---|---|---|---|---|"]
    for claim in found:
        ours = "none" if claim.ours is None else f"{claim.ours:.2f} x"
        holds = "yes" if claim.holds else "no"
        lines.append(
            f"| {claim.what} | {claim.paper} | {claim.at_least:.2f} x | {claim.aim:.2f} x | {ours} | {holds} |"
        )
        lines += [
            f"| · {name} | | | | {'none' if value is None else f'{value:.2f} x'} | |"
            for name, value in claim.detail.items()
        ]
    return "\n".join(lines)


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """Return the geometric mean of the values that are there; None without any."""
    logs = [math.log(value) for value in values if value is not None]
    return math.exp(sum(logs) / len(logs)) if logs else None


def _claim(
    what: str, paper: str, at_least: float, aim: float, ours: float | None, detail: Mapping[str, float | None]
) -> Claim:
    return Claim(what, paper, at_least, aim, ours, ours is not None and ours <= at_least, detail)


def read_results(folder: Path, name: str) -> dict[str, Any]:
    """A results file's content; raises DataError where it is missing, with the command that makes it."""
    path = folder / f"{name}.json"
    if not path.exists():
        raise DataError(f"{path} is missing: run taxon experiment {name} first")
    return dict(json.loads(path.read_text()))
