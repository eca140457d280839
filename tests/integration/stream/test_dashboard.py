"""Every query of dashboard and alerts, asked of a Prometheus that scraped a real stream."""

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from shutil import which

import httpx
import pyarrow.parquet as pq
import pytest
import yaml
from brokers import free_ports
from confluent_kafka.admin import AdminClient
from scene import until
from topics import make_topics, produce_all, unique

from lcclassify.convert import write_forest
from lcclassify.testing import TOY_CLASSES, make_forest

ROOT = Path(__file__).parents[3]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "lcclassify.json").read_text("utf-8"))
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
GROUP = "lc-classifier-step"
PERIOD_S = 10  # over which rates are taken
MISSING, IN_OTHER_UNITS = "hostgal_photoz", "DetectionSpan"
WINDOW = 1000  # the least that says something about classes
CARD = {"name": "other", "version": "2.0", "licence": "MIT", "citation": "none"}

pytestmark = pytest.mark.skipif(which("prometheus") is None, reason="needs Prometheus")


@pytest.fixture(scope="module")
def messages():
    """The example's objects, without one feature, with another in ms; and one that is broken."""
    rows = pq.read_table(ROOT / "examples" / "plasticc_features.parquet").to_pylist()
    made = []
    for number, features in enumerate(rows):
        oid = str(features.pop("object_id"))
        features |= {MISSING: None, IN_OTHER_UNITS: 86_400_000 * features[IN_OTHER_UNITS]}
        message = {"oid": oid, "candid": [str(number)], "detections": [], "features": features}
        made.append(json.dumps(message).encode())
    return [*made, b"broken"]


@pytest.fixture(scope="module")
def shadow(messages, tmp_path_factory):
    """A forest of the same features, with other answers."""
    names = list(json.loads(messages[0])["features"])
    path = tmp_path_factory.mktemp("models") / "other"
    return write_forest(path, make_forest(names, TOY_CLASSES), names, CARD).path


