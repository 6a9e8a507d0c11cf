"""The shipped bundle on the shipped pictures: small enough, exact in another process, and served without torch."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import results
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess
from shared.codec.bitstream import cut, parse, serialise
from shared.codec.latents import Latent
from shared.model.bundle import Bundle
from shared.model.shipped import SHIPPED_BUNDLE
from shared.model.tasks import TASKS

ROOT = Path(__file__).parents[2]
PICTURES = sorted((ROOT / "samples").glob("*/030.jpg"))
GROUPS = ("semantic", "geometry")
# sha256 over the bitstreams of latents that a formula gives, at every operating point: changes only with the format or the bundle
GOLDEN = "390a3873e13926fffa85e4d5024d9225edcd926441e4d42ee8e7e8dfcd0d1925"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(SHIPPED_BUNDLE)


@pytest.fixture(scope="module")
def encoder(bundle: Bundle) -> Encoder:
    return Encoder(bundle)


@pytest.fixture(scope="module")
def images(bundle: Bundle) -> np.ndarray:
    assert len(PICTURES) == 3, "each shipped room has a picture 030.jpg"
    return np.stack([preprocess(path.read_bytes(), bundle.manifest.input).pixels for path in PICTURES])


def formula_latents(bundle: Bundle, rate: int) -> dict[str, Latent]:
    """Sparse latents with now and then a large value, the same on every machine."""
    latents = {}
    for group in bundle.manifest.groups:
        position = np.arange(group.latent.size, dtype=np.int64)
        z = np.where(position % 13 == 0, (position * 7919) % 7 - 3, 0) + np.where(position % 997 == 5, 900, 0)
        v = (np.arange(group.side_information, dtype=np.int64) * 31) % 9 - 4
        latents[group.name] = Latent(z, v, rate)
    return latents


def test_it_is_at_most_forty_megabytes() -> None:
    assert sum(path.stat().st_size for path in SHIPPED_BUNDLE.rglob("*") if path.is_file()) <= 40_000_000


def test_its_bitstreams_are_pinned(bundle: Bundle, encoder: Encoder) -> None:
    digest = hashlib.sha256()
    for point in bundle.manifest.operating_points:
        digest.update(encoder.code(formula_latents(bundle, point.rate)).bitstream)
    assert digest.hexdigest() == GOLDEN


def test_a_picture_is_a_few_hundred_bytes_and_six_results(bundle: Bundle, encoder: Encoder, images: np.ndarray) -> None:
    decoder = Decoder(bundle)
    tasks = [task.name for task in TASKS]
    for image in images:
        coded = encoder.encode(image, GROUPS, bundle.manifest.default_rate)
        assert 20 < len(coded.bitstream) < 800
        answers = {result.task.name: result for result in results(decoder, [coded.bitstream], tasks)}
        assert set(answers) == set(tasks)
        normal = answers["normal"].values[0]
        assert np.allclose(np.linalg.norm(normal, axis=0), 1, atol=1e-3)
        assert answers["class_object"].values[0].sum() == pytest.approx(1, abs=1e-3)
        # a furnished room is never one class from edge to edge
        assert len(np.unique(answers["segment_semantic"].values[0])) >= 3


def test_more_bits_at_later_operating_points(bundle: Bundle, encoder: Encoder, images: np.ndarray) -> None:
    sizes = [
        sum(len(encoder.encode(image, GROUPS, point.rate).bitstream) for image in images)
        for point in bundle.manifest.operating_points
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.8 * sizes[-1]


@pytest.mark.starts_process
def test_another_process_decodes_the_same_symbols(
    bundle: Bundle, encoder: Encoder, images: np.ndarray, tmp_path: Path
) -> None:
    expected = {}
    for i, image in enumerate(images):
        coded = encoder.encode(image, GROUPS, bundle.manifest.default_rate)
        (tmp_path / f"{i}.txn").write_bytes(coded.bitstream)
        expected[str(i)] = [[group.latent.v.tolist(), group.latent.z.tolist()] for group in coded.groups]
    script = (
        "import json, sys, pathlib\n"
        "from cloud_analytics.decoding.decoder import Decoder\n"
        "from shared.model.bundle import Bundle\n"
        "decoder = Decoder(Bundle.load(pathlib.Path(sys.argv[1])))\n"
        "decoded = {p.stem: decoder.latents(p.read_bytes()) for p in pathlib.Path(sys.argv[2]).glob('*.txn')}\n"
        "print(json.dumps({k: [[l[g].v.tolist(), l[g].z.tolist()] for g in ('semantic', 'geometry')] for k, l in decoded.items()}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(SHIPPED_BUNDLE), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout) == expected


def test_a_group_cut_out_gives_the_results_it_gave_in_company(
    bundle: Bundle, encoder: Encoder, images: np.ndarray
) -> None:
    decoder = Decoder(bundle)
    whole = encoder.encode(images[0], GROUPS, bundle.manifest.default_rate).bitstream
    part = serialise(cut(parse(whole), [bundle.group("geometry").id]))
    assert len(part) < len(whole)
    (together,) = results(decoder, [whole], ["normal"])
    (alone,) = results(decoder, [part], ["normal"])
    assert (alone.values == together.values).all()


@pytest.mark.starts_process
def test_the_services_never_load_torch() -> None:
    script = (
        "import sys\n"
        "import cloud_analytics.decoding.heads, cloud_analytics.decoding.heads\n"
        "import edge_encoder.encoding.encoder, edge_encoder.encoding.preprocess, taxon.main\n"
        "import training.datasets\n"
        "assert not {'torch', 'torchvision', 'compressai', 'scipy'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60, check=True)


@pytest.mark.starts_process
def test_the_inference_runtime_reports_to_nobody(tmp_path: Path) -> None:
    """Where the runtime's telemetry is on, it makes files for its queue in the home folder, or complains that it cannot."""
    script = (
        "import pathlib, sys\n"
        "import numpy as np\n"
        "from edge_encoder.encoding.encoder import Encoder\n"
        "from shared.model.bundle import Bundle\n"
        "encoder = Encoder(Bundle.load(pathlib.Path(sys.argv[1])))\n"
        "encoder.encode(np.zeros((256, 256, 3), np.uint8), ['semantic'], 0)\n"
    )
    # CI switches the telemetry off by itself
    environment = {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", script, str(SHIPPED_BUNDLE)],
        cwd=ROOT,
        env=environment,
        timeout=60,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "telemetry" not in done.stderr.lower()
    assert list(tmp_path.rglob("*")) == []
