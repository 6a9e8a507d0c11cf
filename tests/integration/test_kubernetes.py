"""The manifests of deploy/kubernetes as `kubectl kustomize` puts them together: valid for the schemas of Kubernetes, whole, and locked up.

Each overlay is checked by Kubernetes' published schemas (no field that it does not know), and for what no schema sees: that selectors,
ports, probes and budgets find their pods, and that settings are settings.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from prometheus_client import CollectorRegistry

from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.settings import CloudSettings
from edge_encoder.settings import EdgeSettings
from tests.support.debian import DebianPackage

pytestmark = pytest.mark.starts_process

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ("base", "gpu", "scale", "tls")
OLDEST, NEWEST = "1.25", "1.32"
WORKLOADS = ("Deployment", "StatefulSet")
SETTINGS = {
    f"{kind.model_config['env_prefix']}{name.upper()}"
    for kind in (EdgeSettings, CloudSettings)
    for name in kind.model_fields
}

CLOUD_FILES = {"tls_certificate", "tls_key", "tls_client_ca", "tokens"}
EDGE_FILES = {"tls_certificate", "tls_key", "tokens", "cloud_ca", "cloud_certificate", "cloud_key", "cloud_token"}

Object = dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """What one overlay makes."""

    objects: tuple[Object, ...]

    def of(self, *kinds: str) -> Iterator[Object]:
        return (one for one in self.objects if one["kind"] in kinds)

    def named(self, kind: str, name: str) -> Object:
        return next(one for one in self.of(kind) if one["metadata"]["name"] == name)

    def pods(self) -> dict[str, Object]:
        """Workload -> its pods' template."""
        return {one["metadata"]["name"]: one["spec"]["template"] for one in self.of(*WORKLOADS)}

    def chosen(self, labels: dict[str, str]) -> list[str]:
        """The workloads whose pods have these labels."""
        return [name for name, pod in self.pods().items() if labels.items() <= pod["metadata"]["labels"].items()]

    def variables(self) -> set[str]:
        """The environment variables that pods are given."""
        configured = {name for one in self.of("ConfigMap") for name in one["data"]}
        named = {
            one["name"]
            for pod in self.pods().values()
            for container in containers(pod)
            for one in container.get("env", ())
        }
        return configured | named


def containers(pod: Object) -> list[Object]:
    found: list[Object] = pod["spec"]["containers"]
    return found


def secrets(pod: Object) -> list[Object]:
    """Those that are mounted."""
    return [volume["secret"] for volume in pod["spec"]["volumes"] if "secret" in volume]


@functools.cache
def built(overlay: str) -> Cluster:
    """The overlay's objects."""
    return put_together(ROOT / "deploy" / "kubernetes" / overlay)


def put_together(folder: Path) -> Cluster:
    DebianPackage("kubernetes-client", "kubectl").require()
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return Cluster(tuple(yaml.safe_load_all(done.stdout)))


@pytest.fixture(params=OVERLAYS)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    return built(request.param)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_keeps_to_its_schema(cluster: Cluster, version: str) -> None:
    for one in cluster.objects:
        kubernetes_validate.validate(one, version, strict=True)


def test_the_schemas_refuse_what_is_wrong(cluster: Cluster) -> None:
    """So that the test above says something."""
    edge = cluster.named("StatefulSet", "edge")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(edge | {"spec": edge["spec"] | {"replica": 2}}, NEWEST, strict=True)


def test_an_overlay_has_its_services(cluster: Cluster) -> None:
    expected = {"cloud", "edge", "nats"} if cluster == built("scale") else {"cloud", "edge"}
    assert set(cluster.pods()) == expected
    assert {one["metadata"]["namespace"] for one in cluster.objects if one["kind"] != "Namespace"} == {"taxon"}


def test_no_name_is_given_twice(cluster: Cluster) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in cluster.objects]
    assert len(names) == len(set(names))


def test_a_selector_finds_one_workload(cluster: Cluster) -> None:
    for service in cluster.of("Service"):
        assert len(cluster.chosen(service["spec"]["selector"])) == 1, service["metadata"]["name"]
    for budget in cluster.of("PodDisruptionBudget"):
        assert cluster.chosen(budget["spec"]["selector"]["matchLabels"]) == [budget["metadata"]["name"]]


def test_every_workload_has_a_budget_for_disruptions(cluster: Cluster) -> None:
    assert {one["metadata"]["name"] for one in cluster.of("PodDisruptionBudget")} == set(cluster.pods())


