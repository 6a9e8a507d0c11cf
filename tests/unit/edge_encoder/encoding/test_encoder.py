from __future__ import annotations

import numpy as np
import pytest

from edge_encoder.encoding.encoder import Encoder
from shared.codec.bitstream import cut, parse, serialise
from shared.errors import UnknownName
from shared.model.bundle import Bundle
from shared.model.onnx_graphs import Graphs
from tests.support.fixed_models import scattered_array

IMAGES = (scattered_array((4, 32, 32, 3), 3, 127) + 128).astype(np.uint8)
BOTH = ("semantic", "geometry")


@pytest.fixture(scope="module")
def encoder(tiny_bundle: Bundle) -> Encoder:
    return Encoder(tiny_bundle, threads=1)


def test_analysing_gives_the_latents_of_the_wanted_groups(encoder: Encoder) -> None:
    batches = encoder.analyse(IMAGES, ["geometry"], 2)
    assert list(batches) == ["geometry"]
    batch = batches["geometry"]
    assert (batch.z.shape, batch.v.shape, batch.rate.tolist()) == ((4, 32), (4, 6), [2, 2, 2, 2])
    assert batch.z.dtype == batch.v.dtype == np.int64
    assert np.unique(batch.z).size > 3


def test_each_frame_may_have_its_own_rate(encoder: Encoder) -> None:
    mixed = encoder.analyse(IMAGES, BOTH, [0, 1, 2, 0])["semantic"]
    for i, rate in enumerate((0, 1, 2, 0)):
        alone = encoder.analyse(IMAGES[i : i + 1], BOTH, rate)["semantic"]
        assert np.array_equal(mixed.z[i], alone.z[0])
        assert mixed.frame(i).rate == rate


def test_each_frame_may_have_its_own_groups_too(encoder: Encoder) -> None:
    groups: list[tuple[str, ...]] = [("geometry",), BOTH, ("semantic",), BOTH]
    rates = [0, 1, 2, 0]
    for image, names, rate, found in zip(
        IMAGES, groups, rates, encoder.analyse_each(IMAGES, groups, rates), strict=True
    ):
        assert encoder.code(found).bitstream == encoder.encode(image, names, rate).bitstream
    with pytest.raises(UnknownName, match="unknown task group audio"):
        encoder.analyse_each(IMAGES, [("audio",)] * 4, rates)


def test_a_graph_that_nobody_wants_is_not_even_loaded(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = Graphs.session

    def recording(self: Graphs, path: str) -> object:
        asked.append(path)
        return original(self, path)

    monkeypatch.setattr(Graphs, "session", recording)
    Encoder(tiny_bundle, threads=1).encode(IMAGES[0], ["semantic"], 1)
    assert set(asked) == {"backbone.onnx", "semantic/encoder.onnx"}


def test_cutting_equals_encoding_that_group_alone(encoder: Encoder, tiny_bundle: Bundle) -> None:
    both = parse(encoder.encode(IMAGES[0], BOTH, 1).bitstream)
    for name in BOTH:
        alone = encoder.encode(IMAGES[0], [name], 1).bitstream
        assert serialise(cut(both, [tiny_bundle.group(name).id])) == alone


def test_the_three_figures_are_kept_apart(encoder: Encoder) -> None:
    encoded = encoder.encode(IMAGES[1], BOTH, 1)
    overhead = 6 + 2 * (1 + 1 + 4)
    assert len(encoded.bitstream) == encoded.payload_bytes + overhead
    assert encoded.cross_entropy_bits <= 8 * encoded.payload_bytes <= 1.02 * encoded.cross_entropy_bits + 2 * 16
    assert [group.name for group in encoded.groups] == list(BOTH)
    assert sum(group.substream_bytes for group in encoded.groups) == len(encoded.bitstream) - 6


def test_the_order_of_groups_does_not_matter(encoder: Encoder) -> None:
    assert encoder.encode(IMAGES[0], BOTH, 1).bitstream == encoder.encode(IMAGES[0], BOTH[::-1], 1).bitstream


def test_wrong_images_groups_and_rates_are_refused(encoder: Encoder) -> None:
    with pytest.raises(ValueError, match=r"images must be uint8 \[N, 32, 32, 3\], not uint8 \(4, 3, 32, 32\)"):
        encoder.analyse(IMAGES.transpose(0, 3, 1, 2), BOTH, 1)
    with pytest.raises(ValueError, match="not float32"):
        encoder.analyse(IMAGES.astype(np.float32), BOTH, 1)
    with pytest.raises(UnknownName, match="unknown task group audio"):
        encoder.encode(IMAGES[0], ["audio"], 1)
    with pytest.raises(UnknownName, match="unknown operating point 3; choose one of: 0, 1, 2"):
        encoder.encode(IMAGES[0], BOTH, 3)


def test_sessions_are_kept(encoder: Encoder) -> None:
    assert encoder.graphs.session("backbone.onnx") is encoder.graphs.session("backbone.onnx")
