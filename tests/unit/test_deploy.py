"""Dashboard and alert rules: they name what there is, and promtool is content."""

import json
import re
import subprocess
from pathlib import Path
from shutil import which

import pytest
import yaml

from lcclassify.stream.operation.table import OF_THE_PROCESS, metrics

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "lcclassify.json").read_text("utf-8"))
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
RULES = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"][0]["rules"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
OF_THE_SCRAPE = {"job", "instance", "le"}
SERIES = {name: metric for metric in metrics().values() for name in metric.series}
EXPRESSIONS = [
    *(target["expr"] for panel in PANELS for target in panel["targets"]),
    *(note["expr"] for note in DASHBOARD["annotations"]["list"]),
    *(rule["expr"] for rule in RULES),
]
promtool = pytest.mark.skipif(
    which("promtool") is None, reason="needs promtool, which comes with Prometheus"
)


def labels_of(name):
    return OF_THE_SCRAPE | (set(SERIES[name].labels) if name in SERIES else set())


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_is_in_the_table_with_these_labels(expression):
    bare = re.sub(r'"[^"]*"', '""', expression)
    names = re.findall(r"\b(?:lcclassify|consumed|processed|execution|process)_\w+", bare)
    assert names
    assert set(names) <= {*SERIES, *OF_THE_PROCESS}
    for name, told in re.findall(r"(\w+)\{([^}]*)\}", bare):
        assert set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", told)) <= labels_of(name), name
    known = set().union(*map(labels_of, names))
    for told in re.findall(r"\b(?:by|on|ignoring)\s*\(([^)]*)\)", bare):
        assert {label.strip() for label in told.split(",")} <= known, told


def test_every_metric_of_ours_is_on_the_dashboard():
    text = " ".join(EXPRESSIONS)
    hidden = [m.name for m in metrics().values() if not any(name in text for name in m.series)]
    assert hidden == []


def test_the_dashboard_can_be_imported():
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    variables = [one["name"] for one in DASHBOARD["templating"]["list"]]
    assert (DASHBOARD["uid"], variables) == ("lcclassify", ["datasource", "group", "instance"])
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        assert all('$instance"' in target["expr"] for target in panel["targets"]), panel["title"]


def test_panels_do_not_lie_on_each_other():
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule):
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["labels"]["severity"] in ("warning", "critical")
    page, anchor = rule["annotations"]["runbook_url"].split("#")
    assert anchor == rule["alert"].lower()
    assert f"\n### {rule['alert']}\n" in (ROOT / page).read_text("utf-8")


def test_every_alert_is_tested():
    tests = yaml.safe_load((ALERTS.parent / "alerts_test.yml").read_text("utf-8"))["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    firing = {case["alertname"] for case in cases if case.get("exp_alerts")}
    silent = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    assert firing == silent == {rule["alert"] for rule in RULES}


@promtool
@pytest.mark.parametrize(("check", "name"), [("check", "alerts.yml"), ("test", "alerts_test.yml")])
def test_promtool_is_content(check, name):
    command = ["promtool", check, "rules", str(ALERTS.parent / name)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
