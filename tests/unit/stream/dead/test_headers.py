import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.errors import BrokerError, InputError
from lcclassify.stream.dead.headers import (
    NAMES,
    PREFIX,
    n_replays,
    read_origin,
    refuse_too_large,
    to_outgoing,
    to_replay,
)
from lcclassify.stream.message import Letter, Message

MODEL = (("model", b"toy"), ("version", b"1.0"), ("digest", b"abc"), ("lcclassify", b"0.1.0"))
MARKS = st.sampled_from([PREFIX + name for name in NAMES])  # as an enemy may send
HEADERS = st.lists(st.tuples(st.text(max_size=5) | MARKS, st.none() | st.binary(max_size=5)))
MESSAGES = st.builds(
    Message,
    topic=st.from_regex(r"[a-z]{1,5}", fullmatch=True),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    value=st.none() | st.binary(max_size=9),
    key=st.none() | st.binary(max_size=9),
    timestamp=st.none() | st.integers(0, 2**62),
    headers=HEADERS.map(tuple),
)
STAGES = st.sampled_from(["decode", "batch", "score", "encode"])


@given(MESSAGES, STAGES, st.text(max_size=9))
def test_a_letter_tells_all_of_its_message(message, stage, reason):
    letter = to_outgoing(Letter(message, stage, reason), "dead", MODEL)
    assert (letter.channel, letter.topic) == ("dead", "dead")
    assert (letter.key, letter.value) == (message.key, message.value)
    origin = read_origin(letter.headers)
    assert origin.headers == message.headers
    assert origin.place == message.place
    assert origin.facts["stage"] == stage
    assert origin.facts["error"].encode() == reason.encode("utf-8", "backslashreplace")
    told = message.timestamp
    assert origin.facts["timestamp"] == ("" if told is None else str(told))
    assert [origin.facts[name].encode() for name, _ in MODEL] == [value for _, value in MODEL]


@given(MESSAGES)
def test_a_replayed_message_is_the_one_that_came_and_counts(message):
    mark = PREFIX + "replays"
    for n in range(n_replays(message.headers) + 1, n_replays(message.headers) + 4):
        letter = to_outgoing(Letter(message, "score", "bad"), "dead", MODEL)
        sent = to_replay(letter, None)
        assert (sent.topic, sent.key, sent.value) == (message.topic, message.key, message.value)
        others = [item for item in message.headers if item[0] != mark]
        assert sent.headers == (*others, (mark, str(n).encode()))
        assert to_replay(letter, "other").topic == "other"
        message = message._replace(headers=sent.headers)


@given(HEADERS.map(tuple))
def test_headers_that_are_no_letters_are_told(headers):
    names = [name for name, _ in headers[-len(NAMES) :]]
    if names != [PREFIX + name for name in NAMES]:
        with pytest.raises(InputError, match="^it has not the headers of a dead letter$"):
            read_origin(headers)


def test_facts_that_make_no_sense_are_told():
    headers = tuple((PREFIX + name, b"-1") for name in NAMES)
    with pytest.raises(InputError, match="^the headers of a dead letter make no sense$"):
        read_origin(headers)


def test_an_error_is_no_longer_than_needed():
    message = Message("in", 0, 1, b"")
    letter = to_outgoing(Letter(message, "score", "x" * 10**6), "dead", MODEL)
    assert len(read_origin(letter.headers).facts["error"]) == 2000


def test_a_letter_too_large_for_a_topic_is_refused_with_all_that_is_sent():
    message = Message("in", 0, 1, b"x" * 100, b"key")
    letter = to_outgoing(Letter(message, "score", "bad"), "dead", MODEL)
    size = 103 + sum(len(name) + len(value) for name, value in letter.headers)
    refuse_too_large(letter, message, size)
    with pytest.raises(BrokerError) as caught:
        refuse_too_large(letter, message, size - 1)
    assert str(caught.value) == (
        f"in [0] at offset 1 is a dead letter of {size} bytes, more than message.max.bytes; raise "
        "that (producer.message.max.bytes, and max.message.bytes of the topic), or name a folder "
        "by --dead-letters"
    )
