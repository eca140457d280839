"""Daily topics against the reference's strategy, call by call; every difference has its name."""

import json
from collections import Counter
from datetime import UTC, datetime

import pytest

from lcclassify.errors import SettingsError
from lcclassify.stream.topics import DailyTopics

# What the reference did otherwise, and why we do not.
COPIES = "several topics were given, and each message went to all of them; one of them is ours"
LATE = "only topics of earlier days: nobody had asked between the change hour and midnight"
LOST = "no topic of this format: with several formats, the other one's took its place"
AHEAD = "the topic of a later day, kept after the clock had been set back"

DIFFERENCES = {
    "plain_day": {},
    "change_hour_retention_1": {COPIES: 2},
    "constructed_after_change_hour": {COPIES: 1},
    "missed_change_window": {LATE: 6, COPIES: 1},
    "retention_8_daily_change": {COPIES: 23},
    "retention_8_noon_only": {LATE: 6},
    "retention_2": {COPIES: 18},
    "retention_0": {COPIES: 4},
    "two_formats_retention_1": {COPIES: 3, LOST: 1},
    "two_formats_retention_2": {COPIES: 12},
    "change_hour_0": {COPIES: 3},
    "year_end": {COPIES: 1},
    "leap_day": {COPIES: 2},
    "format_dmy": {COPIES: 1},
    "clock_goes_back": {COPIES: 3, AHEAD: 1},
    "age_counts_from_time_of_day": {COPIES: 2},
    "random_0": {COPIES: 5, LATE: 2},
    "random_1": {COPIES: 6, LATE: 6},
    "random_2": {LATE: 15, LOST: 15},
    "random_3": {COPIES: 8, LATE: 5},
    "random_4": {COPIES: 7},
    "random_5": {LATE: 24},
}
REFUSED = "change_hour_24"  # an hour that never comes: the topic never changed


@pytest.fixture(scope="module")
def cases(golden):
    text = (golden / "expected_step" / "daily_topics.json").read_text()
    return {case["id"]: case for case in json.loads(text)}


def test_all_cases_are_looked_at(cases):
    assert set(cases) == {*DIFFERENCES, REFUSED}


def test_an_hour_that_never_comes_is_refused(cases):
    case = cases[REFUSED]
    with pytest.raises(SettingsError):
        DailyTopics(case["topic_format"], case["date_format"], case["change_hour"])


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_topic_is_the_reference_s_or_the_difference_has_a_name(cases, name):
    case = cases[name]
    formats = case["topic_format"]
    found = Counter()
    for text in [formats] if isinstance(formats, str) else formats:
        topics = DailyTopics(text, case["date_format"], case["change_hour"])
        seen = set()
        for call in case["calls"]:
            given = [topic for topic in call["topics"] if topic.startswith(text[:-2])]
            ours = topics.at(datetime.fromisoformat(call["now"]).replace(tzinfo=UTC))
            if given != [ours]:
                found[kind(ours, given, seen)] += 1
            seen.update(given)
    assert found == DIFFERENCES[name]


def kind(ours, given, seen):
    if ours in given:
        return COPIES
    if not given:
        return LOST
    if max(given) > ours:
        return AHEAD
    assert ours not in seen
    return LATE
