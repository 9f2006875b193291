"""Alerts and dashboard speak of metrics that exist; promtool tries the alerts where it is installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from ship_objects import CHART, DEPLOY, ROOT, load

from aicore_sync.telemetry import Metrics, Tally

RULES = CHART / "rules/aicore-sync.yaml"
DASHBOARD = CHART / "dashboards/aicore-sync.json"
FROM_KUBERNETES = {"namespace", "job", "pod", "instance", "le"}


def labels() -> dict[str, set[str]]:
    """Each series that the process may show, with its labels."""
    metrics = Metrics()
    metrics.count(lambda: Tally({("dev", "DEAD"): 1}, {("acme", "workflowTemplates"): 1}))
    found: dict[str, set[str]] = {}
    for collector in metrics.registry._collector_to_names:
        for name in metrics.registry._collector_to_names[collector]:
            found[name] = set(getattr(collector, "_labelnames", ())) | FROM_KUBERNETES
    for family in text_string_to_metric_families(metrics.expose().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set(sample.labels) | FROM_KUBERNETES)
    return found


LABELS = labels()


def alerts() -> list[dict[str, Any]]:
    return [rule for group in load(RULES)["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    for variable in json.loads(DASHBOARD.read_text())["templating"]["list"]:
        yield from [variable["definition"]] if "definition" in variable else []


@pytest.mark.parametrize("expression", list(expressions()))
def test_every_metric_and_label_exists(expression: str) -> None:
    found = re.findall(r"\b((?:aicore_sync|process)_[a-z_]+)(?:\{([^}]*)\})?", expression)
    assert found, expression
    for name, matchers in found:
        assert name in LABELS, name
        assert set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers)) <= LABELS[name]
    grouped = {
        word.strip()
        for group in re.findall(r"(?:by|on) \(([^)]*)\)", expression)
        for word in group.split(",")
    }
    assert grouped <= set.union(*(LABELS[name] for name, _ in found))


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    ours = {
        re.sub(r"_(bucket|count|sum|total|created)$", "", name)
        for name in LABELS
        if name.startswith("aicore_sync")
    }
    assert {name for name in ours if name not in shown} == set()


def test_every_alert_says_what_it_is_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in alerts()}) == len(alerts())
    for rule in alerts():
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_panels_do_not_overlap() -> None:
    taken = [
        (x, y)
        for panel in panels()
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_deploy_carries_the_same_rules_and_dashboard() -> None:
    monitoring = DEPLOY / "components/monitoring"
    assert load(monitoring / "prometheus-rule.yaml")["spec"] == load(RULES)
    assert (monitoring / "aicore-sync.json").read_bytes() == DASHBOARD.read_bytes()


def promtool(*arguments: str | Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", "--lint-fatal", RULES)


def test_the_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    cases = load(Path(__file__).with_name("alerts.yaml"))
    file = tmp_path / "alerts.yaml"
    file.write_text(yaml.safe_dump({**cases, "rule_files": [str(RULES)]}))
    promtool("test", "rules", file)


def test_every_alert_is_tried() -> None:
    text = Path(__file__).with_name("alerts.yaml").read_text()
    assert set(re.findall(r'alertname="(\w+)"', text)) == {rule["alert"] for rule in alerts()}
