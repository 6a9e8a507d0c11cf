"""Networks that differ in their last bits: other symbols perhaps, and never another meaning of the bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.decode_symbols import symbols_digest
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess
from shared.codec.entropy_codec import EntropyCodec
from shared.codec.hyper_synthesis import HyperSynthesis
from shared.errors import CorruptBitstream
from shared.model.bundle import Bundle
from shared.model.shipped import SHIPPED_BUNDLE
from tests.trials.crossarch.decode import latents_of
from tests.trials.crossarch.encode import latents_of as analysed
from tests.trials.crossarch.encode import moved
from tests.trials.crossarch.machine import Machine
from tests.trials.crossarch.run import differing
from tests.trials.crossarch.trials import Trial

PICTURE = Path(__file__).parents[4] / "samples" / "kitchen" / "030.jpg"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(SHIPPED_BUNDLE)


@pytest.mark.parametrize(("ulps", "threads"), [(0, 1), (0, 2), (1, 1), (1000, 1), (1_000_000, 1)])
def test_every_bitstream_decodes_to_the_symbols_that_were_coded(bundle: Bundle, ulps: int, threads: int) -> None:
    encoder = Encoder(bundle, threads=threads)
    image = preprocess(PICTURE.read_bytes(), bundle.manifest.input).pixels
    features = encoder.graphs.run(bundle.manifest.backbone, {"image": image[None]})
    noise = np.random.default_rng(ulps)
    features = {name: moved(values, ulps, noise) for name, values in features.items()}
    codecs = bundle.codecs()
    for _, latents in analysed(encoder, features, 0):
        coded = encoder.code(latents)
        found = latents_of(bundle, codecs, coded.bitstream)
        assert symbols_digest(found) == symbols_digest({group.name: group.latent for group in coded.groups})


def test_noise_reaches_the_symbols_once_it_is_large(bundle: Bundle) -> None:
    """Without this the test above could pass because nothing was moved."""
    encoder = Encoder(bundle, threads=1)
    image = preprocess(PICTURE.read_bytes(), bundle.manifest.input).pixels
    features = encoder.graphs.run(bundle.manifest.backbone, {"image": image[None]})
    noise = np.random.default_rng(1)
    far = {name: moved(values, 1_000_000, noise) for name, values in features.items()}
    before, after = dict(analysed(encoder, features, 0)), dict(analysed(encoder, far, 0))
    assert any((before[name][group].z != after[name][group].z).any() for name in before for group in before[name])


def test_noise_moves_each_float_by_at_most_so_many_neighbours() -> None:
    values = np.array([1.0, -1.0, 0.0, 1e-30, 12345.6], np.float32)
    found = moved(values, 1, np.random.default_rng(0))
    near = np.stack([values, np.nextafter(values, np.float32(np.inf)), np.nextafter(values, np.float32(-np.inf))])
    assert (found == near).any(axis=0).all()
    assert found[2] == 0


def one_step_off(bundle: Bundle, group_name: str, folder: Path) -> EntropyCodec:
    """Return a group's codec whose predicted means and scales are a sixteenth too large."""
    group = bundle.group(group_name)
    with np.load(bundle.path(group.entropy)) as shipped:
        arrays = dict(shipped)
    arrays["output_bias"] = arrays["output_bias"] + (1 << 16)
    np.savez(folder / "entropy.npz", **arrays)
    synthesis = HyperSynthesis.load(folder / "entropy.npz", group.latent, group.side_information)
    return EntropyCodec(group.id, synthesis, bundle.tables(), bundle.digest)


def test_a_decoder_whose_prediction_is_one_step_off_refuses(bundle: Bundle, tmp_path: Path) -> None:
    """What a float hyperprior would risk: here it is made to differ, and the check sum or the coder notices."""
    encoder = Encoder(bundle, threads=1)
    image = preprocess(PICTURE.read_bytes(), bundle.manifest.input).pixels
    coded = encoder.encode(image, ["geometry"], bundle.manifest.default_rate)
    codecs = bundle.codecs() | {"geometry": one_step_off(bundle, "geometry", tmp_path)}
    with pytest.raises(CorruptBitstream):
        latents_of(bundle, codecs, coded.bitstream)


def test_a_changed_missing_or_surplus_answer_counts_as_wrong() -> None:
    assert differing({"a": "1", "b": "2"}, {"a": "1", "b": "2"}) == 0
    assert differing({"a": "1", "b": "2"}, {"a": "1", "b": "3"}) == 1
    assert differing({"a": "1", "b": "2"}, {"a": "1", "c": "2"}) == 2


def test_a_process_that_did_not_run_as_wanted_is_found_out() -> None:
    here = Machine.here()
    assert Trial("x", "decode", wanted={"numpy": np.__version__}).contradictions(here) == []
    assert Trial("x", "decode", wanted={"architecture": "m68k"}).contradictions(here) != []
    assert Trial("x", "decode", without=here.features[:1]).contradictions(here) != [] or not here.features
