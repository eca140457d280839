import os
import subprocess
import sys
from dataclasses import replace
from shutil import which

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lcclassify.stream.operation.health import Health
from lcclassify.stream.operation.prometheus import Figures
from lcclassify.stream.operation.table import OF_THE_PROCESS, metrics
from lcclassify.stream.report import Observer, Observers

NOTHING = frozenset()


@pytest.fixture
def health():
    return Health()


@pytest.fixture
def figures(health, bundle):
    made = Figures(health)
    made.loaded(bundle, "the group")
    return made


def values(figures):
    """Value by name and labels (in their order by name), of what is served."""
    text = figures.page("").body.decode()
    families = text_string_to_metric_families(text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_report_is_added_up(figures, make_report):
    figures.assigned(frozenset({("in", 0), ("in", 1)}))
    for _ in range(2):
        report = make_report(50, delay_s=2.0)
        figures.delivered(report)
    seen = values(figures)
    expected = {
        ("consumed_messages_count",): 2,
        ("consumed_messages_sum",): 100,
        ("processed_messages_sum",): 100,
        ("execution_time_sum",): 0.4,
        ("lcclassify_messages_total", "answered"): 96,
        ("lcclassify_messages_total", "dead"): 2,
        ("lcclassify_messages_total", "skipped"): 2,
        ("lcclassify_dead_letters_total", "decode"): 4,
        ("lcclassify_dead_letters_total", "score"): 0,
        ("lcclassify_batches_total",): 2,
        ("lcclassify_repeated_batches_total",): 0,
        ("lcclassify_batch_messages_bucket", "20.0"): 0,
        ("lcclassify_batch_messages_bucket", "50.0"): 2,
        ("lcclassify_stage_seconds_sum", "gather"): 1.0,
        ("lcclassify_stage_seconds_sum", "decode"): 0.2,
        ("lcclassify_stage_seconds_sum", "deliver"): 0.06,
        ("lcclassify_delay_seconds_bucket", "1.0"): 0,
        ("lcclassify_delay_seconds_bucket", "2.5"): 100,
        ("lcclassify_lag_messages", "0", "in"): 7,
        ("lcclassify_assigned_partitions",): 2,
        ("lcclassify_objects_total", "ok"): 96,
        ("lcclassify_objects_total", "too_few_observations"): 0,
        ("lcclassify_remarks_total", "unknown_band", "J"): 6,
        ("lcclassify_classes_total", "LPV"): 96,
        ("lcclassify_classes_total", "QSO"): 0,
        ("lcclassify_received_bytes_total",): 10_000,
        ("lcclassify_sent_bytes_total",): 960,
        ("lcclassify_last_batch_timestamp_seconds",): report.delivered_at,
        ("lcclassify_ready",): 0,
    }
    assert {key: seen[key] for key in expected} == pytest.approx(expected)
    assert seen["lcclassify_delay_seconds_sum",] == pytest.approx(200, abs=1)


def test_who_answers_is_told(figures):
    text = figures.page("").body.decode()
    assert 'lcclassify_info{digest="abc",group="the group",lcclassify="' in text
    assert 'model="toy",version="1.0"} 1.0' in text


def test_a_batch_that_does_not_count_is_consumed_and_not_processed(figures):
    figures.repeated(50, "partitions were taken away")
    seen = values(figures)
    assert seen["lcclassify_repeated_batches_total",] == 1
    assert (seen["consumed_messages_sum",], seen["processed_messages_sum",]) == (50, 0)


def test_the_lag_of_partitions_that_others_have_is_gone(figures, make_report):
    ours = frozenset({("in", 0), ("in", 1)})
    figures.assigned(ours)
    figures.delivered(make_report(lag={("in", 0): 1, ("in", 1): 2}))
    figures.assigned(ours - {("in", 0)})
    assert [key for key in values(figures) if "lag" in key[0]] == [
        ("lcclassify_lag_messages", "1", "in")
    ]


def test_messages_without_a_timestamp_have_no_delay_and_the_future_is_now(figures, make_report):
    figures.delivered(make_report(stamp=False))
    assert values(figures)["lcclassify_delay_seconds_count",] == 0
    figures.delivered(make_report(delay_s=-60))
    assert values(figures)["lcclassify_delay_seconds_bucket", "0.01"] == 50


def test_readiness_is_that_of_the_health(figures, health):
    health.assigned(NOTHING)
    figures.alive()
    assert values(figures)["lcclassify_ready",] == 1
    figures.close()
    assert values(figures)["lcclassify_ready",] == 0


def test_drift_names_the_features_and_ends(figures, drift):
    figures.drift(drift)
    figures.drift(drift)  # of a window that was told of before it was full
    seen = values(figures)
    assert (seen["lcclassify_drift",], seen["lcclassify_drift_windows_total",]) == (1, 1)
    assert seen["lcclassify_drifting", "W1-W2"] == 1
    assert seen["lcclassify_missing_share", "W1-W2"] == 1
    assert seen["lcclassify_outside_share", "rb"] == 0.25
    assert seen["lcclassify_class_shift_share",] == 0.5
    figures.drift(replace(drift, number=2, drifting=NOTHING, sentences=(), class_shift=None))
    seen = values(figures)
    assert (seen["lcclassify_drift",], seen["lcclassify_drifting", "W1-W2"]) == (0, 0)
    assert seen["lcclassify_drift_windows_total",] == 2


def test_the_shadow_models_numbers_are_since_the_start(figures, shadow):
    figures.shadow(shadow)
    figures.shadow(replace(shadow, n_messages=200, n_agree=190, is_alive=False))
    seen, model = values(figures), "other@2.0"
    assert seen["lcclassify_shadow_messages_total", model] == 200
    assert seen["lcclassify_shadow_agreements_total", model] == 190
    assert seen["lcclassify_shadow_dropped_total", model] == 20
    assert seen["lcclassify_shadow_failed_total", model] == 5
    assert seen["lcclassify_shadow_alive", model] == 0
    assert seen["lcclassify_shadow_delay_seconds", model] == 1.5


@pytest.fixture
def full(figures, make_report, drift, shadow):
    """Everything has happened."""
    figures.assigned(frozenset({("in", 0)}))
    figures.delivered(make_report())
    figures.drift(drift)
    figures.shadow(shadow)
    return figures


def test_every_metric_of_the_table_is_set_and_no_other(full):
    names = {name for name, *_ in values(full)}
    expected = {name for metric in metrics().values() for name in metric.series}
    assert names == expected | set(OF_THE_PROCESS)


def test_openmetrics_is_given_to_whom_asks_for_it(full):
    answer = full.page("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert answer.kind.startswith("application/openmetrics-text; version=1.0.0")
    assert answer.body.endswith(b"# EOF\n")
    assert full.page("*/*").kind == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.skipif(which("promtool") is None, reason="needs promtool, which comes with Prometheus")
def test_promtool_finds_nothing_to_improve(full):
    told = {"input": full.page("").body, "capture_output": True}
    done = subprocess.run(["promtool", "check", "metrics"], **told)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


class Broken(Observer):
    def alive(self):
        raise RuntimeError("no")


def test_an_observer_that_fails_is_logged_once_and_the_others_are_told(figures, health, caplog):
    both = Observers(Broken(), figures)
    health.assigned(NOTHING)
    both.alive()
    both.alive()
    assert values(figures)["lcclassify_ready",] == 1
    assert caplog.messages == ["Broken fails; the stream goes on"]


SHARED = """
import sys, time
from types import SimpleNamespace as Some
from lcclassify.stream.operation.health import Health
from lcclassify.stream.operation.prometheus import Figures
health = Health()
figures = Figures(health)
figures.loaded(Some(name="toy", version="1", digest="d", taxonomy=Some(classes=["LPV"])), "g")
health.assigned(frozenset())
for words in sys.stdin:
    name, *numbers = words.split()
    if name == "lag":
        figures.assigned(frozenset({("in", int(numbers[0]))}))
        lag = {("in", int(numbers[0])): int(numbers[1])}
        from lcclassify.stream.report import Counts, Report
        from lcclassify.stream.message import Work
        seconds = {"gather": 0, "answer": 0, "deliver": 0}
        figures.delivered(Report([], Work(), Counts(), seconds, time.time(), lag))
    elif name == "page":
        print(figures.page("").body.decode(), flush=True)
    else:
        getattr(figures, name)(*(frozenset() for _ in numbers))
    print("done", flush=True)
"""


class Process:
    """One of several that share a folder."""

    def __init__(self, folder):
        environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [sys.executable, "-W", "error", "-c", SHARED]
        self.process = subprocess.Popen(command, env=environment, **pipes)

    def do(self, words):
        """Its answer."""
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        return list(iter(self.process.stdout.readline, "done\n"))

    def end(self):
        self.process.communicate()
        return self.process.returncode


def test_processes_that_share_a_folder_add_up(tmp_path):
    first, second = Process(tmp_path), Process(tmp_path)
    for process, words in ((first, "lag 0 5"), (second, "lag 1 7"), (first, "lag 0 6")):
        process.do(words)
        process.do("alive")
    text = first.do("page")
    assert text == second.do("page")
    assert 'lcclassify_lag_messages{partition="0",topic="in"} 6.0\n' in text
    assert 'lcclassify_lag_messages{partition="1",topic="in"} 7.0\n' in text
    assert "lcclassify_batches_total 3.0\n" in text
    assert "lcclassify_ready 2.0\n" in text
    assert not [line for line in text if line.startswith("process_")]
    second.do("assigned 0")
    assert 'lcclassify_lag_messages{partition="1",topic="in"} 0.0\n' in first.do("page")
    second.do("close")
    assert second.end() == 0
    text = first.do("page")
    assert "lcclassify_ready 1.0\n" in text
    assert "lcclassify_batches_total 3.0\n" in text
    assert first.end() == 0


def test_a_folder_that_is_not_there_is_told(tmp_path):
    code = "from lcclassify.cli import main; main()"
    told = ["stream", "--consumer-topics", "t", "--consumer-server", "nowhere:1", "--to", "-"]
    told += ["--consumer-group-id", "g", "--model", "plasticc", "--http-port", "0"]
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, "-c", code, *told], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == (
        "lcclassify: env PROMETHEUS_MULTIPROC_DIR is not set or not a directory: create it, empty, "
        "before the first start\n"
    )
