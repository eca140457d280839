"""What a step logs of a batch with many faults, and what it asks of an object."""

import json
import logging
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.errors import InputError
from lcclassify.stream.fitting import fitting
from lcclassify.stream.message import Message
from lcclassify.stream.settings import DeadLetters
from lcclassify.stream.step import open_step
from lcclassify.task import Output
from lcclassify.testing import TOY_FEATURES

LOGGER = "lcclassify.stream"
FULL = dict.fromkeys(TOY_FEATURES, 0.5)
NULL = dict.fromkeys(TOY_FEATURES)


def record(oid="a", features=FULL):
    return json.dumps({"oid": oid, "features": features}).encode()


NAMES = st.sampled_from(TOY_FEATURES)
FAULTS = {  # kind -> messages of it
    "cannot be read: it is no JSON": st.text("{[,", min_size=1, max_size=4).map(str.encode),
    "cannot be read: it is no JSON object": st.integers(0, 9).map(lambda n: b"%d" % n),
    "cannot be read: it has no value": st.none(),
    "got no record: the object has no id": st.sampled_from([record(""), record(None)]),
    "got no record: is not a number": st.builds(
        lambda name, text: record(features=FULL | {name: f"x{text}"}),
        NAMES,
        st.text("' 1", max_size=3),
    ),
    "got no record: of features are not there": st.lists(NAMES, min_size=1, unique=True).map(
        lambda names: record(features={n: v for n, v in FULL.items() if n not in names})
    ),
    "got no record: is below the range of float32": st.builds(
        lambda name, power: record(features=FULL | {name: -(10.0**power)}),
        NAMES,
        st.integers(39, 300),
    ),
}
MIXED = st.lists(
    st.none() | st.sampled_from(sorted(FAULTS)).flatmap(lambda k: st.tuples(st.just(k), FAULTS[k])),
    max_size=25,
)


@pytest.fixture(scope="module")
def settings_of(toy, make_settings):
    return make_settings(toy, "alerce-map", form="json", dead_letters=DeadLetters("dead"))


@pytest.fixture(scope="module")
def step(settings_of):
    return open_step(settings_of)


class Lines(logging.Handler):
    """What is logged from warnings on."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.found = []

    def emit(self, record):
        self.found.append(record.getMessage())


@given(MIXED)
@settings(max_examples=60, deadline=None)
def test_each_kind_of_fault_has_one_line_and_each_message_its_letter(step, mixed):
    values = [record() if each is None else each[1] for each in mixed]
    logger, lines = logging.getLogger(LOGGER), Lines()
    logger.addHandler(lines)
    try:
        work = step([Message("in", 3, n, value) for n, value in enumerate(values)])
    finally:
        logger.removeHandler(lines)
    kinds = [each and each[0] for each in mixed]
    counts = Counter(kind for kind in kinds if kind)
    assert len(lines.found) == len(counts)
    reasons = {letter.message.offset: letter.reason for letter in work.letters}
    assert sorted(reasons) == [n for n, kind in enumerate(kinds) if kind]
    for kind, count in counts.items():
        first, what = kinds.index(kind), kind.partition(":")[0]
        many = f"1 message {what}, in" if count == 1 else f"{count} messages {what}, the first in"
        assert f"{many} [3] at offset {first}: {reasons[first]}" in lines.found


def test_a_thousand_bad_messages_have_one_line(step, caplog):
    step([Message("in", 0, n, b"{%d" % n) for n in range(1000)])
    [line] = caplog.messages
    assert line.startswith("1,000 messages cannot be read, the first in [0] at offset 0: it is no ")


def flat(settings_of, **of_model):
    told = replace(settings_of, to="-", output=Output(), scribe=None, dead_letters=DeadLetters())
    return replace(told, model=replace(told.model, **of_model))


VALUES = [record("full"), record("nulls", NULL), record("one", NULL | {"rb": 0.5})]
MESSAGES = [Message("in", 0, n, value) for n, value in enumerate(VALUES)]
OK, MISSING = "ok", "missing_features"


@pytest.mark.parametrize(
    ("of_model", "expected"),
    [
        ({}, [OK, MISSING, OK]),
        ({"reference_nulls": True}, [OK, OK, OK]),
        ({"min_object_coverage": 0.5}, [OK, MISSING, MISSING]),
        ({"min_object_coverage": 0.5, "reference_nulls": True}, [OK, MISSING, MISSING]),
    ],
)
def test_flat_rows_say_how_much_was_there(settings_of, of_model, expected):
    table = open_step(flat(settings_of, **of_model))(MESSAGES).table
    assert table["status"].to_pylist() == expected
    assert table["features_found"].to_pylist() == [4, 0, 1]
    assert table["features_needed"].to_pylist() == [4, 4, 4]


def test_what_cannot_be_read_has_nothing(settings_of):
    table = open_step(flat(settings_of))([Message("in", 0, 0, b"{")]).table
    assert (table["status"].to_pylist(), table["features_found"].to_pylist()) == (
        ["invalid_record"],
        [0],
    )


@pytest.mark.parametrize(
    ("of_model", "keys"),
    [
        ({}, ["full", "nulls", "one"]),
        ({"reference_nulls": False}, ["full", "one"]),
        ({"min_object_coverage": 1}, ["full"]),
    ],
)
def test_a_published_schema_answers_nulls_as_the_reference(settings_of, of_model, keys):
    told = replace(settings_of, model=replace(settings_of.model, **of_model))
    work = open_step(told)(MESSAGES)
    assert [m.key.decode() for m in work.outgoing if m.channel == "results"] == keys
    assert [m.key.decode() for m in work.outgoing if m.channel == "scribe"] == keys
    assert work.n_skipped == 3 - len(keys)


def test_values_that_are_null_are_nobodys_fault(settings_of, caplog):
    """They make no dead letter, and no stream that reads the wrong topic."""
    told = replace(settings_of, model=replace(settings_of.model, reference_nulls=False))
    nulls = [Message("in", 0, n, record("a", NULL)) for n in range(20)]
    work = fitting(open_step(told))(nulls)
    assert (work.letters, work.misfits, caplog.messages) == ([], [], [])
    assert work.statuses == {MISSING: 20}
    lacking = [Message("in", 0, n, record("a", {"else": 1.0})) for n in range(20)]
    with pytest.raises(InputError, match="none of the first 20 messages can be answered"):
        fitting(open_step(told))(lacking)
