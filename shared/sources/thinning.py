"""Which frames of a video are taken, where fewer are wanted than it has.

Law: the mean rate is the wanted one. It does not drift, and small errors of time change nothing.
"""

from __future__ import annotations


class Thinning:
    """Takes at most `fps` frames a second; None takes all."""

    def __init__(self, fps: float | None) -> None:
        self._least_step = 0.0 if fps is None else 1.0 / fps
        self._next = float("-inf")

    def takes(self, moment: float, frame_seconds: float) -> bool:
        """Return True where the frame of this moment, in seconds of a clock that never goes back, is taken.

        frame_seconds: how long a frame of this video is shown.
        """
        # Half a frame early is on time: the grid of the video and the wanted one need not meet.
        if moment < self._next - frame_seconds / 2:
            return False
        late = moment - self._next > self._least_step
        self._next = (moment if late else self._next) + self._least_step
        return True
