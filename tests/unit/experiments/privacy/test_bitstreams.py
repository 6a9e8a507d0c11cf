"""What a thief sees was decoded from real bytes, and the stage without rounding is what those bytes were rounded from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from cloud_analytics.decoding.decoder import Decoder
from edge_encoder.encoding.encoder import Encoder
from experiments.privacy.bitstreams import UNROUNDED, Thief, joined, taking_floats, without_rounding
from shared.codec.latents import LatentBatch
from shared.model.bundle import Bundle
from tests.support.experiments import patches
from training.datasets.frame import DataError


def test_a_thief_sees_what_the_services_send_and_decode(wide_bundle: Path) -> None:
    bundle = Bundle.load(wide_bundle)
    pictures = np.stack([patches(1), patches(2)])
    stolen = Thief(bundle).steal(pictures)
    assert Thief(bundle).stages == ("lowest", "low", "middle", UNROUNDED)
    for rate in range(3):
        for i, picture in enumerate(pictures):
            sent = Encoder(bundle).encode(picture, ("semantic", "geometry"), rate)
            assert stolen[rate].bytes_[i] == len(sent.bitstream)
            latents = Decoder(bundle).latents(sent.bitstream)
            spatial = [
                latents[name].z[: 16 * channels].reshape(channels, 4, 4)
                for name, channels in (("semantic", 4), ("geometry", 2))
            ]
            assert np.array_equal(stolen[rate].latent[i], np.concatenate(spatial))
            normal = Decoder(bundle).features("geometry", LatentBatch.of([latents["geometry"]]), ("normal",))["normal"][
                0
            ]
            # the grid holds segmentation (8 channels), then the geometry group's tasks in their order
            np.testing.assert_allclose(stolen[rate].grid[i, 8:16], normal, rtol=1e-5, atol=1e-5)


def test_the_stage_without_rounding_is_what_the_finest_symbols_were_rounded_from(wide_bundle: Path) -> None:
    stolen = Thief(Bundle.load(wide_bundle)).steal(np.stack([patches(seed) for seed in range(4)]))
    finest, unrounded = stolen[-2].latent, stolen[-1].latent
    # certain symbols are set by the codec, whatever the encoder rounded
    same = np.round(unrounded) == finest
    assert same.mean() > 0.5
    assert np.abs(unrounded - np.round(unrounded)).max() > 0.1, "these are whole numbers: something rounds them"
    assert stolen[-1].bytes_.sum() == 0


def test_graphs_that_round_nothing_are_refused() -> None:
    def model(*nodes: onnx.NodeProto) -> onnx.ModelProto:
        z = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
        return helper.make_model(helper.make_graph(list(nodes), "g", [x], [z]))

    with pytest.raises(DataError, match="no Round"):
        without_rounding(model(helper.make_node("Neg", ["x"], ["z"])))
    with pytest.raises(DataError, match="cast"):
        taking_floats(model(helper.make_node("Neg", ["z"], ["x"])))


def test_parts_are_joined_in_their_order(wide_bundle: Path) -> None:
    thief = Thief(Bundle.load(wide_bundle))
    both = thief.steal(np.stack([patches(1), patches(2)]))[0]
    one_by_one = joined([thief.steal(patches(seed)[None])[0] for seed in (1, 2)])
    assert np.array_equal(both.latent, one_by_one.latent)
    assert np.array_equal(both.bytes_, one_by_one.bytes_)
