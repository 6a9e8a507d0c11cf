from __future__ import annotations

import numpy as np
import pytest

from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import Heads, Reference, checked_result, results
from edge_encoder.encoding.encoder import Encoder
from shared.codec.bitstream import Substream, build, parse, serialise
from shared.codec.latents import LatentBatch
from shared.errors import BitstreamError, BundleError, CorruptBitstream, MissingGroup, UnknownName, WrongBundle
from shared.model.bundle import Bundle
from shared.model.onnx_graphs import Graphs
from shared.model.tasks import TASKS
from tests.support.fixed_models import scattered_array

IMAGES = (scattered_array((3, 32, 32, 3), 3, 127) + 128).astype(np.uint8)
BOTH = ("semantic", "geometry")
ALL_TASKS = [task.name for task in TASKS]


@pytest.fixture(scope="module")
def encoder(tiny_bundle: Bundle) -> Encoder:
    return Encoder(tiny_bundle, threads=1)


@pytest.fixture(scope="module")
def decoder(tiny_bundle: Bundle) -> Decoder:
    return Decoder(tiny_bundle, threads=1)


def test_the_cloud_sees_the_latents_that_the_edge_coded(encoder: Encoder, decoder: Decoder) -> None:
    for rate in range(3):
        encoded = encoder.encode(IMAGES[0], BOTH, rate)
        decoded = decoder.latents(encoded.bitstream)
        assert list(decoded) == list(BOTH)
        for group in encoded.groups:
            assert np.array_equal(decoded[group.name].z, group.latent.z)
            assert np.array_equal(decoded[group.name].v, group.latent.v)
            assert decoded[group.name].rate == rate


def test_all_six_results_have_the_promised_shape_and_type(encoder: Encoder, decoder: Decoder) -> None:
    bitstreams = [encoder.encode(image, BOTH, 1).bitstream for image in IMAGES]
    made = results(decoder, bitstreams, ALL_TASKS)
    assert [result.task.name for result in made] == ALL_TASKS
    for result in made:
        shape = tuple({"N": 3, "H": 32, "W": 32}.get(str(side), side) for side in result.task.shape)
        assert result.values.shape == shape
        assert result.values.dtype == result.task.dtype
        assert not np.array_equal(result.values[0], result.values[1]), "different pictures, different results"


def test_a_frame_in_a_batch_equals_itself_alone(encoder: Encoder, decoder: Decoder) -> None:
    bitstreams = [encoder.encode(image, BOTH, rate).bitstream for rate, image in enumerate(IMAGES)]
    together = results(decoder, bitstreams, ALL_TASKS)
    for i, bitstream in enumerate(bitstreams):
        for whole, alone in zip(together, results(decoder, [bitstream], ALL_TASKS), strict=True):
            assert np.allclose(whole.values[i], alone.values[0], atol=1e-5)


def test_only_wanted_graphs_are_loaded(encoder: Encoder, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = Graphs.session

    def recording(self: Graphs, path: str) -> object:
        asked.append(path)
        return original(self, path)

    data = encoder.encode(IMAGES[0], BOTH, 1).bitstream
    monkeypatch.setattr(Graphs, "session", recording)
    results(Decoder(tiny_bundle, threads=1), [data], ["reshading"])
    assert set(asked) == {"geometry/decoder.onnx", "heads/reshading.onnx"}


def test_a_group_that_was_not_sent_is_named(encoder: Encoder, decoder: Decoder) -> None:
    data = encoder.encode(IMAGES[0], ["semantic"], 1).bitstream
    with pytest.raises(MissingGroup, match="does not carry the group geometry, only semantic"):
        results(decoder, [data], ["normal"])
    with pytest.raises(UnknownName, match="unknown task depth"):
        results(decoder, [data], ["depth"])
    batch = LatentBatch.of([decoder.latents(data)["semantic"]])
    with pytest.raises(UnknownName, match="unknown task normal; choose one of: class_scene"):
        decoder.features("semantic", batch, ["normal"])


def test_every_flipped_bit_is_refused(encoder: Encoder, decoder: Decoder) -> None:
    data = encoder.encode(IMAGES[2], BOTH, 1).bitstream
    for place in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(BitstreamError):
            decoder.latents(bytes(flipped))


def test_another_bundles_bitstream_is_refused(encoder: Encoder, decoder: Decoder) -> None:
    data = bytearray(encoder.encode(IMAGES[0], BOTH, 1).bitstream)
    data[2:6] = b"\0\0\0\0"
    with pytest.raises(WrongBundle, match=r"written with the bundle 00000000\.\.\.,"):
        decoder.latents(bytes(data))


def test_an_unknown_group_or_input_size_is_refused(encoder: Encoder, decoder: Decoder, tiny_bundle: Bundle) -> None:
    substreams = parse(encoder.encode(IMAGES[0], BOTH, 1).bitstream).substreams
    with pytest.raises(CorruptBitstream, match="unknown group id 9"):
        decoder.latents(serialise(build(tiny_bundle.digest, [Substream(9, 1, 0, b"")])))
    with pytest.raises(CorruptBitstream, match="another input size"):
        decoder.latents(serialise(build(tiny_bundle.digest, substreams, (1, 1))))


def test_the_reference_runs_all_tasks_without_coding(tiny_bundle: Bundle) -> None:
    made = Reference(Graphs(tiny_bundle, threads=1)).results(IMAGES, ALL_TASKS)
    assert [result.task.name for result in made] == ALL_TASKS
    for result in made:
        assert result.values.shape[0] == 3
        if result.task.dtype == "float32":
            assert not np.array_equal(result.values[0], result.values[1]), "different pictures, different results"


def test_a_head_that_breaks_its_promise_is_named(tiny_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"heads/normal.onnx: gives float64 \(1, 3, 4, 4\), task normal is float32"):
        checked_result("normal", np.zeros((1, 3, 4, 4)), "heads/normal.onnx")
    with pytest.raises(UnknownName, match="unknown task depth"):
        Heads(Graphs(tiny_bundle)).run("depth", np.zeros((1, 8, 4, 4), np.float32))