def test_a_budget_lets_a_node_be_drained(cluster: Cluster) -> None:
    """`minAvailable: 1` of one replica would hold a node for ever."""
    assert all(one["spec"]["maxUnavailable"] == 1 for one in cluster.of("PodDisruptionBudget"))


def test_a_service_s_port_is_one_of_its_pods(cluster: Cluster) -> None:
    for service in cluster.of("Service"):
        (name,) = cluster.chosen(service["spec"]["selector"])
        ports = {
            port["name"]: port["containerPort"] for one in containers(cluster.pods()[name]) for port in one["ports"]
        }
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"], f"{service['metadata']['name']}: {port}"


def test_a_container_is_asked_how_it_is(cluster: Cluster) -> None:
    for name, pod in cluster.pods().items():
        for container in containers(pod):
            ports = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert container[probe]["httpGet"]["port"] in ports, f"{name}: {probe}"
            if name != "nats":
                assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", "a drain must not end in a kill"
                assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_a_pod_has_no_rights_to_spare(cluster: Cluster) -> None:
    """The namespace enforces `restricted`; this says which line is missing before a cluster does."""
    for name, pod in cluster.pods().items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] >= 10_000
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= set(container["resources"]["limits"])


def test_a_pod_can_write_where_its_image_does(cluster: Cluster) -> None:
    for name, pod in cluster.pods().items():
        claims = [one["metadata"]["name"] for one in _of(cluster, name)["spec"].get("volumeClaimTemplates", ())]
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]} | set(claims)
        mounts = {mount["mountPath"]: mount["name"] for one in containers(pod) for mount in one["volumeMounts"]}
        assert {"/data", "/tmp"} <= set(mounts), name
        assert set(mounts.values()) <= volumes


@pytest.mark.parametrize("overlay", [name for name in OVERLAYS if name != "tls"])
def test_certificates_may_be_missing(overlay: str) -> None:
    for name in ("cloud", "edge"):
        assert {secret["optional"] for secret in secrets(built(overlay).pods()[name])} == {True}


def test_no_secret_is_open_to_others_in_its_pod(cluster: Cluster) -> None:
    """The services warn of it: Kubernetes' own default is a file that everybody can read."""
    for pod in cluster.pods().values():
        assert all(secret["defaultMode"] == 0o440 for secret in secrets(pod))


