import csv
import json
from importlib.resources import files

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from lcclassify.errors import BrokerError, SettingsError
from lcclassify.stream.brokers.clients import Watch, as_broker_error, open_client, place, sentence
from lcclassify.stream.secret import Secret
from lcclassify.stream.settings import Client

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
REFUSED = KafkaError(
    KafkaError._AUTHENTICATION,
    "sasl_ssl://h:1/bootstrap: SASL authentication error: invalid credentials"
    " (after 309ms in state AUTH_REQ)",
)
UP = json.dumps({"brokers": {"h:1/1": {"state": "UP"}}})
AUTHENTICATING = json.dumps({"brokers": {"h:1/1": {"state": "AUTH_REQ"}}})
FENCED = KafkaError(KafkaError._FENCED, "Local: This instance has been fenced", fatal=True)


@pytest.fixture
def watch(clock):
    return Watch("input (h:1)", clock=clock)


def test_every_error_of_the_table_exists():
    table = files("lcclassify") / "catalogue" / "kafka_errors.csv"
    codes = [row["code"] for row in csv.DictReader(table.read_text("utf-8").splitlines())]
    assert [code for code in codes if not hasattr(KafkaError, code)] == []
    assert [code for code in codes if KafkaError(getattr(KafkaError, code)).name() != code] == []
    assert len(set(codes)) == len(codes) == 39


def test_a_broker_answer_becomes_a_sentence():
    error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
    assert sentence(error, "results (h:1), topic 't'") == (
        "results (h:1), topic 't': there is no such topic; create it or correct its name"
    )


def test_what_the_client_saw_is_told_without_what_is_said_already():
    assert sentence(REFUSED, "input (h:1 as alice)") == (
        "input (h:1 as alice): the broker refused user or password (SASL authentication error:"
        " invalid credentials); check both, and the SASL mechanism"
    )


def test_an_unknown_error_is_told_as_kafka_says_it():
    error = KafkaError(KafkaError.DUPLICATE_VOTER, "Broker: Duplicate voter")
    assert sentence(error, "x") == "x: Kafka says DUPLICATE_VOTER (Broker: Duplicate voter)"


def test_a_place_names_the_user_but_no_secret():
    client = Client("h:1", {"sasl.username": "alice", "sasl.password": Secret("hush")})
    assert place("input", client) == "input (h:1 as alice)"
    assert place("input", Client("h:1", {"sasl.username": Secret("alice")})) == "input (h:1 as ***)"


def test_what_a_call_raises_becomes_ours():
    with pytest.raises(BrokerError) as caught, as_broker_error("results (h:1)"):
        raise KafkaException(FENCED)
    assert str(caught.value) == (
        "results (h:1): another process with the same transactional id has taken over; give each"
        " process a transactional id of its own, or none"
    )


def test_the_fatal_error_of_a_consumer_is_told_by_its_text():
    text = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()
    error = KafkaError(KafkaError._FATAL, f"Fatal error: {text}: Fatal consumer error: {text}")
    assert sentence(error, "input (h:1)") == (
        "input (h:1): another process with the same group.instance.id has taken over; give each"
        " process a group.instance.id of its own"
    )


def test_a_refusal_is_final_when_it_lasts(watch, clock):
    watch.hear(REFUSED)
    watch.hear(DOWN)
    clock.now += 9
    watch.hear(REFUSED)
    watch.raise_if_final()
    clock.now += 1
    assert watch.final().startswith("input (h:1): the broker refused user or password (SASL")


def test_a_refusal_by_one_of_several_brokers_is_not_final(watch, clock):
    watch.hear(REFUSED)
    clock.now += 1000
    assert watch.final() is None


def test_a_broker_that_is_up_ends_what_was_wrong(watch, clock):
    watch.hear(REFUSED)
    watch.hear(DOWN)
    watch.measure(UP)
    clock.now += 1000
    assert watch.final() is None


def test_brokers_out_of_reach_are_final_after_two_minutes(watch, clock):
    watch.hear(KafkaError(KafkaError._TRANSPORT, "h:1/bootstrap: Connect to h failed: refused"))
    watch.hear(DOWN)
    clock.now += 60
    watch.hear(DOWN)
    watch.measure(AUTHENTICATING)
    clock.now += 59
    assert watch.final() is None
    clock.now += 1
    assert watch.final() == (
        "input (h:1): none of its brokers can be reached for 120 s (Connect to h failed: refused);"
        " check the address, and whether this port expects a password (SASL) or TLS"
    )


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"no.such": "x"}, 'No such configuration property: "no.such"'),
        (
            {"security.protocol": "hush"},
            'Invalid value "***" for configuration property "security.protocol"',
        ),
    ],
)
def test_properties_without_meaning_are_refused_without_secrets(wrong, problem):
    client = Client("h:1", wrong | {"sasl.password": Secret("hush")})
    with pytest.raises(SettingsError) as caught:
        open_client(Consumer, client, Watch("input (h:1)"), {"group.id": "g"})
    assert str(caught.value) == f"input (h:1): {problem}; correct this client property"
