"""The plan of a run of chaos, a function of the seed and of what this machine can do to the services.

    Plan(seed, kinds) --iter--> Step(number, kinds, pause_seconds), without end          step.draw(seed, kind) -> Random of one fault

Law: the same seed and kinds give the same steps, and each fault the same numbers, whatever time they take.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONGEST_PAUSE_SECONDS = 1.5


@dataclass(frozen=True)
class Step:
    """One fault or two at once, then a pause. kinds: each is `<what> <how>`, and no two have the same what."""

    number: int
    kinds: tuple[str, ...]
    pause_seconds: float

    def draw(self, seed: int, kind: str) -> random.Random:
        """Return the source of this fault's own numbers, which nobody else's draws change."""
        return random.Random(f"{seed}/{self.number}/{kind}")

    def __str__(self) -> str:
        return f"{self.number}: {' and '.join(self.kinds)}"


@dataclass(frozen=True)
class Plan:
    """kinds: of faults. First each of them once, so that a short run sees as many as it can; then at random."""

    seed: int
    kinds: tuple[str, ...]

    def __iter__(self) -> Iterator[Step]:
        draw = random.Random(self.seed)
        first = draw.sample(sorted(self.kinds), len(self.kinds))
        for number in itertools.count(1):
            chosen = tuple(first[number - 1 : number]) or _chosen(draw, sorted(self.kinds))
            yield Step(number, chosen, draw.uniform(0.0, LONGEST_PAUSE_SECONDS))

    def __str__(self) -> str:
        return f"seed {self.seed}, {len(self.kinds)} kinds of faults: {', '.join(self.kinds)}"


def _chosen(draw: random.Random, kinds: Sequence[str]) -> tuple[str, ...]:
    """Return two kinds now and then, but never two of one service, link or clock."""
    while True:
        chosen = tuple(draw.sample(kinds, min(len(kinds), draw.choice((1, 1, 2)))))
        if len({kind.split()[0] for kind in chosen}) == len(chosen):
            return chosen
