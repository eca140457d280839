from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lcclassify.stream.brokers.check import Cluster, exactly_once_possible, uses
from lcclassify.stream.brokers.probe import Use
from lcclassify.stream.settings import Client, Input, Model, Settings, Side
from lcclassify.stream.topics import DailyTopics
from lcclassify.task import Output

CLIENT = Client("h:1")
SETTINGS = Settings(
    Input(CLIENT, "g", ("features", "^lc_.*")),
    Model("toy"),
    Output("alerce"),
    results=CLIENT,
    topics=DailyTopics("out_%s", "%Y%m%d", 23),
    scribe=Side(CLIENT, "commands"),
)
HERE = Cluster("id", "SASL_SSL", "alice")
CLUSTERS = {"input": HERE, "results": HERE, "scribe": HERE}


def test_uses_are_the_topics_that_have_names_now():
    assert uses(SETTINGS, datetime(2026, 1, 31, 23, tzinfo=UTC)) == [
        Use("input", CLIENT, reads=("features",), group="g"),
        Use("results", CLIENT, writes=("out_20260201",)),
        Use("scribe", CLIENT, writes=("commands",)),
    ]


def test_one_cluster_and_one_user_make_exactly_once_possible():
    assert exactly_once_possible(SETTINGS, CLUSTERS) is None


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"id": "id2"}, "scribe and input are on different clusters"),
        ({"id": None}, "the cluster of scribe does not tell its id"),
        ({"user": "bob"}, "scribe and input connect with different protocols or users"),
        ({"protocol": "SSL"}, "scribe and input connect with different protocols or users"),
        ({"no_transactions": "denied"}, "denied"),
    ],
)
def test_another_cluster_or_user_makes_it_impossible(other, why):
    clusters = CLUSTERS | {"scribe": replace(HERE, **other)}
    assert exactly_once_possible(SETTINGS, clusters) == why


def test_files_make_it_impossible():
    settings = replace(SETTINGS, to="results/", results=None, topics=None)
    assert exactly_once_possible(settings, CLUSTERS) == "results do not go to Kafka"
