"""The kinds of sources, and what they give.

Source.read (in a thread) --Reading--> ThreadQueue --> play (on the loop) --SourceFrame--> whoever sends it on
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType

from shared.contract.geometry import Picture


@dataclass(frozen=True, eq=False)
class Reading:
    """One frame as it was read.

    due_seconds: the moment to show it, counted from the first one; None for a live source, whose frame is due now.
    read_time_us: the moment when it was read, in microseconds since 1970.
    """

    picture: Picture = field(repr=False)
    due_seconds: float | None
    read_time_us: int


class Source(ABC):
    """A source of frames, which is a context manager; the end of the context stops the reading.

    name: its name in logs. superseded: frames of a live source that a newer one replaced before they were taken.
    damaged: packets of a video that gave no picture.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.superseded = 0
        self.damaged = 0
        self.stopping = threading.Event()

    @abstractmethod
    def read(self) -> Iterator[Reading]:
        """Give readings and block between them, so that it runs in a thread; raises SourceError."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopping.set()
