"""Every frame of some folders, coded here and decoded in another process: are the symbols the same, all of them?

    python -m benchmarks.lossless FOLDER...

The pictures are analysed in shuffled batches of 16; the second process (`--python`, which may be one of another CPU
architecture) decodes each frame alone, in another order. What it decoded is compared by SHA-256 over all symbols of each
frame. Exit status 1 if any frame differs.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.decode_symbols import symbols_digest
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess
from shared.model.bundle import Bundle
from taxon.defaults import bundle_directory

BATCH = 16
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
SEED = 20261122


def main() -> int:
    """Encode and have decoded; prints one line a folder."""
    arguments = _arguments()
    directory = bundle_directory(arguments.bundle)
    bundle = Bundle.load(directory)
    encoder, failures = Encoder(bundle), 0
    rate = bundle.manifest.default_rate if arguments.rate is None else arguments.rate
    print(f"bundle {bundle.id}, rate {rate}, seed {SEED}")
    for folder in arguments.folders:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)[:: arguments.every]
        with tempfile.TemporaryDirectory() as temporary:
            expected = _encode(encoder, files, rate, Path(temporary))
            command = [
                *shlex.split(arguments.python),
                "-m",
                "benchmarks.decode_symbols",
                "--bundle",
                str(directory),
            ]
            answer = subprocess.run([*command, temporary], check=True, stdout=subprocess.PIPE, text=True, timeout=3600)
            report = json.loads(answer.stdout)
            found = report["digests"]
        wrong = [name for name, digest in expected.items() if found.get(name) != digest]
        failures += len(wrong)
        print(
            f"{folder}: {len(expected) - len(wrong)} of {len(expected)} frames symbol for symbol "
            f"on {report['machine']} {' '.join(wrong[:5])}"
        )
    return int(failures > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--bundle", type=Path, help="directory of a model bundle (default: TAXON_BUNDLE, else the one shipped)"
    )
    parser.add_argument("--rate", type=int, help="operating point (default: the bundle's)")
    parser.add_argument(
        "--python", default=sys.executable, help="the Python that decodes, e.g. an emulated one of another architecture"
    )
    parser.add_argument("--every", type=int, default=1, help="take every Nth picture (default: all)")
    parser.add_argument("folders", type=Path, nargs="*", help="folders of pictures, searched with all below them")
    return parser.parse_args()


def _encode(encoder: Encoder, files: list[Path], rate: int, output: Path) -> dict[str, str]:
    """Write a bitstream for each file, named by its number; returns the digests of what was coded."""
    groups = [group.name for group in encoder.bundle.manifest.groups]
    order = np.random.default_rng(SEED).permutation(len(files)).tolist()
    expected = {}
    for start in tqdm(range(0, len(files), BATCH), desc="encoding", file=sys.stderr):
        chosen = order[start : start + BATCH]
        images = np.stack([preprocess(files[i].read_bytes(), encoder.bundle.manifest.input).pixels for i in chosen])
        batches = encoder.analyse(images, groups, rate)
        for row, number in enumerate(chosen):
            coded = encoder.code({name: batch.frame(row) for name, batch in batches.items()})
            (output / f"{number}.txn").write_bytes(coded.bitstream)
            expected[str(number)] = symbols_digest({group.name: group.latent for group in coded.groups})
    return expected


if __name__ == "__main__":
    sys.exit(main())
