"""The fuzzer's targets without its guidance: their seeds, what is kept of corpora, changed inputs, and that they see."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import google_crc32c
import pytest

from shared.codec.bitstream import Substream, parse, serialise
from shared.codec.entropy_codec import EntropyCodec
from shared.errors import CorruptBitstream
from tests.trials.fuzz.bitstreams import BitstreamTarget
from tests.trials.fuzz.outcome import Outcome, summary
from tests.trials.fuzz.target import LawBroken
from tests.trials.fuzz.targets import TARGETS

INPUTS = 600


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_corpus_and_changed_inputs_keep_the_law(name: str) -> None:
    target, random = TARGETS[name](), Random(name)
    begin = [*target.seeds(), *target.corpus()]
    taken = 0
    with target.opened():
        for data in begin:
            taken += target.run(data)
        for _ in range(INPUTS):
            target.run(target.mutate(random.choice(begin), random)[: target.longest])
    assert taken >= 3, f"of {len(begin)} good inputs only {taken} were taken: the target looks at refusals alone"


def test_a_decoder_that_forgets_its_check_sum_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    target = BitstreamTarget()
    stream = parse(target.seeds()[-1])
    (one,) = stream.substreams
    damaged = serialise(replace(stream, substreams=(replace(one, crc=one.crc ^ 1),)))
    assert not target.run(damaged)
    monkeypatch.setattr(google_crc32c, "value", lambda data: one.crc ^ 1)
    with pytest.raises(LawBroken, match="damaged symbols"):
        target.run(damaged)


def test_an_error_that_nobody_promised_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def falls(codec: EntropyCodec, substream: Substream, *_: object) -> None:
        raise IndexError("list index out of range") if substream.rate else CorruptBitstream("damaged")

    monkeypatch.setattr(EntropyCodec, "decode", falls)
    target = BitstreamTarget()
    at_rate_one = next(data for data in target.seeds() if parse(data).substreams[0].rate == 1)
    with pytest.raises(IndexError):
        target.run(at_rate_one)


def test_the_summary_counts_inputs_and_findings() -> None:
    line = summary([Outcome("a", 10), Outcome("b", 5, findings=["it fell"])], 3.0)
    assert line.startswith("fuzz: 15 inputs in 3 s, 1 findings;")
