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
import pytest
import yaml
from brokers import free_ports
from confluent_kafka.admin import AdminClient
from scene import until
from topics import make_topics, produce_all, unique

from lcclassify.convert import convert
from lcclassify.stream.operation.health import Health
from lcclassify.stream.operation.http import serve
from lcclassify.stream.operation.prometheus import Figures
from lcclassify.stream.report import DriftState, ShadowState

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "lcclassify.json").read_text("utf-8"))
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
GROUP = "lc-classifier-step"
PERIOD_S = 10  # over which rates are taken
SEND_S = 6.0

pytestmark = pytest.mark.skipif(which("prometheus") is None, reason="needs Prometheus")


@pytest.fixture(scope="module")
def stream(kafka, golden, tmp_path_factory):
    """Where a stream with ALeRCE's forests serves its metrics, while it reads golden messages, and
    some that are none.
    """
    folder = tmp_path_factory.mktemp("stream")
    model = convert(golden / "ztf_hrf_1.1", folder / "ztf")
    topic = unique("features")
    make_topics(AdminClient({"bootstrap.servers": kafka.bootstrap}), {topic: 2})
    port = free_ports(1)[0]
    told = ["--consumer-topics", topic, "--consumer-group-id", GROUP, "--http-port", str(port)]
    told += ["--consumer-server", kafka.bootstrap, "--producer-server", kafka.bootstrap]
    told += ["--producer-topic-format", unique("lc"), "--model", str(model.path)]
    told += ["--consume-messages", "50", "--consume-timeout", "0.5", "--display", "off"]
    messages = [path.read_bytes() for path in sorted((golden / "messages_ztf").iterdir())]
    log = folder / "log"
    with log.open("wb") as target:
        command = [sys.executable, "-m", "lcclassify", "stream", *told]
        process = subprocess.Popen(command, stderr=target, stdin=subprocess.DEVNULL)
    try:
        until(lambda: "assigned: " in log.read_text(), log.read_text, 60)
        stop = threading.Event()

        def send():
            while not stop.wait(0.2):
                pairs = [(None, value) for value in (*messages[:40], b"broken")]
                produce_all(kafka.bootstrap, topic, pairs)

        sender = threading.Thread(target=send)
        sender.start()
        yield port
        stop.set()
        sender.join()
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def second():
    """Where what is not in that stream is served: drift, and a shadow model."""
    figures = Figures(Health())
    stop = threading.Event()

    def happen():
        for n in range(1, 10_000):
            figures.drift(
                DriftState(n, 100, {"W1": 1.0}, {"W1": 0.1}, frozenset({"W1"}), 0.2, ["no W1"])
            )
            figures.shadow(ShadowState("other@2.0", 100 * n, 90 * n, n, n, True, 1.5, {}))
            if stop.wait(0.2):
                return

    with serve(0, {"/metrics": figures.page}) as port:
        teller = threading.Thread(target=happen)
        teller.start()
        yield port
        stop.set()
        teller.join()


@pytest.fixture(scope="module")
def prometheus(stream, second, tmp_path_factory):
    """Asks of it, once it has scraped for a while: prometheus(path, **parameters)."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_ports(1)[0]
    targets = [f"127.0.0.1:{served}" for served in (stream, second)]
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

    def has_scraped():
        try:
            scraped = ask("query", query="count_over_time(up[1m]) and up == 1")["result"]
        except httpx.TransportError:
            return False
        return len(scraped) == 2 and all(int(one["value"][1]) >= SEND_S for one in scraped)

    try:
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
    skipped = number(f'lcclassify_messages_total{{outcome="skipped", {told}}}')
    assert skipped / answered == pytest.approx(1 / 40, rel=0.5)
    assert number(f"lcclassify_ready{{{told}}}") == 1
    assert number(f"lcclassify_received_bytes_total{{{told}}}") > 1e6


@pytest.mark.skipif(which("promtool") is None, reason="needs promtool, which comes with Prometheus")
def test_promtool_finds_nothing_to_improve_in_what_the_stream_serves(stream):
    text = httpx.get(f"http://127.0.0.1:{stream}/metrics").content
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
