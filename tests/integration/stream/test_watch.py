"""Errors that do not end by themselves, as clients of running brokers report them."""

import time

import pytest
from brokers import NoidaKafka
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from topics import make_topics, unique

from lcclassify.errors import BrokerError
from lcclassify.stream.brokers import clients
from lcclassify.stream.brokers.clients import Watch, as_broker_error, open_client, sentence
from lcclassify.stream.secret import Secret
from lcclassify.stream.settings import Client


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Statistics five times a second."""
    monkeypatch.setattr(clients, "MEASURE_MS", 200)


def subscribed(client, watch):
    ours = {"group.id": unique("group"), "log_level": 0}
    consumer = open_client(Consumer, client, watch, ours)
    consumer.subscribe(["t"])
    return consumer


def poll_until(client, happened, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        client.poll(0.05)
        if found := happened():
            return found
    return None


def test_brokers_that_stay_away_are_final_and_those_that_come_back_are_not(tmp_path):
    with NoidaKafka(tmp_path) as broker:
        make_topics(AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0}), {"t": 1})
        watch = Watch("input (h:1)", limit_s=2)
        consumer = subscribed(Client(broker.bootstrap), watch)
        assert poll_until(consumer, consumer.assignment)
        broker.stop()
        assert poll_until(consumer, watch.final, 1) is None
        broker.start()
        assert poll_until(consumer, watch.final, 4) is None
        broker.stop()
        final = poll_until(consumer, watch.final)
        consumer.close()
    assert final.startswith("input (h:1): none of its brokers can be reached for 2 s (")


def test_a_wrong_password_is_final_soon(secure_kafka):
    wrong = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "alice",
        "sasl.password": Secret("wr0ng"),
    }
    watch = Watch("input (h:1)", refused_s=1)
    consumer = subscribed(Client(secure_kafka.address("SASL_PLAINTEXT"), wrong), watch)
    final = poll_until(consumer, watch.final)
    consumer.close()
    assert final.startswith("input (h:1): the broker refused user or password (SASL authentication")


def test_a_producer_that_another_one_replaced_is_told(kafka, admin):
    topic, name = unique("fenced"), unique("id")
    make_topics(admin, {topic: 1})
    ours = {"transactional.id": name, "log_level": 0}
    watch = Watch("results (h:1)")
    producer = open_client(Producer, Client(kafka.bootstrap), watch, ours)
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"never seen")
    assert producer.flush(20) == 0
    other = Producer({"bootstrap.servers": kafka.bootstrap} | ours)
    other.init_transactions(20)
    with pytest.raises(BrokerError) as caught, as_broker_error("results (h:1)"):
        producer.commit_transaction(20)
    assert str(caught.value) == (
        "results (h:1): another process with the same transactional id has taken over (Failed to"
        " end transaction); give each process a transactional id of its own, or none"
    )


def test_a_static_member_that_another_one_replaced_is_told(kafka, admin):
    topic = unique("static")
    make_topics(admin, {topic: 1})
    ours = {"group.id": unique("group"), "group.instance.id": "one", "log_level": 0}
    first, second = (
        open_client(Consumer, Client(kafka.bootstrap), Watch("input (h:1)"), ours) for _ in "12"
    )
    first.subscribe([topic])
    assert poll_until(first, first.assignment)
    second.subscribe([topic])
    deadline = time.monotonic() + 20
    told = None
    while told is None and time.monotonic() < deadline:
        second.poll(0.05)
        message = first.poll(0.05)
        told = message and message.error()
    second.close()
    first.close()
    assert sentence(told, "input (h:1)") == (
        "input (h:1): another process with the same group.instance.id has taken over; give each"
        " process a group.instance.id of its own"
    )
