"""A running stream as its operators see it: pages, metrics, log and display."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from scene import CONSUMER, NEW_PROTOCOL, PROGRAM, Scene, until

ROWS, COLUMNS = 40, 100
PAGES = {"operation": {"http_port": 0, "log_form": "json"}}


class Pages:
    """Of a member, once its log says where they are."""

    def __init__(self, member):
        member.wait_for("at port [0-9]+")
        port = re.search("at port ([0-9]+)", member.said())[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)

    def get(self, path):
        return self.client.get(path)

    def metrics(self):
        """Value by name and labels."""
        families = text_string_to_metric_families(self.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return {
            (one.name, *(v for _, v in sorted(one.labels.items()))): one.value for one in samples
        }

    def wait_for(self, name, value):
        until(lambda: self.metrics().get(name) == value, self.metrics)


def lag(metrics):
    return [value for (name, *_), value in metrics.items() if name == "lcclassify_lag_messages"]


def test_it_is_ready_when_it_reads_and_counts_what_was_sent(apache_kafka, tmp_path):
    scene = Scene(apache_kafka, tmp_path, **PAGES)
    scene.send(230)
    with scene.member() as member:
        pages = Pages(member)
        early = pages.get("/readyz")
        assert (early.status_code, early.json()["ready"]) == (503, False)
        assert early.json()["reason"]
        assert pages.get("/healthz").json() == {"alive": True}
        until(lambda: pages.get("/readyz").status_code == 200, member.said)
        pages.wait_for(("lcclassify_messages_total", "answered"), 230)
        seen = pages.metrics()
        assert seen["consumed_messages_sum",] == seen["processed_messages_sum",] == 230
        assert seen["lcclassify_received_bytes_total",] == sum(
            len(b"value %d" % n) for n in range(230)
        )
        assert seen["lcclassify_sent_bytes_total",] == 2 * seen["lcclassify_received_bytes_total",]
        assert seen["lcclassify_delay_seconds_count",] == 230
        assert seen["lcclassify_assigned_partitions",] == 2
        assert seen["lcclassify_ready",] == 1
        assert lag(seen) == [0, 0]
        member.tell("SIGTERM")
        assert member.wait() == 0, member.said()
    scene.check_exactly_once()


def test_while_it_stops_it_is_alive_and_not_ready(apache_kafka, tmp_path):
    scene = Scene(apache_kafka, tmp_path, step_s=3.0, partitions=1, **PAGES)
    scene.send(120)
    with scene.member() as member:
        pages = Pages(member)
        pages.wait_for(("lcclassify_messages_total", "answered"), 50)
        assert lag(pages.metrics()) == [70]
        member.tell("SIGTERM")
        member.wait_for("finishing the batch")
        told = pages.get("/readyz")
        assert (told.status_code, told.json()["reason"]) == (503, "the stream is stopping")
        assert pages.get("/healthz").status_code == 200
        assert member.wait() == 0, member.said()
    scene.finish(step_s=0)


@pytest.mark.parametrize("consumer", [CONSUMER, pytest.param(NEW_PROTOCOL, marks=pytest.mark.long)])
def test_a_member_that_gets_no_partitions_is_ready_too(apache_kafka, tmp_path, consumer):
    scene = Scene(apache_kafka, tmp_path, partitions=1, consumer=consumer, **PAGES)
    with scene.member() as first, scene.member() as second:
        pages = [Pages(first), Pages(second)]
        for one in pages:
            one.wait_for(("lcclassify_ready",), 1)
            assert one.get("/readyz").status_code == 200
        until(
            lambda: sum(one.metrics()["lcclassify_assigned_partitions",] for one in pages) == 1,
            second.said,
        )
        for member in (first, second):
            member.tell("SIGTERM")
            assert member.wait() == 0, member.said()


def test_every_line_of_the_log_is_an_object(apache_kafka, tmp_path):
    scene = Scene(apache_kafka, tmp_path, **PAGES)
    scene.send(100)
    *lines, last = scene.finish().splitlines()  # the last one is the test program's own
    told = [json.loads(line) for line in lines]
    assert last.startswith("handled 100")
    assert {line["group"] for line in told} == {scene.told["group"]}
    assert [line["message"].partition(":")[0] for line in told][-1] == "done"
    assert told[-1]["model"] == "echo"
    assert "model" not in told[0]


def test_the_error_that_ends_it_is_an_object_too(kafka):
    told = ["--consumer-topics", "not-there", "--consumer-group-id", "g", "--to", "-"]
    told += ["--consumer-server", kafka.bootstrap, "--model", "plasticc", "--log-format", "json"]
    command = [sys.executable, "-m", "lcclassify", "stream", *told]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 9
    *_, last = map(json.loads, done.stderr.splitlines())
    assert last["level"] == "critical"
    assert "input topic 'not-there'" in last["message"]


def test_processes_that_share_a_folder_show_the_figures_of_all(apache_kafka, tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    scene = Scene(apache_kafka, tmp_path, **PAGES)
    with scene.member() as first, scene.member() as second:
        pages = [Pages(first), Pages(second)]
        for one in pages:
            one.wait_for(("lcclassify_assigned_partitions",), 2)
            one.wait_for(("lcclassify_ready",), 2)
        until(lambda: all("[" in m.assignments()[-1] for m in (first, second)), second.said)
        scene.send(400)
        for one in pages:
            one.wait_for(("lcclassify_messages_total", "answered"), 400)
            assert sum(lag(one.metrics())) == 0
        second.tell("SIGTERM")
        assert second.wait() == 0, second.said()
        pages[0].wait_for(("lcclassify_ready",), 1)
        first.tell("SIGTERM")
        assert first.wait() == 0, first.said()
    scene.check_exactly_once()


class Terminal:
    """A program whose stderr is a terminal."""

    def __init__(self, command):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env=environment,
        )
        os.close(theirs)
        self._ours, self._got = ours, bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        try:
            while got := os.read(self._ours, 65536):
                self._got += got
        except OSError:  # nobody has the other end any more
            pass

    def raw(self):
        return self._got.decode("utf-8", "replace")

    def text(self):
        """Without what steers the terminal."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self.raw())

    def wait(self, timeout_s=60):
        code = self.process.wait(timeout_s)
        self._reader.join()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        os.close(self._ours)


