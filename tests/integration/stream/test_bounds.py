"""What is read, and when a stream ends; in this process, with small batches."""

import threading

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from member import echo
from scene import CONSUMER, Scene, until
from topics import make_topics, produce_all, unique

from lcclassify.sinks.kafka import ExactlyOnce
from lcclassify.sources.kafka import Intake
from lcclassify.stream.loop import run
from lcclassify.stream.report import Observer
from lcclassify.stream.settings import Client


class Sizes(Observer):
    """Of batches that were delivered."""

    def __init__(self, sizes):
        self.sizes = sizes

    def delivered(self, report):
        self.sizes.append(len(report.messages))


class Signs(Observer):
    """Of life."""

    def __init__(self):
        self.count = 0

    def alive(self):
        self.count += 1


def answer(scene, topics=None, *, batch_size=50, timeout_s=0.5, **bounds):
    """Run the loop here; the sizes of its batches."""
    intake = Intake(
        Client(scene.bootstrap, CONSUMER),
        scene.told["group"],
        topics or [scene.topic],
        batch_size=batch_size,
        timeout_s=timeout_s,
        **bounds,
    )
    sizes = []
    client = Client(scene.bootstrap)
    delivery = ExactlyOnce(client, unique("id"), may_renew=True)
    step = echo(scene.out, scene.cmd)
    with delivery, intake:
        run(intake, step, delivery, Sizes(sizes))
    return sizes


@pytest.fixture
def scene(apache_kafka, tmp_path):
    return Scene(apache_kafka, tmp_path, partitions=1)


def test_the_last_batch_is_as_large_as_there_are_messages(scene):
    scene.send(120)
    assert answer(scene, until_end=True, timeout_s=60) == [50, 50, 20]
    scene.check_exactly_once()


def test_an_empty_topic_ends_at_once(scene):
    assert answer(scene, until_end=True, timeout_s=60) == []


def test_no_more_than_the_limit_is_committed(scene):
    scene.send(120)
    assert answer(scene, limit=70) == [50, 20]
    assert scene.n_handled() == 70
    assert answer(scene, limit=1) == [1]
    assert answer(scene, until_end=True) == [49]
    scene.check_exactly_once()


def test_the_loop_is_alive_while_messages_come_one_by_one(scene):
    signs, stop = Signs(), threading.Event()
    client, group = Client(scene.bootstrap, CONSUMER), scene.told["group"]
    told = {"batch_size": 100_000, "timeout_s": 3.0, "stop": stop, "observer": signs}
    producer = Producer({"bootstrap.servers": scene.bootstrap, "log_level": 0})

    def trickle():
        while not stop.wait(0.02):
            producer.produce(scene.topic, b"one")
            producer.flush(10)

    with Intake(client, group, [scene.topic], **told) as intake:
        scene.send(1)
        until(lambda: intake.gather(), lambda: "no message")
        sender = threading.Thread(target=trickle)
        sender.start()
        signs.count = 0
        try:
            n_messages = len(intake.gather())
        finally:
            stop.set()
            sender.join()
    assert n_messages > 20
    assert signs.count > 5


def test_without_time_to_wait_it_takes_what_is_there(scene):
    scene.send(30)
    assert sum(answer(scene, timeout_s=0, batch_size=1000, limit=30)) == 30
    scene.check_exactly_once()


def test_what_was_aborted_upstream_is_not_read(scene):
    producer = Producer({"bootstrap.servers": scene.bootstrap, "transactional.id": unique("id")})
    producer.init_transactions(20)
    for value, counts in ((b"value 0", True), (b"undone", False), (b"value 1", True)):
        producer.begin_transaction()
        producer.produce(scene.topic, value)
        assert producer.flush(20) == 0
        producer.commit_transaction(20) if counts else producer.abort_transaction(20)
    assert answer(scene, until_end=True, timeout_s=60) == [2]
    scene.n_sent = 2
    scene.check_exactly_once()


def test_tombstones_pass(scene):
    produce_all(scene.bootstrap, scene.topic, [(b"1", None), (b"2", b"value")])
    assert answer(scene, until_end=True) == [2]
    assert scene.values(scene.out) == {b"tombstone": 1, b"value": 1}


def test_topics_that_match_are_read_also_those_that_come_later(scene):
    name = unique("daily")
    make_topics(AdminClient({"bootstrap.servers": scene.bootstrap}), {f"{name}-1": 2})
    produce_all(scene.bootstrap, f"{name}-1", [(None, b"value 0")])
    stop = threading.Event()
    thread = threading.Thread(target=lambda: answer(scene, [f"^{name}-.*"], stop=stop))
    thread.start()
    try:
        until(lambda: scene.values(scene.out).total() == 1, lambda: "the first topic is not read")
        make_topics(AdminClient({"bootstrap.servers": scene.bootstrap}), {f"{name}-2": 1})
        produce_all(scene.bootstrap, f"{name}-2", [(None, b"value 1")])
        until(lambda: scene.values(scene.out).total() == 2, lambda: "the second one is not read")
    finally:
        stop.set()
        thread.join()
    scene.n_sent = 2
    scene.check_exactly_once()
