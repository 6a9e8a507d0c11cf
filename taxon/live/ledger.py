"""Whether every frame that the edge accepted has come out at the other end.

    a camera's receipts --receipt--> accepted          a subscriber's results --result--> delivered

Law: lost == accepted frames that were not delivered; at the end of a good run there are none. What both sides have seen is
forgotten, so that a long run takes no more memory than a short one.
"""

from __future__ import annotations

from collections import Counter, deque

import numpy as np

MOST_DELAYS = 100_000
CODED = "coded"


class Ledger:
    """Counts of one run. Frames are named by (camera, sequence)."""

    def __init__(self) -> None:
        self.delivered = 0
        self.coded_bytes = 0
        self._outcomes: Counter[str] = Counter()
        self._outstanding: set[tuple[str, int]] = set()
        self._early: set[tuple[str, int]] = set()
        self._delays: deque[float] = deque(maxlen=MOST_DELAYS)

    def receipt(self, camera_id: str, outcome: str, sequence: int, coded_bytes: int) -> None:
        """The edge answered about a frame."""
        self._outcomes[outcome] += 1
        if outcome != CODED:
            return
        self.coded_bytes += coded_bytes
        frame = (camera_id, sequence)
        if frame in self._early:
            self._early.remove(frame)
        else:
            self._outstanding.add(frame)

    def result(self, camera_id: str, sequence: int, delay_seconds: float) -> None:
        """The subscriber got a frame's results; each frame's once. delay_seconds: since its capture."""
        self.delivered += 1
        self._delays.append(delay_seconds)
        frame = (camera_id, sequence)
        if frame in self._outstanding:
            self._outstanding.remove(frame)
        else:
            # A result may overtake its own receipt.
            self._early.add(frame)

    @property
    def posted(self) -> int:
        """Frames that the edge answered."""
        return self._outcomes.total()

    @property
    def coded(self) -> int:
        """Frames that the edge accepted."""
        return self._outcomes[CODED]

    @property
    def lost(self) -> int:
        """Accepted frames that have not been delivered (yet)."""
        return len(self._outstanding)

    def delay_seconds(self, percent: float) -> float:
        """A percentile of the delays, of the last MOST_DELAYS; 0 where there are none."""
        return float(np.percentile(self._delays, percent)) if self._delays else 0.0

    def line(self) -> str:
        """All of it in one line."""
        others = [
            f"{number} {outcome.replace('_', ' ')}" for outcome, number in self._outcomes.items() if outcome != CODED
        ]
        counts = [f"{self.posted} posted", f"{self.coded} coded", *others]
        return (
            f"{', '.join(counts)}, {self.delivered} delivered, {self.lost} lost, "
            f"{self.coded_bytes / max(1, self.coded):.1f} bytes a frame, "
            f"delay p50 {self.delay_seconds(50) * 1000:.0f} ms p95 {self.delay_seconds(95) * 1000:.0f} ms"
        )