def test_a_terminal_shows_figures_below_the_log(apache_kafka, tmp_path):
    scene = Scene(apache_kafka, tmp_path)
    scene.send(300)
    with Terminal([sys.executable, PROGRAM, json.dumps(scene.told)]) as terminal:
        until(lambda: "300: answered 300" in terminal.text(), terminal.text)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait() == 0, terminal.text()
    text, raw = terminal.text(), terminal.raw()
    assert "lcclassify" in text
    assert "lag         0 messages; partitions: 2" in text
    lines = text.splitlines()
    frame = max(n for n, line in enumerate(lines) if line.startswith("╭"))
    assert lines[frame + 1].startswith("│ messages    300: answered 300, dead 0, skipped 0;")
    assert [line.partition(" ")[2] for line in lines[frame:] if "done: messages 300" in line]
    assert raw.rfind("\x1b[?25h") > raw.rfind("\x1b[?25l")  # the cursor is there again


@pytest.mark.parametrize("told", [{"display": "off"}, {"log_form": "json"}])
def test_no_figures_where_they_are_not_wanted(apache_kafka, tmp_path, told):
    scene = Scene(apache_kafka, tmp_path, operation=told, until_end=True)
    scene.send(10)
    with Terminal([sys.executable, PROGRAM, json.dumps(scene.told)]) as terminal:
        assert terminal.wait() == 0, terminal.text()
    assert "done: messages 10" in terminal.text()
    assert "\x1b" not in terminal.raw()
