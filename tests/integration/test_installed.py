"""The wheel, installed into empty environments and run in empty folders, under each Python that the services promise.

Laws: a wheel from the checkout and one by way of a source archive hold the same files; without an extra an installation is the
client and nothing of the services; with `cpu` everything of the README's first screens works away from a checkout.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.installation import (
    PYTHONS,
    ROOT,
    Installation,
    clean_environment,
    copy_of_the_tree,
    installed,
    interpreter,
    wheel_by_pip,
    wheel_by_source_archive,
)
from tests.support.services import ServiceProcess, running

pytestmark = pytest.mark.starts_process

PHOTO = ROOT / "samples" / "kitchen" / "030.jpg"
PACKAGES = ("cloud_analytics", "edge_encoder", "shared", "taxon")
CLIENT = {"googleapis-common-protos", "grpcio", "grpcio-status", "numpy", "protobuf", "taxon", "typing-extensions"}
NEWEST = max((version for version in PYTHONS if interpreter(version)), key=PYTHONS.index)
"""The full walk is under this Python alone; the others differ in what they install, and show that they run."""

ALONE = {"PYTHONPATH": "", "TAXON_BUNDLE": ""}
"""Variables that would lead a service to the checkout."""

Installer = Callable[[str, str], Installation]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_by_pip(tree, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installer:
    """Return what installs an extra under a Python, once; it skips where the machine has no such Python."""
    made: dict[tuple[str, str], Installation] = {}

    def one(version: str, extra: str) -> Installation:
        python = interpreter(version)
        if python is None:
            pytest.skip(f"no Python {version} runs on this machine")
        if (version, extra) not in made:
            made[version, extra] = installed(wheel, extra, python, tmp_path_factory.mktemp("installed"))
        return made[version, extra]

    return one


def contents(wheel: Path) -> dict[str, int]:
    """Return the files of a wheel with their check sums, but for the list of them."""
    with ZipFile(wheel) as archive:
        return {one.filename: one.CRC for one in archive.infolist() if not one.filename.endswith("/RECORD")}


def told(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    return done.returncode, done.stderr


def test_a_source_archive_makes_the_same_wheel(tree: Path, wheel: Path, tmp_path: Path) -> None:
    files = contents(wheel)
    assert contents(wheel_by_source_archive(tree, tmp_path)) == files


def test_the_wheel_has_every_file_of_its_packages_and_all_that_is_shipped(tree: Path, wheel: Path) -> None:
    packed = {name for name in contents(wheel) if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in packed} == set(PACKAGES)
    wanted = {
        f"{prefix}{path.relative_to(tree)}"
        for folders, prefix in ((PACKAGES, ""), (("models", "samples"), "taxon/shipped/"))
        for folder in folders
        for path in (tree / folder).rglob("*")
        if path.is_file()
    }
    assert packed == wanted


@pytest.mark.parametrize("version", PYTHONS)
def test_without_extras_it_is_the_client_and_nothing_of_the_services(install: Installer, version: str) -> None:
    client = install(version, "")
    assert client.packages() == CLIENT
    loaded = client.python("from taxon import CameraClient, Subscriber, Wish; print(CameraClient, Subscriber)")
    assert told(loaded) == (0, "")
    assert told(client.taxon("--help")) == (0, "")
    assert not any(client.folder.iterdir()), "a command that answers leaves no file behind"


def test_without_extras_the_codec_names_the_one_that_it_lacks(install: Installer) -> None:
    done = install(NEWEST, "").python("import taxon; taxon.Codec")
    assert done.returncode == 1
    assert re.search(r"taxon\.Codec needs the cpu extra: pip install '\.\[cpu\]'", done.stderr.splitlines()[-1])


def test_a_command_names_the_extra_that_it_lacks(install: Installer) -> None:
    client = install(NEWEST, "")
    for command, extra in (("run", "cpu"), ("demo", "cpu"), ("edge", "edge"), ("cloud", "cloud"), ("watch", "service")):
        status, error = told(client.taxon(command, "--help"))
        assert status == 2
        assert re.fullmatch(
            rf"taxon: `taxon {command}` needs the {extra} extra: pip install '\.\[{extra}\]' .*\n", error
        )
    status, error = told(client.taxon("train"))
    assert status == 2
    assert error.count("\n") == 1
    assert "pip install -e '.[train]' in a checkout" in error


@pytest.mark.parametrize("version", PYTHONS)
def test_a_photo_is_coded_and_drawn_with_the_shipped_bundle(install: Installer, version: str) -> None:
    services = install(version, "cpu")
    shutil.copyfile(PHOTO, services.folder / "photo.jpg")
    done = services.taxon("run", "photo.jpg")
    assert told(done) == (0, "")
    assert re.match(r"photo\.jpg: \d{3} bytes ", done.stdout)
    assert {"photo.txn", "photo.sheet.png", "photo.json"} <= {path.name for path in (services.folder / "out").iterdir()}


@pytest.mark.parametrize("version", PYTHONS)
def test_the_offline_codec_makes_the_bytes_that_the_command_makes(install: Installer, version: str) -> None:
    services = install(version, "cpu")
    shutil.copyfile(PHOTO, services.folder / "photo.jpg")
    assert told(services.taxon("encode", "photo.jpg", "-o", "coded")) == (0, "")
    done = services.python(
        "import taxon; codec = taxon.Codec.load(); data = codec.encode('photo.jpg'); print(data.hex());"
        "print(codec.decode(data, tasks=('normal',))['normal'].shape)"
    )
    assert told(done) == (0, "")
    assert done.stdout.splitlines() == [(services.folder / "coded" / "photo.txn").read_bytes().hex(), "(256, 256, 3)"]


def test_the_demo_loses_no_frame(install: Installer) -> None:
    done = install(NEWEST, "cpu").taxon("demo", "--duration", "5")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^demo: .* [1-9]\d* delivered, 0 lost", done.stdout, re.MULTILINE)


@pytest.mark.asyncio
async def test_the_readmes_python_speaks_to_installed_services(install: Installer, tmp_path: Path) -> None:
    services, client = install(NEWEST, "cpu"), install(NEWEST, "")
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    shutil.copyfile(PHOTO, client.folder / "photo.jpg")
    command = str(services.bin / "taxon")
    cloud = ServiceProcess("cloud", tmp_path / "cloud", command=(command,), environment=ALONE)
    edge = ServiceProcess("edge", tmp_path / "edge", ("--cloud", cloud.rpc), command=(command,), environment=ALONE)
    async with running(cloud, edge):
        program = program.replace("127.0.0.1:50061", cloud.rpc).replace("127.0.0.1:50051", edge.rpc)
        process = await asyncio.create_subprocess_exec(
            *(client.bin / "python", "-u", "-c", program),
            cwd=client.folder,
            env=clean_environment(),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(30):
                receipt, result = [(await process.stdout.readline()).decode() for _ in range(2)]
        finally:
            process.kill()
            await process.wait()
        assert (await edge.stop(), await cloud.stop()) == (0, 0)
    assert "Outcome.CODED" in receipt
    assert result.startswith("hall ")
