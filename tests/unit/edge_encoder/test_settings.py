from __future__ import annotations

from pathlib import Path

import pytest

from edge_encoder.cameras.book import PlanBook
from edge_encoder.cameras.rules import CameraDefaults, CameraRules
from edge_encoder.control.bit_budget import SMALLEST_BURST_BITS, Budget
from edge_encoder.settings import EdgeSettings, SourceSetting
from shared.errors import SettingsRefused
from shared.server.settings import load_settings


def settings(*argv: str) -> EdgeSettings:
    return load_settings(EdgeSettings, "taxon edge", argv)


def test_the_defaults_run() -> None:
    found = settings()
    assert (found.cloud, found.http, found.rpc) == ("127.0.0.1:50061", "127.0.0.1:8080", "127.0.0.1:50051")
    assert (found.queue_policy, found.sources, found.plans) == ("newest", (), ())
    assert found.camera_defaults == CameraDefaults("newest", None, 2.0)


def test_flags_say_sources_budgets_and_lists() -> None:
    found = settings(
        "--source", "kitchen@2.5=samples/kitchen", "--source", "door=rtsp://user:pw@host/a=b",
        "--budget-kbps", "20", "--budgets-kbps", "door=5", "--burst-seconds", "4",
        "--pinned-groups", "semantic", "--cameras", "kitchen", "--cameras", "door", "--queue-policy", "all",
    )  # fmt: skip
    assert found.sources == (
        SourceSetting("kitchen", "samples/kitchen", 2.5),
        SourceSetting("door", "rtsp://user:pw@host/a=b", None),
    )
    rules = CameraRules(PlanBook(found.plans), found.camera_defaults)
    assert rules.budget_of("kitchen") == Budget(20_000, 80_000)
    assert rules.budget_of("door") == Budget(5000, 20_000)
    assert (found.pinned_groups, found.cameras) == (["semantic"], ["kitchen", "door"])


def test_a_file_and_the_environment_say_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "edge.toml"
    file.write_text('source = ["a=b"]\nqueue_depth = 9\nbudgets_kbps = { a = 0.5 }\n')
    monkeypatch.setenv("TAXON_EDGE_QUEUE_DEPTH", "7")
    found = settings("--config", str(file))
    assert (found.queue_depth, [one.spec for one in found.sources]) == (7, ["b"])
    rules = CameraRules(PlanBook(found.plans), found.camera_defaults)
    assert rules.budget_of("a") == Budget(500, SMALLEST_BURST_BITS)


def test_a_cloud_may_have_several_addresses() -> None:
    assert settings("--cloud", "a:1, b:2").cloud == "a:1,b:2"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--cloud", "a:1,b"], "cloud"),
        (["--cloud", "nowhere"], "cloud"),
        (["--source", "kitchen"], "write NAME=SPEC or NAME@FPS=SPEC"),
        (["--source", "a@0=x"], "must be above 0"),
        (["--source", "a=x", "--source", "a=y"], "camera a has two sources"),
        (["--cameras", "a b"], "cameras"),
        (["--queue-policy", "oldest"], "queue_policy"),
        (["--spool-bytes", "5"], "spool_bytes"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(argv: list[str], message: str) -> None:
    with pytest.raises(SettingsRefused, match=message) as refused:
        settings(*argv)
    assert "\n" not in str(refused.value)
