"""What became of a camera's frames, counted.

Receipt --add--> Tally --> "kitchen: 40 posted, 38 coded, ..., 104.3 bytes a frame"
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from taxon.client import Outcome, Receipt, Refused

_WORDS = {
    Outcome.CODED: "coded",
    Outcome.NOT_WANTED: "not wanted",
    Outcome.SUPERSEDED: "superseded",
    Outcome.OVER_BUDGET: "over budget",
    Outcome.REFUSED: "refused",
}


class Tally:
    """One camera's counts. posted: answered frames. first_refusal: why the first of the refused ones was."""

    def __init__(self, camera_id: str) -> None:
        self.camera_id = camera_id
        self.coded_bytes = 0
        self.first_refusal: Refused | None = None
        self._outcomes: Counter[Outcome] = Counter()

    def add(self, receipt: Receipt) -> None:
        """One more frame."""
        self._outcomes[receipt.outcome] += 1
        self.coded_bytes += receipt.coded_bytes
        self.first_refusal = self.first_refusal or receipt.refusal

    def count(self, outcome: Outcome) -> int:
        """Frames with this outcome."""
        return self._outcomes[outcome]

    @property
    def posted(self) -> int:
        """Frames that were answered, refused ones included."""
        return self._outcomes.total()

    @property
    def taken(self) -> int:
        """Frames that the edge took, whatever became of them."""
        return self.posted - self.count(Outcome.REFUSED)

    @property
    def mean_bytes(self) -> float:
        """Of the coded frames; 0 where there are none."""
        return self.coded_bytes / max(1, self.count(Outcome.CODED))

    def line(self) -> str:
        """For people, in one line."""
        counts = ", ".join(f"{self.count(outcome)} {word}" for outcome, word in _WORDS.items())
        return f"{self.camera_id}: {self.posted} posted, {counts}, {self.mean_bytes:.1f} bytes a frame"

    def document(self) -> dict[str, Any]:
        """For machines, as JSON carries it."""
        counts = {str(outcome): self.count(outcome) for outcome in Outcome}
        return {"camera": self.camera_id, "posted": self.posted, **counts, "coded_bytes": self.coded_bytes}


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """One receipt for machines."""
    document: dict[str, Any] = {
        "camera": receipt.camera_id,
        "outcome": str(receipt.outcome),
        "capture_time_us": receipt.capture_time_us,
        "sequence": receipt.sequence,
        "coded_bytes": receipt.coded_bytes,
        "rate": receipt.rate,
        "groups": list(receipt.groups),
        "repeated_post": receipt.repeated_post,
    }
    if receipt.refusal is not None:
        document |= {"reason": receipt.refusal.reason, "message": str(receipt.refusal)}
    return document
