from __future__ import annotations

import os
import subprocess
import sys

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.codec import range_coder as coder
from shared.codec.bitstream import Substream, build, cut, parse, serialise
from shared.codec.entropy_codec import EntropyCodec
from shared.codec.hyper_synthesis import HyperSynthesis
from shared.codec.latents import Latent
from shared.errors import BitstreamError, CorruptBitstream, LatentError, WrongBundle
from tests.support.fixed_models import DIGEST, RATES, SHAPE, SIDE, arrays, codec, latent, scattered_array, tables

CODEC = codec()
OTHER_GROUP = codec(group_id=5, seed=9)

values = st.one_of(st.integers(-2, 2), st.integers(-40, 40), st.integers(-(2**15), 2**15 - 1))
latents = st.builds(
    lambda z, v, rate: Latent(np.array(z, np.int64), np.array(v, np.int64), rate),
    st.lists(values, min_size=SHAPE.size, max_size=SHAPE.size),
    st.lists(values, min_size=SIDE, max_size=SIDE),
    st.integers(0, RATES - 1),
)

GOLDEN = {
    (0, 0, 0): (
        "a71000010203201053d7f7138211f060561a502a5db83999e0ce352550210ede4e267cd33afe8a23a7d265534f610021b4b1"
        "94a935b065b7044646a7225158ee20e012"
    ),
    (1, 1, 0): (
        "a71000010203201aa892f96a5058ed0b6db13b2fb12b9acb5625020d3337d435cfbb29d9e212502142df2e514eba002c04d1"
        "52fd3f2f723df06f04f38fbdfb30bf3240c5b4011a9d676f56ee53"
    ),
    (2, 3, 1): (
        "a7100001020321374220d566ffea5631278218e83c7664f33d80fa117b869aec5a97f5c7aa4f9595df2daacfc71b7062d3fd"
        "8c01b8ddb28e797fa70e59bb9f3b7db0795125e96d4f31ffea56327e86f7c25cf28cd4cf2a28ef1e3e30943619a4bb0cced1"
        "e02614d47255c9cc2803"
    ),
    (3, 300, 2): (
        "a71000010203229901f21ae648fff98bffac2bf7feb05ed3f1f1c7579dde098f9dfa96379dc934373afa66c73aff07f79db4"
        "5edf9ef871f9dfffcefa8096f9da4f03f9d71a06be79471cf3aaa2787e7705f39e771b8e7e802033e76f36edceaaaeeb73aa"
        "efa19e90b71cebaef6bcec61f9fe768d94bcee121373b10c72f3b27ed1f3ab3ccabcebb20cde7dcf9b3b7e589ceae27cf73b"
        "26620f3b90dd5e86af373cafe6f3b320526674f3889afff98bffac2bf7feb05ed3f1f1c7579dde098f9d55517e73aeaf8279"
        "e32e9fe775632de75ea001f9dc9f9bf6bd9f9d973e11e75ccadef9d8e5e75ceac77b5f3b0e76973acb23fdcecbb7b9ceaed4"
        "a673ac11c15e7a56b7f9ffcc827772f838b0d17b79ff4c46"
    ),
}


def same(a: Latent, b: Latent) -> bool:
    return np.array_equal(a.z, b.z) and np.array_equal(a.v, b.v) and a.rate == b.rate


def bitstream_of(value: Latent) -> bytes:
    return serialise(build(DIGEST, [CODEC.encode(value).substream, OTHER_GROUP.encode(value).substream]))


def decode_all(data: bytes) -> list[Latent]:
    """What the cloud does: framing, bundle, then each group's codec."""
    parsed = parse(data)
    parsed.require_bundle(DIGEST)
    size = (None, None) if parsed.input_size is None else parsed.input_size
    by_id = {one.group_id: one for one in (CODEC, OTHER_GROUP)}
    if not by_id.keys() >= {one.group_id for one in parsed.substreams}:
        raise CorruptBitstream("unknown group")
    return [by_id[one.group_id].decode(one, *size) for one in parsed.substreams]


@settings(deadline=None)
@given(latents)
def test_decoding_returns_the_latent_with_its_certain_symbols_set(value: Latent) -> None:
    coded = CODEC.encode(value)
    assert same(CODEC.decode(coded.substream), coded.latent)


