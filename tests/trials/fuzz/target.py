"""What every target of the fuzzer is: where its inputs begin, how they are changed, and the law that one input is held to."""

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
    """name: also its folder in the corpus. longest: of an input, bytes. most_rss_mebibytes: of its process.

    deadline_seconds: of one input.
    """

    name: ClassVar[str]
    longest: ClassVar[int] = 4096
    deadline_seconds: ClassVar[int] = 10
    most_rss_mebibytes: ClassVar[int] = 1024

    @abstractmethod
    def seeds(self) -> Sequence[bytes]:
        """Good inputs to begin with, always the same ones."""

    @abstractmethod
    def run(self, data: bytes) -> bool:
        """One input; whether all of it was taken. Raises LawBroken, or lets through what nobody promised to raise."""

    def run_quietly(self, data: bytes) -> None:
        """`run` for who wants to hear of findings alone."""
        self.run(data)

    def mutate(self, data: bytes, random: Random) -> bytes:
        """Another input near this one; knows the format where that goes deeper."""
        return mutated(data, random, random.choice(self.seeds()))

    def opened(self) -> AbstractContextManager[object]:
        """What has to be there while inputs are run."""
        return nullcontext()

    def corpus(self) -> list[bytes]:
        """Inputs that are kept in the repository: what reached far, and what was a finding once."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).glob("*")) if path.is_file()]
