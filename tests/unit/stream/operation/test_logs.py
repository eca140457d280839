import io
import json
import logging
import re

from hypothesis import given
from hypothesis import strategies as st

from lcclassify.stream.operation.logs import JsonForm, TextForm, log_into, log_to_stderr
from lcclassify.stream.settings import Operation


def written(told, fields, *calls):
    """What stderr gets."""
    log_to_stderr(told, fields)
    stream = io.StringIO()
    log_into(stream)
    for call in calls:
        call(logging.getLogger("lcclassify.stream"))
    return stream.getvalue()


def test_a_json_line_has_time_level_logger_message_and_who_answers():
    fields = {"group": "g"}
    line = written(
        Operation(log_form="json"), fields, lambda log: log.warning("%s: %d bad", "in [0]", 3)
    )
    told = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told.pop("time"))
    assert told == {
        "level": "warning",
        "logger": "lcclassify.stream",
        "message": "in [0]: 3 bad",
        "group": "g",
    }


def test_fields_are_those_of_the_moment():
    fields = {"group": "g"}

    def load(log):
        fields["model"] = "toy"

    said = lambda log: log.info("said")  # noqa: E731
    lines = written(Operation(log_form="json"), fields, said, load, said).splitlines()
    assert ["model" in json.loads(line) for line in lines] == [False, True]


def test_an_exception_is_one_line_too():
    def fail(log):
        try:
            raise ValueError("no\nsuch")
        except ValueError:
            log.exception("it failed")

    [line] = written(Operation(log_form="json"), {}, fail).splitlines()
    told = json.loads(line)
    assert told["message"] == "it failed"
    assert told["exception"].startswith("Traceback (most recent call last):\n")
    assert told["exception"].endswith("ValueError: no\nsuch\n")


def test_text_has_the_traceback_after_the_line():
    def fail(log):
        try:
            raise ValueError("no")
        except ValueError:
            log.exception("it failed")

    lines = written(Operation(), {}, fail).splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ERROR it failed", lines[0])
    assert lines[-1] == "ValueError: no"


@given(st.text())
def test_whatever_a_message_says_it_stays_one_line_and_steers_no_terminal(text):
    record = logging.LogRecord("lcclassify.stream", logging.INFO, "", 0, "%s", (text,), None)
    line = TextForm().format(record)
    assert len(line.splitlines()) == 1
    assert not set(line) & set(map(chr, (*range(32), *range(127, 160))))
    line = JsonForm({}).format(record)
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == text


def test_info_is_for_debug_alone_where_librdkafka_talks():
    def talk(log):
        logging.getLogger("lcclassify.kafka").info("connected")
        log.debug("a detail")

    assert written(Operation(), {}, talk) == ""
    assert len(written(Operation(debug=True), {}, talk).splitlines()) == 2
