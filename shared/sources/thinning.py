"""Which frames of a video are taken, where fewer are wanted than it has.

    moments of all frames --Thinning--> the ones nearest to the wanted moments, `fps` a second

Law: the mean rate is the wanted one. It does not drift, small errors of time change nothing, and after a gap there is
no rush.
"""

from __future__ import annotations

ROUNDING_SECONDS = 1e-6


class Thinning:
    """Takes at most `fps` frames a second; None takes all.

    next_due: the moment of the next frame that is wanted, in seconds; minus infinity before the first.
    """

    def __init__(self, fps: float | None) -> None:
        self._least_step = 0.0 if fps is None else 1.0 / fps
        self.next_due = float("-inf")

    def takes(self, moment: float, frame_seconds: float) -> bool:
        """Return True where the frame of this moment, in seconds of a clock that never goes back, is taken.

        frame_seconds: the distance of frames around here.
        """
        # Half a frame early is on time: of two frames around the wanted moment, the nearer one is taken.
        if moment < self.next_due - min(frame_seconds, self._least_step) / 2 - ROUNDING_SECONDS:
            return False
        late = moment - self.next_due > self._least_step
        self.next_due = (moment if late else self.next_due) + self._least_step
        return True
