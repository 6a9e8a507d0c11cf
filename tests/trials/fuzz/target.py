"""A target of the fuzzer: its first inputs, how they are changed, and the law that one input is held to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from random import Random
from typing import ClassVar

from tests.trials.fuzz.mutation import mutated

CORPUS = Path(__file__).parent / "corpus"


class LawBroken(Exception):  # noqa: N818 - named after what happened
    """An input was taken that had to be refused, or what came of it is wrong."""


class Target(ABC):
    """A target. name: also its folder in the corpus. longest: the most bytes of an input. most_rss_mebibytes: of its process.

    deadline_seconds: of one input.
    """

    name: ClassVar[str]
    longest: ClassVar[int] = 4096
    deadline_seconds: ClassVar[int] = 10
    most_rss_mebibytes: ClassVar[int] = 1024

    @abstractmethod
    def seeds(self) -> Sequence[bytes]:
        """Return good inputs to begin with, always the same ones."""

    @abstractmethod
    def run(self, data: bytes) -> bool:
        """Try one input, and return True where all of it was taken. Raises LawBroken; an error that nobody promised passes through."""

    def run_quietly(self, data: bytes) -> None:
        """Run one input, and say nothing of it but findings."""
        self.run(data)

    def mutate(self, data: bytes, random: Random) -> bytes:
        """Return another input near this one; it knows the format where that goes deeper."""
        return mutated(data, random, random.choice(self.seeds()))

    def opened(self) -> AbstractContextManager[object]:
        """Hold open what has to be there while inputs are run."""
        return nullcontext()

    def corpus(self) -> list[bytes]:
        """Return the inputs that the repository keeps: those that reached far, and those that were findings once."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).glob("*")) if path.is_file()]
