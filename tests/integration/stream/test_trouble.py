"""What operators do to a cluster while a stream runs."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from brokers import NoidaKafka
from confluent_kafka.admin import AdminClient
from topics import committed, make_topics, produce_all, unique

from lcclassify.errors import BrokerError
from lcclassify.sinks import kafka as sink
from lcclassify.sinks.kafka import AtLeastOnce, StaleError
from lcclassify.sources import kafka as source
from lcclassify.sources.kafka import Intake
from lcclassify.stream.message import Work
from lcclassify.stream.settings import Client

QUICK = {"topic.metadata.refresh.interval.ms": "300", "topic.metadata.propagation.max.ms": "0"}


def gathered(intake, enough, timeout_s=20):
    """What ``enough`` makes of messages as they come, once it is true."""
    messages, deadline = [], time.monotonic() + timeout_s
    while not (found := enough(messages)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"only {len(messages)} messages within {timeout_s} s")
        messages += intake.gather()
    return found


@pytest.fixture
def deleted(kafka, admin, monkeypatch):
    """An intake, its topic deleted after its message was read; topics may be away for 1 s."""
    monkeypatch.setattr(source, "PATIENCE_S", 1.0)

    def open_and_delete(topic, **more):
        make_topics(admin, {topic: 1})
        produce_all(kafka.bootstrap, topic, [(None, b"first")])
        client = Client(kafka.bootstrap, QUICK)
        intake = Intake(client, unique("group"), [topic], batch_size=1, timeout_s=0.2, **more)
        intake.__enter__()
        gathered(intake, len)
        admin.delete_topics([topic])[topic].result(10)
        return intake

    return open_and_delete


def test_an_input_topic_that_is_gone_ends_the_stream(deleted, kafka):
    topic = unique("gone")
    intake = deleted(topic)
    with pytest.raises(BrokerError) as caught:
        gathered(intake, lambda messages: len(messages) > 1)
    intake.__exit__()
    assert str(caught.value) == (
        f"input ({kafka.bootstrap}), topic {topic!r}: there is no such topic; create it or correct"
        " its name"
    )


def test_an_input_topic_that_may_be_waited_for_may_come_back(deleted, kafka, admin):
    topic = unique("back")
    intake = deleted(topic, wait_for_topics=True)
    quiet_until = time.monotonic() + 5
    gathered(intake, lambda messages: time.monotonic() > quiet_until)
    make_topics(admin, {topic: 1})
    produce_all(kafka.bootstrap, topic, [(None, b"second")])
    assert gathered(intake, lambda messages: [m.value for m in messages]) == [b"second"]
    intake.__exit__()


def test_offsets_that_are_not_taken_for_a_while_are_no_end(tmp_path, monkeypatch):
    """The group's broker hangs, and so does a call to it."""
    monkeypatch.setattr(sink, "STUCK_S", 1.0)
    with NoidaKafka(tmp_path) as broker:
        topic, group = unique("held"), unique("group")
        make_topics(AdminClient({"bootstrap.servers": broker.bootstrap}), {topic: 1})
        produce_all(broker.bootstrap, topic, [(None, b"first")])
        client = Client(broker.bootstrap)
        intake = Intake(client, group, [topic], batch_size=1, timeout_s=0.2)
        with intake, AtLeastOnce({}) as delivery:
            gathered(intake, len)
            broker.pause()
            with pytest.raises(StaleError, match="^input: the group's offsets are not taken$"):
                delivery.deliver(Work(), intake)
            broker.resume()
            gathered(intake, lambda messages: committed(broker.bootstrap, group))


def test_a_signal_before_the_first_message_does_not_wait_for_the_checks():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        told = {"consumer": "topics features group-id group", "producer": "topic-format results"}
        options = ["--model", "plasticc", "--stream", "elasticc"]
        for side, words in told.items():
            options += [f"--{side}-server", address]
            for name, value in zip(words.split()[::2], words.split()[1::2], strict=True):
                options += [f"--{side}-{name}", value]
        process = subprocess.Popen(
            [sys.executable, "-m", "lcclassify", "stream", *options],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        silent.settimeout(60)
        connection, _ = silent.accept()
        time.sleep(0.5)  # the model is read meanwhile
        process.send_signal(signal.SIGTERM)
        sent = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, lines = process.communicate(timeout=20)
        connection.close()
    assert (process.returncode, lines.count("SIGTERM")) == (143, 1), lines
    assert "SIGTERM before the first message" in lines
    assert time.monotonic() - sent < 4  # the checks would last for 8 s