@settings(deadline=None)
@given(latents)
def test_only_certain_symbols_are_changed(value: Latent) -> None:
    coded = CODEC.encode(value).latent
    synthesis = HyperSynthesis(arrays(), SHAPE, SIDE)
    side_scale = synthesis.side_scale_index[value.rate]
    assert np.array_equal(coded.v, np.where(side_scale > 0, value.v, 0))
    prediction = synthesis.predict(coded.v[None], np.array([value.rate]), 8)
    assert np.array_equal(coded.z, np.where(prediction.scale[0] > 0, value.z, (prediction.mean[0] + 8) >> 4))
    assert same(CODEC.encode(coded).latent, coded), "encoding twice changes nothing more"


@settings(deadline=None)
@given(latents)
def test_the_payload_is_near_its_cross_entropy(value: Latent) -> None:
    coded = CODEC.encode(value)
    assert len(coded.substream.payload) <= 1.02 * coded.cross_entropy_bits / 8 + 2
    assert 8 * len(coded.substream.payload) > coded.cross_entropy_bits - 16


def test_large_values_escape() -> None:
    z = np.full(SHAPE.size, 2**15 - 1, np.int64)
    z[::2] = -(2**15)
    value = Latent(z, np.full(SIDE, -(2**15), np.int64), 1)
    coded = CODEC.encode(value)
    assert np.abs(coded.latent.z).max() >= 2**15 - 1
    assert same(CODEC.decode(coded.substream), coded.latent)


@pytest.mark.parametrize("value", [2**15, -(2**15) - 1, 2**40])
def test_values_beyond_16_bits_are_refused(value: int) -> None:
    for name in ("z", "v"):
        wide = latent(1)
        getattr(wide, name)[0] = value
        with pytest.raises(LatentError, match=f"{name} has a value outside the 16 bits"):
            CODEC.encode(wide)


def test_a_latent_of_another_shape_or_rate_is_refused() -> None:
    good = latent(1)
    with pytest.raises(LatentError, match="z must be 69 signed integers"):
        CODEC.encode(Latent(good.z[:-1], good.v, 0))
    with pytest.raises(LatentError, match="v must be 6 signed integers"):
        CODEC.encode(Latent(good.z, good.v.astype(np.float64), 0))
    with pytest.raises(LatentError, match=r"operating point 3 is not one of 0\.\.2"):
        CODEC.encode(Latent(good.z, good.v, RATES))


def test_a_frame_of_another_size_round_trips() -> None:
    shape = SHAPE.resized(7, 3)
    value = Latent(scattered_array((shape.size,), 4, 3), scattered_array((SIDE,), 5, 3), 1, 7, 3)
    coded = CODEC.encode(value)
    assert same(CODEC.decode(coded.substream, 7, 3), coded.latent)
    with pytest.raises(CorruptBitstream):
        CODEC.decode(coded.substream, 3, 7)


def test_few_bytes_cannot_ask_for_a_huge_latent() -> None:
    substream = CODEC.encode(latent(1)).substream
    with pytest.raises(CorruptBitstream, match="a latent of 255x255 is not supported"):
        CODEC.decode(substream, 255, 255)


@settings(deadline=None)
@given(latents)
def test_cutting_equals_encoding_one_group_alone(value: Latent) -> None:
    both = parse(bitstream_of(value))
    for one in (CODEC, OTHER_GROUP):
        assert serialise(cut(both, [one.group_id])) == serialise(build(DIGEST, [one.encode(value).substream]))


@pytest.mark.parametrize("seed", range(4))
def test_every_flipped_bit_is_refused(seed: int) -> None:
    data = bitstream_of(latent(seed, limit=2 + 18 * (seed == 3), rate=seed % RATES))
    decode_all(data)
    for place in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(BitstreamError):
            decode_all(bytes(flipped))