@pytest.fixture(params=["base", "gpu", "scale"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    """deploy/kubernetes/tls upon each of the others, as its first lines say."""
    shutil.copytree(ROOT / "deploy" / "kubernetes", tmp_path / "kubernetes")
    overlay = tmp_path / "kubernetes" / "tls" / "kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("  - ../base\n", f"  - ../{request.param}\n"))
    return put_together(overlay.parent)


def test_with_tls_every_object_keeps_to_its_schema(tls: Cluster) -> None:
    for one in tls.objects:
        kubernetes_validate.validate(one, NEWEST, strict=True)


def test_with_tls_a_pod_has_its_secrets_or_does_not_start(tls: Cluster) -> None:
    for name in ("cloud", "edge"):
        pod = tls.pods()[name]
        assert {one["secretName"] for one in secrets(pod)} == {f"{name}-certificates", f"{name}-tokens"}
        assert not [one for one in secrets(pod) if one.get("optional")]
        (container,) = containers(pod)
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            assert (asked["scheme"], asked["port"]) == ("HTTPS", "http")
            assert asked["path"] in ("/healthz", "/readyz"), "these ask for no token"
        assert pod["metadata"]["annotations"]["prometheus.io/scheme"] == "https"


def test_with_tls_the_settings_name_files_of_the_secrets(tls: Cluster) -> None:
    settings = {key: value for one in tls.of("ConfigMap") for key, value in one["data"].items()}
    assert {settings["TAXON_CLOUD_INSECURE"], settings["TAXON_EDGE_INSECURE"]} == {"false"}
    for name, kind, needs in (("cloud", CloudSettings, CLOUD_FILES), ("edge", EdgeSettings, EDGE_FILES)):
        prefix = f"TAXON_{name.upper()}_"
        given = {key.removeprefix(prefix).lower(): value for key, value in settings.items() if key.startswith(prefix)}
        assert needs <= given.keys() & kind.model_fields.keys()
        (container,) = containers(tls.pods()[name])
        mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {str(Path(given[need]).parent) for need in needs} <= mounted
        assert {Path(given[need]).name for need in needs} <= {"tls.crt", "tls.key", "ca.crt", "tokens", "uplink.token"}


def test_what_is_acknowledged_outlives_its_pod() -> None:
    for overlay in OVERLAYS:
        edge = built(overlay).named("StatefulSet", "edge")
        assert edge["spec"]["volumeClaimTemplates"], "the spool"
    for overlay in ("base", "gpu"):
        cloud = built(overlay).named("Deployment", "cloud")
        claims = [
            volume for volume in cloud["spec"]["template"]["spec"]["volumes"] if "persistentVolumeClaim" in volume
        ]
        assert [volume["name"] for volume in claims] == ["data"], "the journal"
        assert cloud["spec"]["strategy"] == {"type": "Recreate"}, "its volume is one pod's at a time"
    assert built("scale").named("StatefulSet", "nats")["spec"]["volumeClaimTemplates"], "the bus"


def test_everything_is_closed_that_no_policy_opens(cluster: Cluster) -> None:
    closed = cluster.named("NetworkPolicy", "closed")["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, pod in cluster.pods().items():
        ports = {port["containerPort"] for one in containers(pod) for port in one["ports"]}
        opened = {port["port"] for rule in _ingress(cluster, name) for port in rule["ports"]}
        assert opened <= ports, f"{name}: a policy opens a port that nobody listens on"
        assert opened, f"{name}: nobody may reach it"


def test_edges_reach_the_cloud_and_clouds_the_bus(cluster: Cluster) -> None:
    reached = {("edge", "cloud", 50061)} | (
        {("cloud", "nats", 4222), ("nats", "nats", 6222)} if cluster == built("scale") else set()
    )
    for source, target, port in reached:
        out = [
            rule
            for one in _policies(cluster, source)
            for rule in one.get("egress", ())
            if {"port": port} in rule["ports"]
        ]
        into = [rule for rule in _ingress(cluster, target) if {"port": port} in rule["ports"]]
        assert any(_names(rule["to"], target) for rule in out), f"{source} may not send to {target}:{port}"
        assert any(_names(rule["from"], source) for rule in into), f"{target}:{port} does not take {source}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_variable_is_a_setting(overlay: str) -> None:
    ours = {name for name in built(overlay).variables() if name.startswith("TAXON_")}
    assert ours <= SETTINGS, f"no settings: {ours - SETTINGS}"


def test_a_gpu_cloud_asks_for_a_gpu() -> None:
    (container,) = containers(built("gpu").pods()["cloud"])
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["image"].endswith("-gpu")
    assert {"TAXON_CLOUD_PROVIDERS"} <= built("gpu").variables()


def test_the_autoscaler_scales_the_clouds() -> None:
    autoscaler = next(built("scale").of("HorizontalPodAutoscaler"))["spec"]
    target = autoscaler["scaleTargetRef"]
    cloud = built("scale").named(target["kind"], target["name"])
    assert target["apiVersion"] == cloud["apiVersion"]
    assert cloud["spec"]["replicas"] == autoscaler["minReplicas"] > 1
    most_batch = CloudSettings.model_fields["most_batch"].default
    assert autoscaler["metrics"][0]["pods"]["target"]["averageValue"] == str(most_batch), "more than one batch waits"


def test_what_the_autoscaler_reads_is_measured() -> None:
    autoscaler = next(built("scale").of("HorizontalPodAutoscaler"))["spec"]
    registry = CollectorRegistry()
    CloudMetrics(registry)
    assert autoscaler["metrics"][0]["pods"]["metric"]["name"] in {metric.name for metric in registry.collect()}


def _of(cluster: Cluster, name: str) -> Object:
    return next(one for one in cluster.of(*WORKLOADS) if one["metadata"]["name"] == name)


def _policies(cluster: Cluster, name: str) -> list[Object]:
    """What the network policies that choose a workload's pods say."""
    chosen = [one["spec"] for one in cluster.of("NetworkPolicy") if one["spec"]["podSelector"]]
    return [one for one in chosen if name in cluster.chosen(one["podSelector"]["matchLabels"])]


def _ingress(cluster: Cluster, name: str) -> list[Object]:
    return [rule for one in _policies(cluster, name) for rule in one.get("ingress", ())]


def _names(peers: list[Object], name: str) -> bool:
    """Whether a rule's peers are this workload's pods."""
    return any(
        peer["podSelector"]["matchLabels"] == {"app": name} and "namespaceSelector" not in peer for peer in peers
    )
