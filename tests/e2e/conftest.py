"""The engine, the images and the running stack, made once; without an engine every test here is skipped, and says why.

What was measured on the way (`figures`) is printed at the end.
"""

from __future__ import annotations

import gc
import os
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import closing

import pytest
import yaml
from docker import DockerClient
from docker.errors import DockerException, ImageNotFound

from tests.support.containers import ROOT, TAG, ComposeStack, compose_command, running_stack

BUILD_SECONDS = 1800.0
NOT_OF_THE_DEMO = ("gpu", "scale")
WITHOUT_STAND_IN = "grafana"
"""Debian does not package it, so that where no registry answers there is no image of it."""
FIGURES = pytest.StashKey[dict[str, str]]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash.get(FIGURES, {})
    if figures:
        terminalreporter.section("containers")
        for name, value in figures.items():
            terminalreporter.write_line(f"{name:<60} {value}")


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the summary shows: what was measured, and the figure with its unit."""
    return request.config.stash.setdefault(FIGURES, {})


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    client, why = _connected()
    if client is None:
        pytest.skip(f"no Docker engine answers ({why}); deploy/prepare_engine.sh makes one")
    with closing(client):
        yield client


def _connected() -> tuple[DockerClient | None, str]:
    """The engine's client, or why there is none. Where nobody listens, docker's own code leaves its socket to the garbage collector."""
    why = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return DockerClient.from_env(timeout=120), why
        except DockerException as error:
            why = str(error)
        gc.collect()
    return None, why


@pytest.fixture(scope="session")
def images(engine: DockerClient, figures: dict[str, str]) -> dict[str, int]:
    """The project's images, built from this tree: service -> bytes."""
    sizes: dict[str, int] = {}
    for service in ("edge", "cloud"):
        began = time.monotonic()
        built = subprocess.run(
            ["deploy/build_images.sh", service],
            cwd=ROOT,
            env={**os.environ, "TAXON_TAG": TAG},
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
        assert built.returncode == 0, f"the image of {service} could not be built:\n{built.stderr[-4000:]}"
        sizes[service] = int(engine.images.get(f"taxon-{service}:{TAG}").attrs["Size"])
        figures[f"image taxon-{service}"] = f"{sizes[service] / 1e6:.0f} MB, built in {time.monotonic() - began:.0f} s"
    return sizes


@pytest.fixture(scope="session")
def services(engine: DockerClient, images: dict[str, int], figures: dict[str, str]) -> list[str]:
    """The services of the demo whose images are in the engine; which ones are left out is told."""
    described = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    chosen: list[str] = []
    for name, service in described.items():
        if set(service.get("profiles", ())) & set(NOT_OF_THE_DEMO):
            continue
        try:
            image = engine.images.get(service["image"].replace("${TAXON_TAG:-dev}", TAG))
        except ImageNotFound:
            assert name == WITHOUT_STAND_IN, f"{service['image']} is missing: deploy/prepare_engine.sh provides it"
            figures[f"left out: {name}"] = f"{service['image']} is not in this engine, and no registry gave it"
            continue
        chosen.append(name)
        if stand_in := image.labels.get("taxon.stand-in"):
            of = "the base image of edge and cloud" if service["image"].startswith("taxon-") else service["image"]
            figures[f"stand-in: {of}"] = f"made of {stand_in}"
    return chosen


@pytest.fixture(scope="session")
def compose() -> tuple[str, ...]:
    found = compose_command()
    if found is None:
        pytest.fail("there is neither `docker compose` nor docker-compose: deploy/prepare_engine.sh installs Debian's")
    return found


@pytest.fixture(scope="module")
def stack(
    engine: DockerClient, compose: tuple[str, ...], services: list[str], figures: dict[str, str]
) -> Iterator[ComposeStack]:
    """The demo, every container healthy."""
    began = time.monotonic()
    with running_stack(ComposeStack(engine, compose, services)) as running:
        figures[f"stack of {len(services)} containers healthy after"] = f"{time.monotonic() - began:.1f} s"
        yield running
