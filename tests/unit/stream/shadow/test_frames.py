import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.stream.message import Message
from lcclassify.stream.secret import Secret
from lcclassify.stream.settings import Client, Input, Model, Settings, Shadow
from lcclassify.stream.shadow.frames import (
    read_batch,
    read_settings,
    write_batch,
    write_settings,
)
from lcclassify.stream.shadow.keeper import shadow_settings
from lcclassify.stream.topics import DailyTopics, OneTopic
from lcclassify.task import Output

BYTES = st.none() | st.binary(max_size=20)
MESSAGES = st.builds(
    Message,
    topic=st.text("abc._-é", max_size=9),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    value=BYTES,
    key=BYTES,
    timestamp=st.none() | st.integers(0, 2**63 - 1),
    headers=st.just(()),
)


@given(st.lists(st.lists(MESSAGES, max_size=4), max_size=3))
def test_batches_come_out_as_they_went_in(batches):
    stream = io.BytesIO()
    for batch in batches:
        write_batch(stream, batch)
    stream.seek(0)
    assert [read_batch(stream) for _ in batches] == batches
    with pytest.raises(EOFError):
        read_batch(stream)


@given(st.lists(MESSAGES, min_size=1, max_size=3), st.data())
def test_a_batch_that_was_cut_off_is_none(batch, data):
    stream = io.BytesIO()
    write_batch(stream, batch)
    size = data.draw(st.integers(0, stream.tell() - 1))
    with pytest.raises(EOFError):
        read_batch(io.BytesIO(stream.getvalue()[:size]))


def settings(topics):
    client = Client("here:9092", {"sasl.username": "me", "sasl.password": Secret("hidden")})
    return Settings(
        input=Input(
            client, "group", ("a", "^b"), form="confluent", registry_password=Secret("too")
        ),
        model=Model("first", "toretto", {"HeaderNorm1QT": "q/"}, device="cuda", min_detections=2),
        output=Output("alerce", classifier_name="lc_classifier", classifier_version="1"),
        results=client,
        topics=OneTopic("results"),
        encoding="schemaless",
        transactional_id="mine",
        shadow=Shadow("second", topics),
    )


@pytest.mark.parametrize("topics", [OneTopic("s"), DailyTopics("s_%s", "%Y%m%d", 23)])
def test_settings_come_out_as_they_went_in(topics):
    told = settings(topics)
    child = shadow_settings(told, told.shadow)
    stream = io.BytesIO()
    write_settings(stream, child)
    stream.seek(0)
    read = read_settings(stream)
    assert read == child
    assert read.results.config()["sasl.password"] == "hidden"
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert read.topics.at(now) == topics.at(now)


def test_the_shadow_speaks_for_itself_and_not_to_the_input():
    told = settings(OneTopic("s"))
    child = shadow_settings(told, told.shadow)
    assert child.model == Model("second", device="cpu", min_detections=2)
    assert (child.input.client, child.input.form) == (Client(""), "confluent")
    assert child.output == Output("alerce")
    assert (child.scribe, child.metrics, child.transactional_id) == (None, None, None)
    assert child.model.light_curves == LightCurveOptions()


def test_what_has_no_kind_is_refused():
    told = settings(OneTopic("s"))
    with pytest.raises(TypeError) as error:
        write_settings(io.BytesIO(), told)
    assert str(error.value) == "settings of a shadow cannot hold a Shadow"
