"""Lag, on any broker; noida is tried by name too, so that both are."""

import json

import pytest
from brokers import NoidaKafka
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient
from topics import make_topics, produce_all, unique

from lcclassify.cli import main
from lcclassify.errors import BrokerError, SettingsError
from lcclassify.stream.brokers.lag import Lag, read_lag, show_lag
from lcclassify.stream.brokers.offsets import Partition, open_offsets
from lcclassify.stream.settings import Client, Input, Model, Settings
from lcclassify.task import Output


def filled(bootstrap, topic):
    make_topics(AdminClient({"bootstrap.servers": bootstrap}), {topic: 2})
    produce_all(bootstrap, topic, [(b"k", b"v")] * 5, 0)
    produce_all(bootstrap, topic, [(b"k", b"v")] * 2, 1)
    return topic


def told(bootstrap, *topics):
    return Input(Client(bootstrap), unique("group"), topics)


@pytest.fixture(scope="module")
def topic(kafka):
    return filled(kafka.bootstrap, unique("lag"))


def check_lag(bootstrap, topic):
    input_ = told(bootstrap, topic)
    open_offsets(input_).commit({Partition(topic, 0): 3})
    assert read_lag(input_) == [Lag(topic, 0, 3, 5, 2), Lag(topic, 1, None, 2, 2)]


def test_lag_is_what_lies_between_the_commit_and_the_end(kafka, topic):
    check_lag(kafka.bootstrap, topic)


def test_noida_tells_the_same(tmp_path):
    with NoidaKafka(tmp_path) as broker:
        check_lag(broker.bootstrap, filled(broker.bootstrap, "lag"))


def test_expressions_find_topics(kafka, topic):
    rows = read_lag(told(kafka.bootstrap, f"^{topic[:8]}.*{topic[8:]}"))
    assert [row[:2] for row in rows] == [(topic, 0), (topic, 1)]
    assert read_lag(told(kafka.bootstrap, "^nothing-is-called-so")) == []


def test_a_name_is_no_expression(kafka, topic):
    with pytest.raises(BrokerError) as caught:
        read_lag(told(kafka.bootstrap, topic, topic.replace("-", ".")))
    assert str(caught.value) == (
        f"input ({kafka.bootstrap}), input topic {topic.replace('-', '.')!r}: there is no such"
        " topic; create it or correct its name"
    )


def test_a_broken_expression_is_told(kafka):
    with pytest.raises(SettingsError) as caught:
        read_lag(told(kafka.bootstrap, "^a("))
    assert str(caught.value).startswith("topic '^a(' is no regular expression: missing ), ")


def test_the_table_has_a_line_for_each_partition_and_a_total(kafka, topic, capsys):
    show_lag(Settings(told(kafka.bootstrap, topic), Model("toy"), Output()))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["topic", "partition", "committed", "end", "lag"],
        [topic, "0", "-", "5", "5"],
        [topic, "1", "-", "2", "2"],
        ["total", "7"],
    ]


def test_the_command_needs_no_place_for_what_it_does_not_write(kafka, topic, capsys):
    told = ("--consumer-server", kafka.bootstrap, "--consumer-topics", topic, "--json")
    written = ("--dead-letters", "dead", "--shadow", "second", "--shadow-topic", "s")
    with pytest.raises(SystemExit) as stop:
        main(["stream", "--show-lag", "--consumer-group-id", unique("group"), *told, *written])
    assert stop.value.code in (0, None)
    assert json.loads(capsys.readouterr().out)["total"] == 7


def test_json_has_the_same(kafka, topic, capsys):
    settings = Settings(told(kafka.bootstrap, topic), Model("toy"), Output())
    show_lag(settings, as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "group": settings.input.group_id,
        "total": 7,
        "partitions": [
            {"topic": topic, "partition": 0, "committed": None, "end": 5, "lag": 5},
            {"topic": topic, "partition": 1, "committed": None, "end": 2, "lag": 2},
        ],
    }


def test_a_coordinator_that_is_not_ready_is_waited_for(mock_kafka):
    mock_kafka.create_topic("t")
    mock_kafka.push_errors("OffsetFetch", [KafkaError.COORDINATOR_LOAD_IN_PROGRESS] * 3)
    assert read_lag(told(mock_kafka.bootstrap, "t")) == [Lag("t", 0, None, 0, 0)]
