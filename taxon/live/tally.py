"""Counts of what became of frames.

    a camera's receipts -----------> Tally: "kitchen: 40 posted, 38 coded, ..., 104.3 bytes a frame"
    all cameras' receipts, results -> Ledger: accepted, delivered, lost

Law: a frame is lost if it was accepted and not delivered; at the end of a good run there are none. A frame that both
sides have reported is forgotten, so that a long run takes no more memory than a short one.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import numpy as np

from taxon.client import Outcome, Receipt, Refused

MOST_DELAYS = 100_000
_WORDS = {
    Outcome.CODED: "coded",
    Outcome.NOT_WANTED: "not wanted",
    Outcome.SUPERSEDED: "superseded",
    Outcome.OVER_BUDGET: "over budget",
    Outcome.REFUSED: "refused",
}


class Tally:
    """Counts the receipts of one camera. first_refusal: why the first refused frame was refused."""

    def __init__(self, camera_id: str) -> None:
        self.camera_id = camera_id
        self.coded_bytes = 0
        self.first_refusal: Refused | None = None
        self._outcomes: Counter[Outcome] = Counter()

    def add(self, receipt: Receipt) -> None:
        """Count one more frame."""
        self._outcomes[receipt.outcome] += 1
        self.coded_bytes += receipt.coded_bytes
        self.first_refusal = self.first_refusal or receipt.refusal

    @property
    def posted(self) -> int:
        """Frames that were answered, refused ones included."""
        return self._outcomes.total()

    @property
    def taken(self) -> int:
        """Frames that the edge took, whatever became of them."""
        return self.posted - self._outcomes[Outcome.REFUSED]

    def line(self) -> str:
        """Return all counts for people, in one line."""
        counts = ", ".join(f"{self._outcomes[outcome]} {word}" for outcome, word in _WORDS.items())
        mean_bytes = self.coded_bytes / max(1, self._outcomes[Outcome.CODED])
        return f"{self.camera_id}: {self.posted} posted, {counts}, {mean_bytes:.1f} bytes a frame"

    def document(self) -> dict[str, Any]:
        """Return all counts for machines, as JSON carries them."""
        counts = {str(outcome): self._outcomes[outcome] for outcome in Outcome}
        return {"camera": self.camera_id, "posted": self.posted, **counts, "coded_bytes": self.coded_bytes}


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """Return one receipt for machines, as JSON carries it."""
    document = {"camera": receipt.camera_id} | vars(receipt)
    document |= {"outcome": str(receipt.outcome), "groups": list(receipt.groups)}
    del document["camera_id"], document["refusal"]
    if receipt.refusal is not None:
        document |= {"reason": receipt.refusal.reason, "message": str(receipt.refusal)}
    return document


class Ledger:
    """Compares the frames that an edge accepted with those that a subscriber got; both are named by (camera, sequence)."""

    def __init__(self) -> None:
        self.delivered = 0
        self.coded_bytes = 0
        self._outcomes: Counter[str] = Counter()
        self._outstanding: set[tuple[str, int]] = set()
        self._early: set[tuple[str, int]] = set()
        self._delays: deque[float] = deque(maxlen=MOST_DELAYS)

    def receipt(self, camera_id: str, outcome: str, sequence: int, coded_bytes: int) -> None:
        """Record what the edge answered about a frame."""
        self._outcomes[outcome] += 1
        if outcome != Outcome.CODED:
            return
        self.coded_bytes += coded_bytes
        frame = (camera_id, sequence)
        if frame in self._early:
            self._early.remove(frame)
        else:
            self._outstanding.add(frame)

    def result(self, camera_id: str, sequence: int, delay_seconds: float) -> None:
        """Record that the subscriber got a frame's results; call it once a frame. delay_seconds: since the capture."""
        self.delivered += 1
        self._delays.append(delay_seconds)
        frame = (camera_id, sequence)
        if frame in self._outstanding:
            self._outstanding.remove(frame)
        else:
            # A result may overtake its own receipt.
            self._early.add(frame)

    @property
    def coded(self) -> int:
        """Frames that the edge accepted."""
        return self._outcomes[Outcome.CODED]

    @property
    def lost(self) -> int:
        """Accepted frames that have not been delivered, or not yet."""
        return len(self._outstanding)

    def line(self) -> str:
        """Return all counts in one line. The delays' percentiles are of the last MOST_DELAYS results."""
        others = [
            f"{number} {outcome.replace('_', ' ')}"
            for outcome, number in self._outcomes.items()
            if outcome != Outcome.CODED
        ]
        counts = [f"{self._outcomes.total()} posted", f"{self.coded} coded", *others]
        half, most = np.percentile(self._delays, (50, 95)) * 1000 if self._delays else (0.0, 0.0)
        return (
            f"{', '.join(counts)}, {self.delivered} delivered, {self.lost} lost, "
            f"{self.coded_bytes / max(1, self.coded):.1f} bytes a frame, delay p50 {half:.0f} ms p95 {most:.0f} ms"
        )
