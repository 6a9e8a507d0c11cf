"""The package as a user installs it: built in isolation, into empty environments of several Pythons, run in empty folders.

    tracked files --copy--> a tree --pip wheel (isolated)--> wheel
                                 `--uv build--> source archive --> wheel
    wheel[extra] --uv, at the locked versions--> an environment --Installation.taxon(...)--> status, stdout, stderr

Law: nothing of the checkout is seen by what was installed: neither by PYTHONPATH, nor by a variable, nor by the working directory.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.11", "3.12", "3.13")
LONGEST_SECONDS = 240


@cache
def interpreter(version: str) -> Path | None:
    """Return a Python of this version that runs here: this one, one on PATH, or one that pyenv keeps; None where there is none."""
    for candidate in _candidates(version):
        told = subprocess.run([candidate, "-c", _TELL], capture_output=True, text=True, timeout=60)
        # A shim of pyenv is on PATH also where the version behind it is not the chosen one.
        if told.returncode == 0 and told.stdout.startswith(f"{version} "):
            return Path(told.stdout.split(maxsplit=1)[1].strip())
    return None


_TELL = "import ssl, sqlite3, sys; print('%d.%d' % sys.version_info[:2], sys._base_executable)"


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    for folder in os.get_exec_path():
        found = shutil.which(f"python{version}", path=folder)
        if found:
            yield found
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from map(str, sorted(versions.glob(f"{version}.*/bin/python{version}")))


def copy_of_the_tree(folder: Path) -> Path:
    """Copy what git tracks, or would with the next `git add`: a build leaves files behind, and another test reads the tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def wheel_by_pip(tree: Path, into: Path) -> Path:
    """Build the wheel as `pip install .` does: in isolation, from pyproject.toml's build requirements."""
    _run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(into), str(tree)])
    [wheel] = into.glob("taxon-*.whl")
    return wheel


def wheel_by_source_archive(tree: Path, into: Path) -> Path:
    """Build a source archive, and the wheel from nothing but that."""
    _run([_uv(), "build", "--quiet", "--out-dir", str(into), str(tree)])
    [wheel] = into.glob("taxon-*.whl")
    return wheel


@dataclass(frozen=True)
class Installation:
    """An environment with the wheel in it. bin: where its programs are. folder: an empty one, where they run."""

    bin: Path
    folder: Path

    def taxon(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the installed command until it ends."""
        return self._ran([str(self.bin / "taxon"), *arguments])

    def python(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a program until it ends."""
        return self._ran([str(self.bin / "python"), "-c", program])

    def packages(self) -> set[str]:
        """Return the names of everything that is installed."""
        listed = _run([_uv(), "pip", "freeze", "--quiet", "--python", str(self.bin / "python")]).stdout
        return {re.split(r"[ =@]", line, maxsplit=1)[0] for line in listed.splitlines()}

    def _ran(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=clean_environment(), capture_output=True, text=True, timeout=LONGEST_SECONDS
        )


def installed(wheel: Path, extra: str, python: Path, folder: Path) -> Installation:
    """Install the wheel with an extra ("" for none) at the versions of requirements/cpu.lock; `folder` gets everything."""
    environment, empty = folder / "environment", folder / "empty"
    empty.mkdir(parents=True)
    versions = folder / "versions.txt"
    # Without the hashes, which pip's and uv's constraints would ask of the wheel too.
    lock = (ROOT / "requirements" / "cpu.lock").read_text()
    versions.write_text("".join(f"{line}\n" for line in re.findall(r"^([a-z0-9].*?) \\$", lock, re.MULTILINE)))
    _run([_uv(), "venv", "--quiet", "--no-project", "--python", str(python), str(environment)])
    wanted = f"taxon[{extra}] @ {wheel.as_uri()}" if extra else f"taxon @ {wheel.as_uri()}"
    target = ("--python", str(environment / "bin" / "python"))
    _run([_uv(), "pip", "install", "--quiet", *target, "--constraint", str(versions), wanted])
    return Installation(environment / "bin", empty)


def clean_environment() -> dict[str, str]:
    """Return this process's variables without those by which a Python or a `taxon` finds other files."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TAXON", "VIRTUAL_ENV"))
    }


def _uv() -> str:
    found = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert found is not None, "uv is missing; it is in requirements/all.lock"
    return found


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a tool; raises AssertionError with its last words where it fails."""
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=LONGEST_SECONDS)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done
