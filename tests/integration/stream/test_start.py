"""Where a stream starts, on any broker; groups of the new protocol are Apache Kafka's."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from brokers import NoidaKafka
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from topics import committed, make_topics, unique

from lcclassify.errors import BrokerError, SettingsError
from lcclassify.stream.brokers.offsets import open_offsets
from lcclassify.stream.brokers.start import set_start
from lcclassify.stream.settings import Client, Input, Model, Settings
from lcclassify.task import Output

FIRST = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)


def filled(bootstrap, topic):
    """Two partitions with three messages each, an hour between them; none old enough to expire."""
    make_topics(AdminClient({"bootstrap.servers": bootstrap}), {topic: 2})
    producer = Producer({"bootstrap.servers": bootstrap})
    for partition in (0, 1):
        for hour in range(3):
            moment = round(FIRST.timestamp() * 1000) + hour * 3_600_000
            producer.produce(topic, b"v", partition=partition, timestamp=moment)
            assert producer.flush(20) == 0
    return topic


@pytest.fixture(scope="module")
def topic(kafka):
    return filled(kafka.bootstrap, unique("start"))


def settings(bootstrap, topic, start, group=None):
    told = Input(Client(bootstrap), group or unique("group"), (topic,), start=start)
    return Settings(told, Model("toy"), Output())


def begin(told):
    set_start(told.input.start, open_offsets(told.input))


def offsets_after(bootstrap, topic, start):
    told = settings(bootstrap, topic, start)
    begin(told)
    return committed(bootstrap, told.input.group_id)


BETWEEN = FIRST + timedelta(minutes=30)
STARTS = [
    ("earliest", 0),
    ("latest", 3),
    ("2", 2),
    (BETWEEN.isoformat(), 1),
    (BETWEEN.replace(tzinfo=None).isoformat(), 1),
    (BETWEEN.astimezone(timezone(timedelta(hours=-3))).isoformat(), 1),
    ((FIRST + timedelta(hours=3)).isoformat(), 3),
]


@pytest.mark.parametrize(("start", "offset"), STARTS, ids=range(len(STARTS)))
def test_the_group_starts_there(kafka, topic, start, offset):
    found = offsets_after(kafka.bootstrap, topic, start)
    assert found == {(topic, 0): offset, (topic, 1): offset}


def test_noida_takes_them_all(tmp_path):
    with NoidaKafka(tmp_path) as broker:
        topic = filled(broker.bootstrap, "start")
        for start, offset in STARTS:
            found = offsets_after(broker.bootstrap, topic, start)
            assert found == {(topic, 0): offset, (topic, 1): offset}


def test_committed_leaves_the_group_alone(kafka, topic):
    assert offsets_after(kafka.bootstrap, topic, "committed") == {}


def test_topics_that_do_not_exist_are_left_alone(kafka):
    assert offsets_after(kafka.bootstrap, unique("later"), "earliest") == {}


def test_an_offset_that_a_partition_lacks_is_refused(kafka, topic):
    with pytest.raises(SettingsError) as caught:
        begin(settings(kafka.bootstrap, topic, "4"))
    assert str(caught.value) == (
        f"--from 4: {topic} [0] has offsets from 0 to 3; choose one of these, or a time"
    )


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_with_members_is_left_alone(apache_kafka, topic, protocol):
    told = settings(apache_kafka.bootstrap, topic, "earliest")
    group = told.input.group_id
    config = {"bootstrap.servers": apache_kafka.bootstrap, "group.id": group}
    member = Consumer(config | {"group.protocol": protocol, "enable.auto.commit": False})
    member.subscribe([topic])
    deadline = time.monotonic() + 20
    while not member.assignment() and time.monotonic() < deadline:
        member.poll(0.1)
    assert member.assignment()
    with pytest.raises(BrokerError) as caught:
        begin(told)
    assert str(caught.value) == (
        f"input ({apache_kafka.bootstrap}), group {group!r}: its offsets cannot be set while it has"
        " members; stop them first (one that was killed counts until its session times out), or"
        " use another group"
    )
    member.close()
    begin(replace(told, input=replace(told.input, start="latest")))
    assert set(committed(apache_kafka.bootstrap, group).values()) == {3}
