from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.errors import SettingsError
from lcclassify.stream.brokers.start import parse_start, reset_policy


@pytest.mark.parametrize("word", ["earliest", "latest", "committed"])
def test_words_stand_for_themselves(word):
    assert parse_start(word) == word


def test_digits_are_an_offset():
    assert parse_start("0012") == 12


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00-03:00", datetime(2026, 1, 31, 15, tzinfo=UTC)),
        ("2026-01-31 12:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text, moment):
    parsed = parse_start(text)
    assert parsed == moment
    assert parsed.utcoffset() in (timedelta(0), timedelta(hours=-3))


@given(st.text(min_size=4).filter(lambda text: not text[:4].isdigit()))
def test_anything_else_is_refused(text):
    with pytest.raises(SettingsError) as caught:
        parse_start(text)
    assert str(caught.value) == (
        f"--from {text!r} is none of earliest, latest, committed, an offset, or a time such as"
        " 2026-01-31T12:00:00Z"
    )


def test_topics_without_an_offset_are_read_whole_unless_the_latest_is_wanted():
    words = ("latest", "earliest", "committed", "7", "2026-01-31")
    assert [reset_policy(word) for word in words] == ["latest"] + ["earliest"] * 4
