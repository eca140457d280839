"""Processes that run the stream (member.py), and what they leave behind.

A ``Scene`` is an input topic with numbered messages, a group, and topics for results and commands.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from confluent_kafka.admin import AdminClient
from topics import committed, make_topics, produce_all, read_all, unique

PROGRAM = Path(__file__).with_name("member.py")
# short, for another member to take over soon
CONSUMER = {
    "session.timeout.ms": "1500",
    "heartbeat.interval.ms": "300",
    "topic.metadata.refresh.interval.ms": "1000",
}
PRODUCER = {"transaction.timeout.ms": "5000", "linger.ms": "5"}
NEW_PROTOCOL = {"group.protocol": "consumer"}  # whose timeouts are the broker's


class Member:
    """One process; ended, if it still runs, when its context is left."""

    def __init__(self, log, **told):
        self.log = Path(log)
        with self.log.open("wb") as target:
            self.process = subprocess.Popen(
                [sys.executable, PROGRAM, json.dumps(told)],
                stdin=subprocess.DEVNULL,
                stdout=target,
                stderr=subprocess.STDOUT,
            )

    def wait(self, timeout_s=60):
        """Its exit code; negative: the signal that ended it."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"still running after {timeout_s} s: {self.said()}") from None

    def said(self):
        return self.log.read_text()

    def wait_for(self, pattern, timeout_s=30, times=1):
        """Return when it has said this so many times."""
        until(lambda: len(re.findall(pattern, self.said())) >= times, self.said, timeout_s)

    def assignments(self):
        return re.findall("assigned: .*|taken away: .*", self.said())

    @property
    def running(self):
        return self.process.poll() is None

    def is_stopped(self):
        """Whether a SIGSTOP has reached it."""
        told = os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
        return told is not None

    def tell(self, name):
        self.process.send_signal(getattr(signal, name))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.running:
            self.process.kill()
        self.process.wait()


def until(happened, describe, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s} s: {describe()}")
        time.sleep(0.05)


class Scene:
    """What a test is about; ``told`` is for every member."""

    def __init__(self, broker, logs, partitions=2, **told):
        self.bootstrap, self.logs = broker.bootstrap, Path(logs)
        self.topic, self.out, self.cmd = unique("in"), unique("out"), unique("cmd")
        self.n_sent = self.n_members = 0
        self.told = {
            "bootstrap": self.bootstrap,
            "topics": [self.topic],
            "out": self.out,
            "cmd": self.cmd,
            "group": unique("group"),
            "consumer": CONSUMER,
            "producer": PRODUCER,
            "batch_size": 50,
            "timeout_s": 0.5,
        } | told
        quiet = {"bootstrap.servers": self.bootstrap, "log_level": 0}
        make_topics(AdminClient(quiet), {self.topic: partitions, self.out: 2, self.cmd: 1})

    def send(self, count, **config):
        """So many further messages."""
        numbers = range(self.n_sent, self.n_sent + count)
        pairs = [(b"key %d" % n, b"value %d" % n) for n in numbers]
        produce_all(self.bootstrap, self.topic, pairs, **config)
        self.n_sent += count

    def member(self, **told):
        self.n_members += 1
        log = self.logs / f"member-{self.n_members}.log"
        return Member(log, **self.told | told)

    def finish(self, timeout_s=60, **told):
        """A member without a fault does the rest; returns what it said."""
        with self.member(until_end=True, **told) as member:
            assert member.wait(timeout_s) == 0, member.said()
            return member.said()

    def n_handled(self):
        """How many messages count as handled."""
        offsets = committed(self.bootstrap, self.told["group"], log_level=0).values()
        return sum(offset for offset in offsets if offset > 0)

    def wait_until_done(self, timeout_s=60):
        """Return when all that were sent are."""
        until(
            lambda: self.n_handled() == self.n_sent,
            lambda: f"{self.n_handled()} of {self.n_sent} messages are handled",
            timeout_s,
        )

    def values(self, topic):
        return Counter(message.value() for message in read_all(self.bootstrap, [topic]))

    def check_exactly_once(self, topics=None):
        """Every message once, results and commands."""
        for topic in topics or (self.out, self.cmd):
            assert self.differences(self.values(topic)) == {"lost": [], "doubled": []}, topic

    def check_nothing_lost(self, topics=None):
        for topic in topics or (self.out, self.cmd):
            assert self.differences(self.values(topic))["lost"] == [], topic

    def rows(self, folder):
        """How often each value is in the files of a folder."""
        texts = [file.read_text() for file in Path(folder).glob("*.jsonl")]
        rows = [json.loads(line) for text in texts for line in text.splitlines()]
        return Counter(row["value"].encode() for row in rows)

    def differences(self, seen):
        wanted = {b"value %d" % n for n in range(self.n_sent)}
        assert not set(seen) - wanted
        return {
            "lost": sorted(wanted - set(seen)),
            "doubled": sorted(value for value, times in seen.items() if times > 1),
        }


def fault(of, method, when, call=1, ms=0):
    return {"of": of, "method": method, "when": when, "call": call, "ms": ms}


def kill_all(scene, faults, **told):
    """One member after the other meets its fate, with enough to do for all of them."""
    for fate in faults:
        scene.send(200)
        with scene.member(fault=fate, **told) as member:
            assert member.wait() == -9, (fate, member.said())
    scene.finish(**told)
