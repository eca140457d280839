from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.errors import SettingsError
from lcclassify.stream.topics import DailyTopics, OneTopic

README = DailyTopics("lc_classifier_%s", "%Y%m%d", 23)
RULE = "Kafka allows up to 249 letters, digits, dots, dashes and underscores"
MOMENTS = st.floats(0, 2**32).map(lambda s: datetime.fromtimestamp(s, UTC))


@pytest.mark.parametrize(
    ("now", "topic"),
    [
        ("2023-11-14T00:00:00Z", "lc_classifier_20231114"),
        ("2023-11-14T22:59:59.999999Z", "lc_classifier_20231114"),
        ("2023-11-14T23:00:00Z", "lc_classifier_20231115"),
        ("2023-11-15T00:00:00Z", "lc_classifier_20231115"),
        ("2023-12-31T23:00:00Z", "lc_classifier_20240101"),
        ("2024-02-28T23:30:00Z", "lc_classifier_20240229"),
        ("2023-11-14T19:59:59-03:00", "lc_classifier_20231114"),  # Santiago, an hour before
        ("2023-11-14T20:00:00-03:00", "lc_classifier_20231115"),
    ],
)
def test_tomorrow_begins_at_the_change_hour(now, topic):
    assert README.at(datetime.fromisoformat(now)) == topic


def test_the_change_hour_0_is_always_tomorrow():
    topics = DailyTopics("%s.x", "%d-%m-%Y", 0)
    assert topics.at(datetime(2023, 12, 31, tzinfo=UTC)) == "01-01-2024.x"


@given(st.lists(MOMENTS, min_size=2), st.integers(0, 23))
def test_topics_change_once_a_day_and_never_go_back(moments, hour):
    topics = DailyTopics("%s", "%Y%m%d", hour)
    moments.sort()
    names = [topics.at(moment) for moment in moments]
    assert names == sorted(names)
    days = {(moment + timedelta(hours=24 - hour)).date() for moment in moments}
    assert len(set(names)) == len(days)


@given(MOMENTS, st.integers(-12, 14))
def test_the_time_zone_of_the_clock_does_not_matter(moment, hours):
    assert README.at(moment.astimezone(timezone(timedelta(hours=hours)))) == README.at(moment)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("lc_classifier", "%Y%m%d", 23),
            "the format of daily topics, 'lc_classifier', must have %s once, for the date",
        ),
        (
            ("%s_%s", "%Y%m%d", 23),
            "the format of daily topics, '%s_%s', must have %s once, for the date",
        ),
        (
            ("a_%s", "%Y%m%d", 24),
            "the hour at which topics change is 0 to 23 (UTC), not 24",
        ),
        (
            ("a_%s", "%Y%m%d", -1),
            "the hour at which topics change is 0 to 23 (UTC), not -1",
        ),
        (
            ("a_%s", "%Y/%m/%d", 23),
            "'a_%s' and the dates '%Y/%m/%d' make topics like 'a_2023/01/01'; " + RULE,
        ),
        (
            ("lc_%s,other", "%Y", 23),
            "'lc_%s,other' and the dates '%Y' make topics like 'lc_2023,other'; " + RULE,
        ),
        (
            ("a" * 242 + "%s", "%Y%m%d", 23),
            f"'{'a' * 242}%s' and the dates '%Y%m%d' make topics like '{'a' * 242}20230101'; "
            + RULE,
        ),
        (("a_%s", "%Y%m", 23), "the dates '%Y%m' do not change every day; %Y%m%d does"),
        (("a_%s", "%Y-%W", 23), "the dates '%Y-%W' do not change every day; %Y%m%d does"),
    ],
)
def test_what_makes_no_daily_topics_is_refused(arguments, message):
    with pytest.raises(SettingsError) as error:
        DailyTopics(*arguments)
    assert str(error.value) == message


@pytest.mark.parametrize("dates", ["", "%", "%Q", "%Y%m%d\ud800", "%c"])
def test_dates_that_some_platform_cannot_write_are_refused(dates):
    with pytest.raises(SettingsError):
        DailyTopics("a_%s", dates, 23)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a,b", "^a", "a" * 250, "ä", "a\n"])
def test_a_topic_has_a_legal_name(name):
    with pytest.raises(SettingsError) as error:
        OneTopic(name)
    assert str(error.value) == f"{name!r} is no name for a topic; {RULE}"


def test_one_topic_is_the_same_at_any_time():
    topic = OneTopic("a" * 249)
    assert topic.at(datetime(2023, 11, 14, tzinfo=UTC)) == "a" * 249