@pytest.fixture(scope="module")
def stream(kafka, messages, shadow, tmp_path_factory):
    """Where a stream serves its metrics, while it reads these messages again and again."""
    topic = unique("features")
    make_topics(AdminClient({"bootstrap.servers": kafka.bootstrap}), {topic: 2})
    port = free_ports(1)[0]
    told = ["--consumer-topics", topic, "--consumer-group-id", GROUP, "--http-port", str(port)]
    told += ["--consumer-server", kafka.bootstrap, "--producer-server", kafka.bootstrap]
    told += ["--input-format", "json", "--output-schema", "alerce-map", "--model", "plasticc"]
    told += ["--producer-topic-format", unique("lc"), "--dead-letters", unique("dead")]
    told += ["--shadow", str(shadow), "--shadow-topic", unique("shadow")]
    told += ["--consume-messages", "100", "--consume-timeout", "0.5", "--display", "off"]
    told += ["--drift-window", str(WINDOW)]
    log = tmp_path_factory.mktemp("stream") / "log"
    with log.open("wb") as target:
        command = [sys.executable, "-m", "lcclassify", "stream", *told]
        process = subprocess.Popen(command, stderr=target, stdin=subprocess.DEVNULL)
    stop = threading.Event()

    def send():
        while not stop.wait(0.4):
            produce_all(kafka.bootstrap, topic, [(None, value) for value in messages])

    sender = threading.Thread(target=send)
    try:
        until(lambda: "assigned: " in log.read_text(), log.read_text, 60)
        sender.start()
        yield port
        stop.set()
        sender.join()
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    finally:
        stop.set()
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def prometheus(stream, tmp_path_factory):
    """Asks of it, once it has scraped for a while: prometheus(path, **parameters)."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_ports(1)[0]
    targets = [f"127.0.0.1:{stream}"]
    scrape = {"job_name": "lcclassify", "static_configs": [{"targets": targets}]}
    often = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    told = {"global": often, "rule_files": [str(ALERTS)], "scrape_configs": [scrape]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(told))
    command = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    command.append(f"--web.listen-address=127.0.0.1:{port}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stderr=log, stdout=log)

    def ask(path, **parameters):
        answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/{path}", params=parameters, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def is_ready():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def has_scraped():
        """Two windows, the second of which shows in rates, and what the shadow made of some."""
        windows = ask("query", query="lcclassify_drift_windows_total >= 2")["result"]
        compared = ask("query", query="rate(lcclassify_shadow_messages_total[10s]) > 0")
        return windows and compared["result"]

    try:
        until(is_ready, (folder / "log").read_text, 60)
        until(has_scraped, (folder / "log").read_text, 60)
        yield ask
    finally:
        process.terminate()
        process.wait(30)


def filled_in(expression):
    """As Grafana asks, with all instances chosen."""
    expression = expression.replace("$__rate_interval", f"{PERIOD_S}s").replace("$instance", ".*")
    return re.sub(r"\[2m\]", f"[{PERIOD_S}s]", expression)


QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}")
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
]


@pytest.mark.parametrize("expression", QUERIES)
def test_a_panel_has_data(prometheus, expression):
    found = prometheus("query", query=filled_in(expression))["result"]
    assert found
    values = [float(sample["value"][1]) for sample in found]
    assert any(value == value for value in values), values  # a number
    until_now = {"start": time.time() - PERIOD_S, "end": time.time(), "step": 1}
    assert prometheus("query_range", query=filled_in(expression), **until_now)["result"]


def test_the_variables_have_values(prometheus, stream):
    told = {"match[]": "lcclassify_info"}
    assert prometheus("label/group/values", **told) == [GROUP]
    told = {"match[]": f'lcclassify_info{{group=~"{GROUP}"}}'}
    assert prometheus("label/instance/values", **told) == [f"127.0.0.1:{stream}"]
    for note in DASHBOARD["annotations"]["list"]:
        assert prometheus("query", query=filled_in(note["expr"]))["resultType"] == "vector"


def test_prometheus_can_evaluate_every_alert(prometheus):
    [group] = prometheus("rules")["groups"]
    health = {rule["name"]: (rule["health"], rule.get("lastError")) for rule in group["rules"]}
    assert set(health.values()) == {("ok", None)}, health
    assert len(health) == len(yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"])
    firing = {alert["labels"]["alertname"] for alert in prometheus("alerts")["alerts"]}
    assert "LcclassifyDrift" in firing
    assert not firing & {"LcclassifyAbsent", "LcclassifyRestarts", "LcclassifyStalled"}


def test_the_figures_are_those_of_the_stream(prometheus, stream):
    told = f'instance="127.0.0.1:{stream}"'

    def number(query):
        [sample] = prometheus("query", query=query)["result"]
        return float(sample["value"][1])

    answered = number(f'lcclassify_messages_total{{outcome="answered", {told}}}')
    dead = number(f'lcclassify_messages_total{{outcome="dead", {told}}}')
    assert dead / answered == pytest.approx(1 / 201, rel=0.2)
    assert number(f"lcclassify_ready{{{told}}}") == 1
    assert number(f"lcclassify_received_bytes_total{{{told}}}") > 1e6


def test_drift_and_shadow_are_those_of_the_stream(prometheus):
    found = prometheus("query", query="lcclassify_drifting == 1")["result"]
    assert {MISSING, IN_OTHER_UNITS} <= {sample["metric"]["feature"] for sample in found}
    [of_shadow] = prometheus("query", query="lcclassify_shadow_alive == 1")["result"]
    assert of_shadow["metric"]["model"] == "other@2.0"


@pytest.mark.skipif(which("promtool") is None, reason="needs promtool, which comes with Prometheus")
def test_promtool_finds_nothing_to_improve_in_what_the_stream_serves(stream):
    text = httpx.get(f"http://127.0.0.1:{stream}/metrics").content
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
