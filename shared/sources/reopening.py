"""A source that is opened again whenever it breaks: the one place with pauses between attempts.

    open --> read --SourceError--> told to the status --pause, longer and longer--> open again

Laws: a pause begins at FIRST_PAUSE_SECONDS, doubles up to LONGEST_PAUSE_SECONDS, and is short again once frames came.
Each has a random part, so that hundreds of sources behind one switch do not come back in one moment.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from shared.errors import NoVideoPackage, SourceError
from shared.sources.playing import Reading, Source
from shared.telemetry.logs import Throttle, logger

log = logger("sources.reopening")

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
SAID_AGAIN_SECONDS = 60.0


class Pauses:
    """The pauses between attempts. rand: a number from 0 to 1."""

    def __init__(self, rand: Callable[[], float] = random.random) -> None:
        self._random = rand
        self._seconds = FIRST_PAUSE_SECONDS

    def next(self) -> float:
        """Return the next pause in seconds: between half and all of what is due."""
        seconds, self._seconds = self._seconds, min(2 * self._seconds, LONGEST_PAUSE_SECONDS)
        return seconds * (0.5 + 0.5 * self._random())

    def reset(self) -> None:
        """Begin with the shortest pause again."""
        self._seconds = FIRST_PAUSE_SECONDS


class ReopenedSource(Source):
    """A source that plays on for as long as it is wanted. open_one: opens it; raises SourceError.

    is_alone: nobody looks at its status. So breaks are written to the log here, and what only another installation mends
    is raised.
    """

    def __init__(self, name: str, open_one: Callable[[], Source], is_alone: bool, pauses: Pauses | None = None) -> None:
        super().__init__(name)
        self._open_one = open_one
        self._is_alone = is_alone
        self._pauses = pauses or Pauses()
        self._said = Throttle(SAID_AGAIN_SECONDS)
        self._one: Source | None = None

    def read(self) -> Iterator[Reading]:
        """Give frames until the source is stopped, or until a recording or folder ends; raises NoVideoPackage."""
        while not self.stopping.is_set():
            try:
                one = self._opened()
                for reading in one.read():
                    self._pauses.reset()
                    yield reading
                if not one.is_live or self.stopping.is_set():
                    return
                self._broke(SourceError(self.name, "the stream ended"))
            except SourceError as error:
                if self._is_alone and isinstance(error, NoVideoPackage):
                    raise
                self._broke(error)
            except Exception as error:
                # A library's own mistake with one camera's stream ends neither the service nor the other cameras.
                log.exception("source failed in a way that nobody foresaw", source=self.name)
                self._broke(SourceError(self.name, f"reading it failed ({type(error).__name__})"))
            self.stopping.wait(self._pauses.next())

    def _opened(self) -> Source:
        """Return the source itself, which remembers from one reading to the next what worked."""
        if self._one is None:
            self._one = self._open_one()
            self._one.stopping = self.stopping
            self._one.report_to(self.status)
        return self._one

    def _broke(self, error: SourceError) -> None:
        self.status.broke(error)
        if self._is_alone and self._said.due():
            log.warning("source broke", source=self.name, reason=error.reason, times=self._said.times)
