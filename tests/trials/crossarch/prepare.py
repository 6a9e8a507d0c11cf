"""The trials' needs beside this environment: an emulated Python, and packages of other versions and architectures.

    Debian's packages --prepare_aarch64.sh--> qemu, an aarch64 Python
    lock file, versions --pip --target--> folders of packages, put before all others by PYTHONPATH

Law: nothing is installed outside the given folder; a locked version is taken by its hash.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.errors import TaxonError

ROOT = Path(__file__).resolve().parents[3]
LOCK = ROOT / "requirements" / "all.lock"
OLDEST_NUMPY = "1.26.0"
"""The oldest numpy that pyproject.toml allows; a test compares the two."""
NEXT_NUMPY = "2.4.6"
"""A release of numpy 2, which Python 3.13 needs; the lock file has 1.26 for the older ones."""
OLDEST_RUNTIME = "1.22.0"
"""The oldest ONNX Runtime that pyproject.toml allows; a test compares the two."""
_AARCH64 = [f"--platform=manylinux{tag}_aarch64" for tag in ("_2_28", "_2_27", "2014", "_2_17")]
_TAGS = ["--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none"]


class NotPrepared(TaxonError):  # noqa: N818 - named after what is wrong
    """Something that a trial needs could not be fetched."""


@dataclass(frozen=True)
class Prepared:
    """The places of two qemus, of the aarch64 Python, and of folders of packages for PYTHONPATH."""

    aarch64_qemu: Path
    aarch64_root: Path
    x86_qemu: Path
    aarch64_packages: Path
    aarch64_runtime: Path
    oldest_numpy: Path
    next_numpy: Path
    oldest_runtime: Path

    def aarch64(self, processor: str) -> tuple[str, ...]:
        """Return the command of the aarch64 Python on one of qemu's processors (`-cpu help`)."""
        python = self.aarch64_root / "usr" / "bin" / "python3.11"
        return (str(self.aarch64_qemu), "-cpu", processor, "-L", str(self.aarch64_root), str(python))

    def x86(self, processor: str) -> tuple[str, ...]:
        """Return the command of this Python on one of qemu's x86-64 processors."""
        return (str(self.x86_qemu), "-cpu", processor, sys.executable)


def prepare(folder: Path) -> Prepared:
    """Fetch what is not there yet; raises NotPrepared naming what is missing."""
    folder = folder.resolve()
    done = subprocess.run(
        [ROOT / "tests" / "trials" / "crossarch" / "prepare_aarch64.sh", folder],
        stderr=subprocess.PIPE,
        text=True,
        timeout=900,
    )
    if done.returncode:
        raise NotPrepared(done.stderr.strip())
    binaries = folder / "host" / "usr" / "bin"
    return Prepared(
        binaries / "qemu-aarch64-static",
        folder / "aarch64",
        binaries / "qemu-x86_64-static",
        _packages(folder / "aarch64-packages", locked("numpy", "google-crc32c", "threadpoolctl"), [*_AARCH64, *_TAGS]),
        _packages(folder / "aarch64-runtime", [f"onnxruntime=={OLDEST_RUNTIME}"], [*_AARCH64, *_TAGS]),
        _packages(folder / f"numpy-{OLDEST_NUMPY}", [f"numpy=={OLDEST_NUMPY}"]),
        _packages(folder / f"numpy-{NEXT_NUMPY}", [f"numpy=={NEXT_NUMPY}"]),
        _packages(folder / f"onnxruntime-{OLDEST_RUNTIME}", [f"onnxruntime=={OLDEST_RUNTIME}"]),
    )


def locked(*names: str) -> list[str]:
    """Return the lock file's lines for these packages, with their hashes; raises NotPrepared for one that is not in it."""
    lines = []
    for name in names:
        found = re.search(rf"^{re.escape(name)}==[^\n\\]*(?:\\\n +--hash=\w+:\w+ ?)+", LOCK.read_text(), re.MULTILINE)
        if found is None:
            raise NotPrepared(f"{name} is not in {LOCK.name}; make lock")
        lines.append(found.group())
    return lines


def _packages(folder: Path, requirements: Sequence[str], options: Sequence[str] = ()) -> Path:
    """Return a folder with exactly these packages, which is kept from run to run."""
    stamp, wanted = folder / "requirements.txt", "\n".join(requirements) + "\n"
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    fetched = folder / "wanted.txt"
    fetched.write_text(wanted)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--upgrade"]
    done = subprocess.run(
        [*command, *options, "--target", folder, "--requirement", fetched],
        stderr=subprocess.PIPE,
        text=True,
        timeout=600,
    )
    if done.returncode:
        raise NotPrepared(f"packages for {folder.name} could not be fetched: {done.stderr.strip()}")
    fetched.rename(stamp)
    return folder