@pytest.mark.parametrize("seed", range(4))
def test_every_truncation_and_extension_is_refused(seed: int) -> None:
    data = bitstream_of(latent(seed))
    whole_first_group = len(serialise(cut(parse(data), [CODEC.group_id])))
    for length in range(len(data)):
        if length == whole_first_group:
            # A bitstream of one group is a whole bitstream: that is what cutting means.
            assert len(decode_all(data[:length])) == 1
            continue
        with pytest.raises(BitstreamError):
            decode_all(data[:length])
    for more in (b"\0", b"\xa7", data):
        with pytest.raises(BitstreamError):
            decode_all(data + more)


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BitstreamError):
        decode_all(data)


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_foreign_payloads_are_refused_after_bounded_work(payload: bytes) -> None:
    substream = CODEC.encode(latent(1)).substream
    steps = 0

    class Counting(coder.RangeDecoder):
        def until_escape(self, upcoming: object) -> list[int]:
            nonlocal steps
            found = super().until_escape(upcoming)  # type: ignore[arg-type]
            steps += len(found)
            return found

    foreign = Substream(substream.group_id, substream.rate, substream.crc ^ 1, payload)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coder, "RangeDecoder", Counting)
        with pytest.raises(CorruptBitstream):
            CODEC.decode(foreign)
    # Each symbol may escape: a sign, at most 17 bits of prefix, at most 16 more.
    assert steps <= (SIDE + SHAPE.size) * (1 + 1 + 17 + 16)


def test_an_escape_prefix_of_17_zeros_is_refused_at_once() -> None:
    """The first coded v escapes: a sign, then a prefix that is one zero too long for 16 bits."""
    table = tables().lists[16 * int(arrays()["side_scale_index"][0, 1]) + 8]
    bits = [0, *[0] * 17, 1, *[0] * 17]
    payload = coder.encode([table[-2], *(32768 * bit for bit in bits)], [65536 - table[-2], *(32768 for _ in bits)])
    substream = CODEC.encode(latent(1)).substream
    with pytest.raises(CorruptBitstream, match="an escaped symbol needs more than 16 bits"):
        CODEC.decode(Substream(substream.group_id, 0, substream.crc, payload))


def test_another_bundle_is_refused() -> None:
    data = bitstream_of(latent(1))
    with pytest.raises(WrongBundle, match=r"written with the bundle 00010203\.\.\."):
        parse(data).require_bundle(bytes(32))
    # The same first four bytes are not enough: the whole digest is in the check sum.
    twin = codec(digest=DIGEST[:4] + bytes(28))
    with pytest.raises(CorruptBitstream, match="check sum"):
        twin.decode(CODEC.encode(latent(1)).substream)


def test_another_groups_substream_is_refused() -> None:
    with pytest.raises(CorruptBitstream, match="substream of group 5 at rate 0 is not one of group 2"):
        CODEC.decode(OTHER_GROUP.encode(latent(1)).substream)


def test_the_check_sum_is_the_format_pages() -> None:
    coded = CODEC.encode(latent(1, rate=2))
    head = b"\x01" + DIGEST + bytes([4, 4, 0x22])
    symbols = coded.latent.v.astype("<i2").tobytes() + coded.latent.z.astype("<i2").tobytes()
    assert coded.substream.crc == google_crc32c.value(head + symbols)


@pytest.mark.parametrize(("seed", "limit", "rate"), GOLDEN)
def test_bitstreams_are_pinned_byte_for_byte(seed: int, limit: int, rate: int) -> None:
    """A change here is a change of format: it needs a new bitstream version."""
    value = latent(seed, limit, rate)
    assert bitstream_of(value).hex() == GOLDEN[seed, limit, rate]
    first, second = decode_all(bytes.fromhex(GOLDEN[seed, limit, rate]))
    assert same(first, CODEC.encode(value).latent)
    assert same(second, OTHER_GROUP.encode(value).latent)


@pytest.mark.starts_process
def test_another_process_decodes_the_same() -> None:
    coded = EntropyCodec(2, HyperSynthesis(arrays(), SHAPE, SIDE), tables(), DIGEST).encode(latent(7, 50, 1))
    program = (
        "import sys; from shared.codec.bitstream import parse; from tests.support.fixed_models import codec;"
        "print(codec().decode(parse(bytes.fromhex(sys.argv[1])).substreams[0]).z.tolist())"
    )
    data = serialise(build(DIGEST, [coded.substream])).hex()
    # Other threads, another summation order: the integers must not care.
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OPENBLAS_CORETYPE="Prescott", PYTHONHASHSEED="7")
    done = subprocess.run([sys.executable, "-c", program, data], env=environment, capture_output=True, check=True)
    assert done.stdout.decode().strip() == str(coded.latent.z.tolist())
