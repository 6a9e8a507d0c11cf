"""docker-compose.yml: valid for both generations of Compose, and every container as locked up as the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud_analytics.settings import CloudSettings
from edge_encoder.settings import EdgeSettings
from tests.debian_programs import DebianPackage

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
STARTED = {
    "cpu": {"cloud"},
    "gpu": {"cloud-gpu"},
    "scale": {"cloud-1", "cloud-2", "nats"},
}


def test_it_keeps_to_the_compose_specification() -> None:
    """The schema of `docker compose`."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@DebianPackage("docker-compose").needed
def test_docker_compose_1_takes_it() -> None:
    """The schema of docker-compose 1.29, which Debian has."""
    command = ["docker-compose", "config", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("profile", STARTED)
def test_a_profile_starts_its_clouds_and_no_others(profile: str) -> None:
    assert {name for name, service in SERVICES.items() if profile in service.get("profiles", ())} == STARTED[profile]


def test_without_a_profile_the_cpu_ones_are_started() -> None:
    lines = (ROOT / ".env").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ["COMPOSE_PROFILES=cpu"]


@pytest.mark.parametrize("profile", STARTED)
def test_what_a_service_waits_for_is_started_with_it(profile: str) -> None:
    started = {name for name, service in SERVICES.items() if profile in service.get("profiles", (profile,))}
    for name in started:
        missing = set(SERVICES[name].get("depends_on", ())) - started
        assert not missing, f"{name} waits for {missing}, which the profile {profile} does not start"


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_rights_to_spare(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service), "its share of the machine is bounded"
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_open_to_this_machine_alone_unless_somebody_says_otherwise(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert port.startswith("${TAXON_PUBLISH:-127.0.0.1}:"), port


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert tag not in ("", "latest")


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_a_setting(name: str) -> None:
    settings = {
        f"{kind.model_config['env_prefix']}{field.upper()}"
        for kind in (EdgeSettings, CloudSettings)
        for field in kind.model_fields
    }
    ours = {variable for variable in SERVICES[name].get("environment", ()) if variable.startswith("TAXON_")}
    assert ours <= settings, f"no settings: {ours - settings}"


def test_what_is_mounted_is_in_the_tree() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    assert not [path for path in mounted if path.startswith("./") and not (ROOT / path).exists()]
