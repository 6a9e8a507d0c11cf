"""What deploy/prometheus holds, judged by Prometheus' own tools: configuration, rules, and a test of every rule and alert."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.prometheus import PACKAGE, PROMETHEUS, ROOT

RULES, TESTS = PROMETHEUS / "rules", PROMETHEUS / "tests"
ALERTS = re.findall(r"- alert: (\w+)", (RULES / "alerts.yml").read_text())
RECORDS = re.findall(r"- record: (\S+)", (RULES / "recording.yml").read_text())


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=300)


def sections(page: Path) -> set[str]:
    """The anchors of a page's headings, as its readers' links have them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.starts_process
@PACKAGE.needed
@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml"])
def test_prometheus_takes_the_configuration_and_the_rules(name: str) -> None:
    checked = promtool("check", "config", PROMETHEUS / name)
    assert checked.returncode == 0, checked.stderr
    assert "2 rule files found" in checked.stdout
    assert f"{len(ALERTS)} rules found" in checked.stdout
    assert f"{len(RECORDS)} rules found" in checked.stdout


@pytest.mark.starts_process
@PACKAGE.needed
@pytest.mark.parametrize("kind", ["recording", "alerts"])
def test_rules_do_on_made_up_series_what_they_promise(kind: str) -> None:
    tested = promtool("test", "rules", TESTS / f"{kind}.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.starts_process
@PACKAGE.needed
def test_a_rule_that_is_wrong_is_found(tmp_path: Path) -> None:
    """The tests of the rules can fail: with bytes for bits nothing is right any more."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "tests").mkdir()
    rules = (RULES / "recording.yml").read_text().replace("8 * sum", "sum")
    (tmp_path / "rules" / "recording.yml").write_text(rules)
    (tmp_path / "tests" / "recording.yml").write_text((TESTS / "recording.yml").read_text())
    assert promtool("test", "rules", tmp_path / "tests" / "recording.yml").returncode != 0


@pytest.mark.parametrize("record", RECORDS)
def test_every_recording_rule_has_a_test(record: str) -> None:
    assert record in (TESTS / "recording.yml").read_text()


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_quiet_and_firing_and_told_in_the_runbook(alert: str) -> None:
    tests = (TESTS / "alerts.yml").read_text()
    assert re.search(rf"- {{alertname: {alert}, eval_time: \w+}}", tests), "a time at which it is quiet"
    assert re.search(rf"- alertname: {alert}\n +eval_time: \w+\n +exp_alerts:", tests), "a time at which it fires"
    rule = (RULES / "alerts.yml").read_text().split(f"- alert: {alert}\n")[1].split("- alert:")[0]
    assert re.search(r"severity: (critical|warning)\n", rule)
    assert {"summary", "description"} <= set(re.findall(r"^ +(\w+): \"", rule, re.MULTILINE))
    assert f"runbook_url: docs/runbook.md#{alert.lower()}\n" in rule
    assert alert.lower() in sections(ROOT / "docs" / "runbook.md")


def test_the_runbook_tells_of_no_alert_that_is_gone() -> None:
    told = re.findall(r"^#+ (Taxon\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert sorted(told) == sorted(ALERTS)
