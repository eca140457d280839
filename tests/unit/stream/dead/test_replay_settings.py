import pytest

from lcclassify.errors import SettingsError
from lcclassify.stream.config.gather import gather
from lcclassify.stream.config.read_replay import read_replay
from lcclassify.stream.secret import Secret

TOLD = {
    "consumer.server": "in:9092",
    "consumer.kafka_username": "reader",
    "consumer.kafka_password": Secret("r"),
    "producer.server": "out:9092",
    "consumer.limit": "5",
}
LINES = [
    Secret("consumer.fetch.min.bytes=2"),
    Secret("producer.linger.ms=9"),
    Secret("producer.ssl.ca.location=ca.pem"),
    Secret("consumer.group.instance.id=one"),
]


def read(source, told=TOLD, **named):
    return read_replay(gather(told, {}, LINES), source, **{"to": None, "group": None} | named)


def test_letters_are_read_where_results_are_and_go_where_the_input_is():
    found = read("dead", to="other", group="g")
    assert (found.source, found.to, found.group, found.limit) == ("dead", "other", "g", 5)
    assert found.target.servers == "in:9092"
    assert found.target.config() == {
        "bootstrap.servers": "in:9092",
        "linger.ms": "9",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "reader",
        "sasl.password": "r",
    }
    assert found.letters.config() == {
        "bootstrap.servers": "out:9092",
        "fetch.min.bytes": "2",
        "ssl.ca.location": "ca.pem",
    }


def test_a_folder_needs_the_cluster_of_the_input_alone(tmp_path):
    found = read(str(tmp_path), {"consumer.server": "in:9092"})
    assert found.letters is None
    assert found.target.servers == "in:9092"


def test_all_that_is_missing_or_wrong_is_told_at_once():
    with pytest.raises(SettingsError) as caught:
        read("a b", {"consumer.limit": "x"}, to="c d")
    rule = "Kafka allows up to 249 letters, digits, dots, dashes and underscores"
    ending = f"{rule}; the name of a folder ends in /"
    assert str(caught.value) == (
        "missing: --consumer-server (CONSUMER_SERVER); --producer-server (PRODUCER_SERVER). "
        "--limit: 'x' is no whole number. "
        f"PLACE: 'a b' is no topic name: {ending}. --to: 'c d' is no topic name: {ending}"
    )
