"""docker-compose.yml: valid for both generations of Compose, and every container as locked up as the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud_analytics.settings import CloudSettings
from edge_encoder.settings import EdgeSettings
from tests.support.debian import DebianPackage

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
TLS_FILE = ROOT / "deploy" / "compose.tls.yml"
TLS: dict[str, dict[str, Any]] = yaml.safe_load(TLS_FILE.read_text())["services"]
SETTINGS = {
    f"{kind.model_config['env_prefix']}{field.upper()}"
    for kind in (EdgeSettings, CloudSettings)
    for field in kind.model_fields
}
WITHOUT_ASKING = ("prometheus", "alertmanager", "grafana")
STARTED = {
    "cpu": {"cloud"},
    "gpu": {"cloud-gpu"},
    "scale": {"cloud-1", "cloud-2", "nats"},
}


@pytest.mark.starts_process
@pytest.mark.parametrize("file", [FILE, TLS_FILE], ids=lambda file: file.name)
def test_it_keeps_to_the_compose_specification(file: Path) -> None:
    """The schema of `docker compose`."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.starts_process
@DebianPackage("docker-compose").needed
def test_docker_compose_1_takes_it() -> None:
    """The schema of docker-compose 1.29, which Debian has."""
    command = ["docker-compose", "config", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.starts_process
@DebianPackage("docker-compose").needed
@pytest.mark.parametrize("profile", STARTED)
def test_with_tls_docker_compose_1_puts_both_files_together(profile: str) -> None:
    """Every service of ours has its own folder of secrets and nothing else of them, and nobody is told to be insecure."""
    command = ["docker-compose", "--profile", profile, "-f", str(FILE), "-f", str(TLS_FILE), "config"]
    environment = {**os.environ, "TAXON_SECRETS": "/secrets", "COMPOSE_PROFILES": profile}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    together = yaml.safe_load(done.stdout)["services"]
    assert STARTED[profile] <= together.keys()
    for name, service in together.items():
        mounted = [volume for volume in service.get("volumes", ()) if str(volume).startswith("/secrets")]
        folder = "cloud" if name.startswith("cloud") else name.removeprefix("camera-").replace("-", "_")
        asks_nobody = name in ("nats", "alertmanager", "grafana")
        assert mounted == ([] if asks_nobody else [f"/secrets/{folder}:/etc/taxon:ro"]), name
        given = service.get("environment") or {}
        assert {value for key, value in given.items() if key.endswith("_INSECURE")} <= {"false"}, name
        assert "--insecure" not in (service.get("command") or []), name
        assert service["read_only"] is True
    for name in (*STARTED[profile] - {"nats"}, "edge"):
        environment = together[name]["environment"]
        assert len([key for key in environment if key.endswith(("_TLS_CERTIFICATE", "_TLS_KEY", "_TOKENS"))]) == 3


def test_every_variable_of_the_tls_file_is_a_setting() -> None:
    for name, service in TLS.items():
        assert set(service.get("environment", ())) <= SETTINGS, name


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
    """What asks nobody for anything has a variable of its own: it is not opened with the services."""
    variable = "TAXON_PUBLISH_MONITORING" if name in WITHOUT_ASKING else "TAXON_PUBLISH"
    for port in SERVICES[name].get("ports", ()):
        assert port.startswith(f"${{{variable}:-127.0.0.1}}:"), port


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert tag not in ("", "latest")


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_a_setting(name: str) -> None:
    ours = {variable for variable in SERVICES[name].get("environment", ()) if variable.startswith("TAXON_")}
    assert ours <= SETTINGS, f"no settings: {ours - SETTINGS}"


def test_what_is_mounted_is_in_the_tree() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    assert not [path for path in mounted if path.startswith("./") and not (ROOT / path).exists()]
