"""Counts of what became of frames, and the law of the ledger."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from taxon.client import Outcome, Receipt, Refused
from taxon.live.tally import Ledger, Tally


def test_a_tally_counts_what_became_of_each_frame() -> None:
    tally = Tally("kitchen")
    refusal = Refused("TOO_LARGE", "too large", "RESOURCE_EXHAUSTED")
    tally.add(Receipt("kitchen", Outcome.CODED, 1, 1, 100))
    tally.add(Receipt("kitchen", Outcome.CODED, 2, 2, 300))
    tally.add(Receipt("kitchen", Outcome.NOT_WANTED, 3))
    tally.add(Receipt("kitchen", Outcome.REFUSED, 4, refusal=refusal))
    assert (tally.posted, tally.taken, tally.first_refusal) == (4, 3, refusal)
    assert tally.line() == (
        "kitchen: 4 posted, 2 coded, 1 not wanted, 0 superseded, 0 over budget, 1 refused, 200.0 bytes a frame"
    )


@given(
    st.sets(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 20))),
    st.sets(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 20))),
    st.randoms(use_true_random=False),
)
def test_law_lost_is_what_was_accepted_and_not_delivered_in_whatever_order_that_is_learnt(
    accepted: set[tuple[str, int]], unlucky: set[tuple[str, int]], random: Random
) -> None:
    ledger = Ledger()
    delivered = accepted - unlucky
    events = [(frame, True) for frame in sorted(accepted)] + [(frame, False) for frame in sorted(delivered)]
    random.shuffle(events)
    for (camera, sequence), is_receipt in events:
        if is_receipt:
            ledger.receipt(camera, "coded", sequence, 100)
        else:
            ledger.result(camera, sequence, 0.1)
    assert ledger.lost == len(accepted & unlucky)
    assert (ledger.coded, ledger.delivered) == (len(accepted), len(delivered))


def test_the_ledgers_line_has_every_count() -> None:
    ledger = Ledger()
    for sequence in range(1, 5):
        ledger.receipt("kitchen", "coded", sequence, 50 * sequence)
        ledger.result("kitchen", sequence, sequence / 10)
    ledger.receipt("kitchen", "coded", 5, 0)
    ledger.receipt("kitchen", "not_wanted", 0, 0)
    assert ledger.line() == (
        "6 posted, 5 coded, 1 not wanted, 4 delivered, 1 lost, 100.0 bytes a frame, delay p50 250 ms p95 385 ms"
    )
