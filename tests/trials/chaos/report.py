"""The findings of a run of chaos, and whether its laws were kept."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from taxon.client import Outcome, Receipt, Result
from tests.trials.chaos.masked import MASKED, MaskedResults
from tests.trials.chaos.memory import Growth

CAMERAS = ("left", "middle", "right", MASKED)
REFUSED_FOR = "DISK_FULL"
"""The only reason for which a camera may be refused, and only while the disk is full."""

Taken = dict[str, list[int]]


@dataclass
class Report:
    """accepted, steady, returning: sequences by camera. refusals: by reason. recoveries: seconds from the end of each kind of fault to
    the result of a frame that was accepted after it. growths: by service.
    """

    seed: int
    kinds: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    refused_in_vain: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    accepted: Taken = field(default_factory=lambda: {camera: [] for camera in CAMERAS})
    steady: Taken = field(default_factory=lambda: defaultdict(list))
    returning: Taken = field(default_factory=lambda: defaultdict(list))
    growths: dict[str, Growth | None] = field(default_factory=dict)
    masked: MaskedResults = field(default_factory=MaskedResults)
    returns: int = 0
    lost: int = 0
    disk_is_full: bool = False
    fresh: list[tuple[str, int]] = field(default_factory=list)
    """Accepted frames in the order of their receipts."""
    seen: set[tuple[str, int]] = field(default_factory=set)
    """What the steady subscriber has."""
    source_states: dict[str, str] = field(default_factory=dict)
    """The state in which each broken source was seen last."""

    def note_receipt(self, receipt: Receipt) -> None:
        """Count a camera's receipt."""
        self.outcomes[receipt.outcome] += 1
        if receipt.outcome is Outcome.REFUSED:
            assert receipt.refusal is not None
            self.refusals[receipt.refusal.reason] += 1
            self.refused_in_vain += not self.disk_is_full
        accepted = self.accepted[receipt.camera_id]
        if receipt.outcome is Outcome.CODED and receipt.sequence not in accepted[-200:]:
            accepted.append(receipt.sequence)
            self.fresh.append((receipt.camera_id, receipt.sequence))

    def note_steady(self, result: Result) -> None:
        """Count a result that the steady subscriber got."""
        self.masked.note(result)
        self.steady[result.camera_id].append(result.sequence)
        self.seen.add((result.camera_id, result.sequence))

    def note_returning(self, result: Result) -> None:
        """Count a result that the returning subscriber got."""
        self.masked.note(result)
        self.returning[result.camera_id].append(result.sequence)

    def arrived(self) -> bool:
        """Return True where both subscribers have as many results as frames were accepted."""
        taken = (self.steady, self.returning)
        return all(len(one[camera]) >= len(self.accepted[camera]) for one in taken for camera in CAMERAS)

    @property
    def results(self) -> int:
        """Return how many results came, to both subscribers."""
        return sum(len(found) for taken in (self.steady, self.returning) for found in taken.values())

    def broken(self) -> list[str]:
        """Return the laws that were broken, in words."""
        found = [f"the cloud lost {self.lost} results"] if self.lost else []
        found += [
            f"{n} frames {one}" for one, n in self.outcomes.items() if one not in (Outcome.CODED, Outcome.REFUSED)
        ]
        found += [f"{n} frames refused: {reason}" for reason, n in self.refusals.items() if reason != REFUSED_FOR]
        if self.refused_in_vain:
            found.append(f"{self.refused_in_vain} frames refused while the disk had room")
        if not any(self.accepted.values()):
            found.append("nothing was accepted")
        for kind, taken in (("steady", self.steady), ("returning", self.returning)):
            found += [
                difference(kind, camera, self.accepted[camera], taken[camera])
                for camera in CAMERAS
                if taken[camera] != self.accepted[camera]
            ]
        found += self.masked.broken()
        found += [
            f"{kind} needs more memory: {words(one)}" for kind, one in self.growths.items() if one and not one.is_flat
        ]
        return found

    def document(self) -> dict[str, object]:
        """Return the figures for docs/resilience.md."""
        return {
            "seed": self.seed,
            "seconds": round(self.seconds),
            "accepted": sum(map(len, self.accepted.values())),
            "refused": dict(self.refusals),
            "returns": self.returns,
            "faults": [
                {"kind": kind, "times": self.faults[kind], "median_s": median, "slowest_s": slowest}
                for kind, median, slowest in self._recovered()
            ],
            "memory": {kind: words(one) for kind, one in self.growths.items() if one},
            "sources": self.source_states,
            "left_out": list(self.left_out),
            "broken": self.broken(),
        }

    def _recovered(self) -> Iterator[tuple[str, float, float]]:
        for kind, found in sorted(self.recoveries.items()):
            yield kind, round(statistics.median(found), 1), round(max(found), 1)

    def sources_told(self) -> str:
        """Return in which state each broken source was seen."""
        return ", ".join(f"{way} {state}" for way, state in sorted(self.source_states.items()))

    def table(self) -> str:
        """Return a line for each kind of fault: how often, and how long until results of new frames came again."""
        lines = [
            f"{kind}: {self.faults[kind]} times, recovered after {m:g} s (slowest {s:g} s)"
            for kind, m, s in self._recovered()
        ]
        if self.source_states:
            lines.append(f"broken sources were seen as: {self.sources_told()}")
        return "\n".join(
            [*lines, *(f"memory of the {kind}: {words(one)}" for kind, one in self.growths.items() if one)]
        )

    def __str__(self) -> str:
        slowest = max((max(found) for found in self.recoveries.values()), default=0.0)
        refused: Mapping[str, int] = self.refusals
        return (
            f"chaos: seed {self.seed}, {self.seconds:.0f} s, {sum(self.faults.values())} faults of {len(self.faults)} kinds, "
            f"{sum(map(len, self.accepted.values()))} frames accepted, {sum(refused.values())} refused by a full disk; "
            f"slowest recovery {slowest:.1f} s; {self.masked}; {'; '.join(self.broken()) or 'every law was kept'}"
        )


def words(growth: Growth) -> str:
    """Return the growth in words, in megabytes."""
    return (
        f"{growth.first_bytes / 1e6:.0f} MB, {growth.across_bytes / 1e6:+.1f} MB over {growth.lives} lives, "
        f"at most {growth.within_bytes / 1e6:+.1f} MB within one"
    )


def difference(kind: str, camera: str, accepted: list[int], found: list[int]) -> str:
    """Return what is wrong with a subscriber's results, in short."""
    missing = sorted(set(accepted) - set(found))[:10]
    twice = sorted(one for one, count in Counter(found).items() if count > 1)[:10]
    unknown = sorted(set(found) - set(accepted))[:10]
    return (
        f"{kind} subscriber, camera {camera}: {len(accepted)} accepted, {len(found)} came; missing {missing}, "
        f"twice {twice}, never accepted {unknown}, in order: {found == sorted(found)}"
    )
