"""Errors of a cluster at a chosen moment: passed over, tried again, or the end of the program."""

import time

import pytest
from confluent_kafka import KafkaError
from member import echo
from mock_kafka import DISCONNECT
from scene import CONSUMER
from topics import produce_all

from lcclassify.errors import BrokerError
from lcclassify.sinks import kafka as sinks
from lcclassify.sinks.kafka import AtLeastOnce, ExactlyOnce
from lcclassify.sources.kafka import Intake
from lcclassify.stream.brokers import clients
from lcclassify.stream.loop import run
from lcclassify.stream.settings import Client

N_MESSAGES = 20


@pytest.fixture
def cluster(mock_kafka):
    for topic in ("in", "out", "cmd"):
        mock_kafka.create_topic(topic, partitions=1, copies=3)
    pairs = [(None, b"%d" % n) for n in range(N_MESSAGES)]
    produce_all(mock_kafka.bootstrap, "in", pairs, **{"enable.idempotence": False})  # at once
    return mock_kafka


def exactly_once(client):
    return ExactlyOnce(client, "id", may_renew=True)


def named_exactly_once(client):
    return ExactlyOnce(client, "id", may_renew=False)


def at_least_once(client):
    return AtLeastOnce({"results": client, "scribe": client})


def answer(cluster, open_delivery, after_start=lambda: None):
    """Run the loop over all messages, in one batch; ``after_start`` comes before it is delivered.

    Returns (messages handled, batches that were answered again).
    """
    client = Client(cluster.bootstrap, {"message.timeout.ms": "8000"})
    reader = Client(cluster.bootstrap, CONSUMER)
    intake = Intake(reader, "group", ["in"], batch_size=N_MESSAGES, timeout_s=10, limit=N_MESSAGES)
    step = echo("out", "cmd")
    moments = iter([after_start])

    def told(messages):
        next(moments, lambda: None)()
        return step(messages)

    with open_delivery(client) as delivery, intake:
        counts = run(intake, told, delivery)
    return counts.n_messages, counts.n_repeated


RETRIED = [
    (at_least_once, "Produce", KafkaError.NOT_LEADER_FOR_PARTITION),
    (at_least_once, "Produce", KafkaError.REQUEST_TIMED_OUT),
    (at_least_once, "Produce", DISCONNECT),
    (exactly_once, "Produce", KafkaError.NOT_LEADER_FOR_PARTITION),
    (exactly_once, "Produce", KafkaError.REQUEST_TIMED_OUT),
    (exactly_once, "Produce", DISCONNECT),
    (exactly_once, "AddPartitionsToTxn", KafkaError.CONCURRENT_TRANSACTIONS),
    (exactly_once, "AddOffsetsToTxn", KafkaError.COORDINATOR_NOT_AVAILABLE),
    (exactly_once, "AddOffsetsToTxn", DISCONNECT),
    (exactly_once, "TxnOffsetCommit", KafkaError.COORDINATOR_LOAD_IN_PROGRESS),
    (exactly_once, "EndTxn", KafkaError.NOT_COORDINATOR),
    (exactly_once, "EndTxn", DISCONNECT),
]
AGAIN = [
    (at_least_once, "OffsetCommit", KafkaError.REBALANCE_IN_PROGRESS),
    (at_least_once, "OffsetCommit", KafkaError.ILLEGAL_GENERATION),
    (exactly_once, "TxnOffsetCommit", KafkaError.ILLEGAL_GENERATION),
    (exactly_once, "TxnOffsetCommit", KafkaError.UNKNOWN_MEMBER_ID),
    (exactly_once, "TxnOffsetCommit", KafkaError.FENCED_INSTANCE_ID),
    (exactly_once, "EndTxn", KafkaError.INVALID_PRODUCER_EPOCH),
    (exactly_once, "Produce", KafkaError.INVALID_PRODUCER_EPOCH),
    (exactly_once, "AddOffsetsToTxn", KafkaError.INVALID_PRODUCER_EPOCH),
]
FINAL = [
    (at_least_once, "Produce", KafkaError.TOPIC_AUTHORIZATION_FAILED),
    (at_least_once, "Produce", KafkaError.MSG_SIZE_TOO_LARGE),
    (at_least_once, "OffsetCommit", KafkaError.GROUP_AUTHORIZATION_FAILED),
    (exactly_once, "Produce", KafkaError.TOPIC_AUTHORIZATION_FAILED),
    (exactly_once, "Produce", KafkaError.MSG_SIZE_TOO_LARGE),
    (exactly_once, "AddPartitionsToTxn", KafkaError.TOPIC_AUTHORIZATION_FAILED),
    (exactly_once, "AddOffsetsToTxn", KafkaError.GROUP_AUTHORIZATION_FAILED),
    (named_exactly_once, "EndTxn", KafkaError.INVALID_PRODUCER_EPOCH),
    (named_exactly_once, "Produce", KafkaError.INVALID_PRODUCER_EPOCH),
]
FAULT = ("open_delivery", "api", "code")


@pytest.mark.parametrize(FAULT, RETRIED)
def test_errors_that_the_client_repairs_are_not_noticed(cluster, open_delivery, api, code):
    handled = answer(cluster, open_delivery, lambda: cluster.push_errors(api, [code]))
    assert handled == (N_MESSAGES, 0)


@pytest.mark.parametrize(FAULT, AGAIN)
def test_a_batch_that_may_not_count_is_answered_again(cluster, open_delivery, api, code):
    handled = answer(cluster, open_delivery, lambda: cluster.push_errors(api, [code]))
    assert handled == (N_MESSAGES, 1)


@pytest.mark.parametrize(FAULT, FINAL)
def test_what_does_not_pass_ends_the_program(cluster, open_delivery, api, code):
    with pytest.raises(BrokerError) as caught:
        answer(cluster, open_delivery, lambda: cluster.push_errors(api, [code] * 3))
    problem, advice = clients._words()[KafkaError(code).name()]
    assert problem in str(caught.value)
    assert advice in str(caught.value)
    assert caught.value.exit_code == 9


def test_a_transactional_id_that_is_denied_ends_the_program(cluster):
    cluster.push_errors("InitProducerId", [KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED])
    with pytest.raises(BrokerError, match=r"^results \(.*\): the transactional id is denied; ask"):
        answer(cluster, exactly_once)


@pytest.mark.parametrize("open_delivery", [at_least_once, exactly_once])
def test_late_answers_are_waited_for(cluster, open_delivery):
    def be_late():
        for broker in (1, 2, 3):
            cluster.push_late_answers("Produce", [700], broker)

    assert answer(cluster, open_delivery, be_late) == (N_MESSAGES, 0)


@pytest.mark.parametrize(
    "open_delivery", [at_least_once, pytest.param(exactly_once, marks=pytest.mark.long)]
)
def test_brokers_that_stay_away_are_the_end(cluster, open_delivery, monkeypatch):
    monkeypatch.setattr(clients, "MEASURE_MS", 200)
    monkeypatch.setattr(sinks, "CALL_S", 0.5)
    monkeypatch.setattr(sinks, "STUCK_S", 2.0)
    monkeypatch.setattr(clients.Watch.__init__, "__defaults__", (1.5, 10.0, time.monotonic))

    def leave():
        for broker in (1, 2, 3):
            cluster.set_down(broker)

    with pytest.raises(BrokerError, match="none of its brokers can be reached for"):
        answer(cluster, open_delivery, leave)
