"""Hundreds of reconnects of one process to a real RTSP camera: its memory, descriptors and threads stay flat.

    python -m tests.trials.reconnects --rounds 300

    round: connect, take pictures, hang up | the camera is killed meanwhile | it stalls | it is away | the password is wrong

Law: after a first tenth of the rounds, in which caches fill, memory grows by less than LARGEST_SLOPE_KIBIBYTES a reconnect,
and neither descriptors nor threads grow at all.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from shared.errors import SourceError
from shared.sources.connection import SourcePatience
from shared.sources.live import LiveSource
from tests.support.rtsp import RtspCamera
from tests.support.services import Signs, signs_of, slope

LARGEST_SLOPE_KIBIBYTES = 16.0
FRAMES_OF_A_ROUND = 3
PATIENCE = SourcePatience(answer_seconds=3.0, packet_seconds=0.7, picture_seconds=5.0)


def read(url: str, frames: int, then: Callable[[], None] | None = None) -> str | None:
    """Connect once; after so many frames do what comes `then`, or hang up. Return what broke the connection, None for us."""
    source = LiveSource(url, None, PATIENCE)
    try:
        with closing(source.read()) as readings:
            for number, _ in enumerate(readings, 1):
                if number == frames:
                    if then is None:
                        return None
                    then()
    except SourceError as error:
        return error.reason
    return "it ended"


class Rounds:
    """The rounds, each with one way of losing the camera."""

    def __init__(self, camera: RtspCamera) -> None:
        self._camera = camera
        self.kinds: tuple[Callable[[], None], ...] = (self.hang_up, self.kill, self.hang_up, self.stall, self.refuse)
        self.broken = 0

    def hang_up(self) -> None:
        """End the connection ourselves."""
        assert read(self._camera.url, FRAMES_OF_A_ROUND) is None

    def kill(self) -> None:
        """Lose the camera in the middle, and find it away; then it is back at another size."""
        self._count(read(self._camera.url, FRAMES_OF_A_ROUND, self._camera.kill))
        self._count(read(self._camera.url, 1))
        self._camera.start(size="320x240" if self.broken % 4 else "640x480")

    def stall(self) -> None:
        """Find the camera silent."""
        self._count(read(self._camera.url, FRAMES_OF_A_ROUND, self._camera.stall))
        self._camera.go_on()

    def refuse(self) -> None:
        """Come with a wrong password, and ask for a stream that there is not."""
        self._count(read(self._camera.url.replace("viewer", "nobody"), 1))
        self._count(read(self._camera.url.replace("live", "gone"), 1))

    def _count(self, why: str | None) -> None:
        assert why is not None, "the connection broke"
        self.broken += 1


@dataclass(frozen=True)
class Outcome:
    """What many reconnects cost. broken: connections that the camera lost. kibibytes: more memory with each round."""

    rounds: int
    broken: int
    kibibytes: float
    descriptors: int
    threads: int

    @property
    def is_flat(self) -> bool:
        """True where the law holds."""
        return self.kibibytes < LARGEST_SLOPE_KIBIBYTES and self.descriptors <= 0 and self.threads <= 0


def tried(number_of_rounds: int, codec: str) -> Outcome:
    """Do the rounds, one after the other, and return what they left behind."""
    taken: list[Signs] = []
    with RtspCamera(codec=codec, auth="digest", password="p@ss/1#%", fps="20") as camera:
        rounds = Rounds(camera)
        for kind in itertools.islice(itertools.cycle(rounds.kinds), number_of_rounds):
            kind()
            taken.append(signs_of(os.getpid()))
    settled = taken[len(taken) // 10 :]
    memory = slope(range(len(settled)), [one.resident_bytes / 1024 for one in settled])
    first, last = settled[0], settled[-1]
    return Outcome(
        number_of_rounds, rounds.broken, memory, last.descriptors - first.descriptors, last.threads - first.threads
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="reconnects to a real RTSP camera")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--codec", default="h265", choices=("h264", "h265", "mjpeg"))
    arguments = parser.parse_args()
    begun = time.monotonic()
    outcome = tried(arguments.rounds, arguments.codec)
    print(
        f"{arguments.codec}: {outcome.rounds} rounds, {outcome.broken} broken connections in "
        f"{time.monotonic() - begun:.0f} s: {outcome.kibibytes:+.2f} KiB a round, "
        f"{outcome.descriptors:+d} descriptors, {outcome.threads:+d} threads"
    )
    return 0 if outcome.is_flat else 1


if __name__ == "__main__":
    sys.exit(main())
