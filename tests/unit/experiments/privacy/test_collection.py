"""A split is made once, in chunks, and read in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.privacy import collection
from experiments.privacy.collection import Collection, collect_split
from experiments.privacy.pictures import views_of
from tests.support.experiments import sources


def test_views_lie_where_their_names_say(fit: Collection) -> None:
    assert len(fit) == 40
    assert fit.names[33] == "patches 16"
    assert fit.numbers[:4] == (0, 1, 0, 1)
    whole = Image.fromarray(views_of(sources(20, 2)[16], 16)[0])
    assert np.array_equal(fit.take("small", [32])[0], np.asarray(whole.resize((32, 32), Image.Resampling.BOX)))


def test_views_are_taken_in_the_order_that_is_asked_for(fit: Collection) -> None:
    order = np.array([39, 0, 33, 1])
    seen = fit.seen(0, order)
    for place, index in enumerate(order):
        assert np.array_equal(seen.latent[place], fit.seen(0, [int(index)]).latent[0])


def test_only_missing_chunks_are_made(wide_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = sources(18, 1)
    first = collect_split(tmp_path, wide_bundle, wanted, True, 1, "first")
    (tmp_path / "00016" / "complete.json").unlink()
    made = []
    make = collection.make_chunk

    def noted(chunk: collection.SourceChunk) -> None:
        made.append(chunk.first)
        make(chunk)

    monkeypatch.setattr(collection, "make_chunk", noted)
    again = collect_split(tmp_path, wide_bundle, wanted, True, 1, "again")
    assert made == [16]
    assert np.array_equal(first.bytes_of(0), again.bytes_of(0))
