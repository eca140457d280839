"""Faults of a batch: a line for each kind, with the count and the first."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.grouped_log import MOST_KINDS, GroupedLog, words_of

LOG = logging.getLogger("lcclassify.stream")
NAMES = st.sampled_from(["rb", "W1-W2", "Amplitude_1", "Power_rate_1/2", "features.mwebv"])
VALUES = (
    st.text(max_size=8) | st.floats() | st.integers() | st.lists(st.text(max_size=3)) | st.none()
)
COUNTS = st.integers(0, 10**6)
KINDS = {  # what a kind's reasons have in common -> reasons
    "is not a number": st.builds("{} = {!r:.60} is not a number".format, NAMES, VALUES),
    "is below the range of float32": st.builds(
        "{} = {:g} is below the range of float32".format, NAMES, st.floats(-1e308, -1e39)
    ),
    "is above the range of float32": st.builds(
        "{} = {:g} is above the range of float32".format, NAMES, st.floats(1e39, 1e308)
    ),
    "is no id": st.builds(
        "{!r:.60} is no id".format, st.lists(VALUES) | st.text() | st.tuples(VALUES)
    ),
    "the object has no id": st.just("the object has no id"),
    "of features are not there": st.builds(
        "{} of {} features are not there: {}".format, COUNTS, COUNTS, NAMES
    ),
    "it is no JSON": st.builds("it is no JSON: Expecting value: char {}".format, COUNTS),
    "it is no JSON object": st.just("it is no JSON object"),
    "its first block holds records": st.builds(
        "its first block holds {} records: a message is one".format, COUNTS
    ),
    "the header of the message cannot be read": st.builds(
        "the header of the message cannot be read: it names {}".format, st.text(max_size=9)
    ),
    "bytes for out, more than message.max.bytes": st.builds(
        "{:,} bytes for out, more than message.max.bytes".format, COUNTS
    ),
    "mjd has values and flux": st.builds("mjd has {} values and flux {}".format, COUNTS, COUNTS),
}
FAULTS = st.sampled_from(sorted(KINDS)).flatmap(lambda kind: st.tuples(st.just(kind), KINDS[kind]))


@given(FAULTS)
def test_a_reason_without_its_particulars_is_its_kind(fault):
    kind, reason = fault
    assert words_of(reason) == kind


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.WARNING, LOG.name)
    return caplog


@given(st.lists(FAULTS, max_size=40))
def test_each_kind_has_a_line_with_its_count_and_the_first(faults):
    lines = []
    logger = logging.Logger("test", logging.WARNING)
    logger.addHandler(collecting := logging.Handler())
    collecting.emit = lambda record: lines.append(record.getMessage())
    log = GroupedLog(logger)
    first, count = {}, {}
    for number, (kind, reason) in enumerate(faults):
        log.add("cannot be read", f"in [0] at offset {number}", reason)
        if kind in first or len(first) < MOST_KINDS:
            first.setdefault(kind, (number, reason))
            count[kind] = count.get(kind, 0) + 1
    log.tell()
    kept = [
        f"{count[kind]} message{'s' if count[kind] > 1 else ''} cannot be read, "
        f"{'the first ' if count[kind] > 1 else ''}in [0] at offset {number}: {reason}"
        for kind, (number, reason) in first.items()
    ]
    assert lines[: len(kept)] == kept
    rest = len(faults) - sum(count.values())
    assert len(lines) == len(kept) + (rest > 0)
    if rest:
        assert lines[-1].startswith(f"{rest} more message")


def test_what_is_told_is_forgotten(told):
    log = GroupedLog(LOG, "letter")
    log.add("cannot be replayed", "a", "it is damaged")
    log.tell()
    log.tell()
    assert told.messages == ["1 letter cannot be replayed, a: it is damaged"]


def test_what_became_of_messages_keeps_kinds_apart(told):
    log = GroupedLog(LOG)
    log.add("cannot be read", "a", "it is odd")
    log.add("got no record", "b", "it is odd")
    log.tell()
    assert told.messages == [
        "1 message cannot be read, a: it is odd",
        "1 message got no record, b: it is odd",
    ]


def test_a_million_reasons_have_a_few_lines(told):
    log = GroupedLog(LOG)
    for number in range(1000):
        log.add("cannot be read", "a", f"it is {'x' * number}")
    log.tell()
    assert len(told.messages) == MOST_KINDS + 1
    assert told.messages[-1].startswith("990 more messages cannot be read, the first a: it is ")


def test_each_has_its_line_for_debugging(told):
    told.set_level(logging.DEBUG, LOG.name)
    log = GroupedLog(LOG)
    for place in "ab":
        log.add("cannot be read", place, "it is odd", level=logging.ERROR)
    log.tell()
    assert [(record.levelname, record.getMessage()) for record in told.records] == [
        ("DEBUG", "a cannot be read: it is odd"),
        ("DEBUG", "b cannot be read: it is odd"),
        ("ERROR", "2 messages cannot be read, the first a: it is odd"),
    ]
