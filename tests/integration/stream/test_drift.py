"""The WISE incident on a broker: colours that go missing in the middle of a topic."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from confluent_kafka.admin import AdminClient
from topics import committed, make_topics, produce_all, unique

from lcclassify.convert import write_forest
from lcclassify.ranges import of_matrix
from lcclassify.testing import TOY_CLASSES, TOY_FEATURES, make_forest

N_GOOD, N_BAD, WINDOW, BATCH = 2500, 1500, 1000, 200
CARD = {"name": "own", "version": "1", "licence": "MIT", "citation": "none"}


@pytest.fixture(scope="module")
def nights():
    """Features of objects, W1-W2 being the third: in a fifth missing, then in all. (N, 4)"""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N_GOOD + N_BAD, len(TOY_FEATURES)))
    values[rng.random(len(values)) < 0.2, 2] = np.nan
    values[N_GOOD:, 2] = np.nan
    return values


@pytest.fixture(scope="module")
def model(nights, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "own"
    forest = make_forest(TOY_FEATURES, TOY_CLASSES)
    return write_forest(path, forest, TOY_FEATURES, CARD, of_matrix(nights[:N_GOOD])).path


@pytest.fixture
def stream(kafka, nights, model):
    """Runs the command on a topic with these objects: its exit code, rows and log."""
    topic, group = unique("features"), unique("group")
    make_topics(AdminClient({"bootstrap.servers": kafka.bootstrap}), {topic: 1})
    names = TOY_FEATURES
    objects = [
        {n: None if np.isnan(v) else v for n, v in zip(names, row, strict=True)}
        for row in nights.tolist()
    ]
    values = [
        json.dumps({"oid": f"ZTF{n}", "features": features}).encode()
        for n, features in enumerate(objects)
    ]
    produce_all(kafka.bootstrap, topic, [(None, value) for value in values])
    variables = {
        "CONSUMER_SERVER": kafka.bootstrap,
        "CONSUMER_TOPICS": topic,
        "CONSUMER_GROUP_ID": group,
        "CONSUME_MESSAGES": str(BATCH),
        "MODEL_PATH": str(model),
    }
    command = [sys.executable, "-m", "lcclassify", "stream", "--input-format", "json"]
    command += ["--until-eos", "--to", "-", "--drift-window", str(WINDOW)]

    def run(policy):
        done = subprocess.run(
            [*command, "--on-drift", policy],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )
        offsets = [json.loads(line)["offset"] for line in done.stdout.splitlines()]
        log = [line.partition(" drift: ")[2] for line in done.stderr.splitlines()]
        told = [line for line in log if line]
        n_done = committed(kafka.bootstrap, group)[topic, 0]
        return done.returncode, offsets, told, done.stderr.splitlines()[-1], n_done

    return run


def test_a_warning_names_the_feature_within_one_window(stream):
    code, offsets, (known, *told), last, n_done = stream("warn")
    assert (code, offsets, n_done) == (0, [*range(N_GOOD + N_BAD)], N_GOOD + N_BAD)
    assert known == (
        "the card of own@1 knows the missing values of 4 of 4 features, the ranges of 4, no "
        "shares of classes"
    )
    # Two windows of 1,000; 500 good and 500 bad objects are the third.
    assert [line.partition(" is missing")[0] for line in told] == ["W1-W2"]
    assert told[0].endswith("in training (window 3, 1000 objects)")
    assert last.endswith("batches 20")


def test_it_stops_before_it_delivers_and_goes_on_when_told_to(stream):
    code, first, told, last, n_done = stream("stop")
    assert (code, n_done, len(told)) == (7, len(first), 1)
    assert first == [*range(len(first))]
    assert N_GOOD < len(first) < N_GOOD + WINDOW
    assert last.startswith("lcclassify: W1-W2 is missing in ")
    assert last.endswith(
        "stopped before the last 200 messages were delivered: --on-drift warn goes on with them"
    )
    code, rest, *_, n_done = stream("warn")
    assert (code, n_done) == (0, N_GOOD + N_BAD)
    assert first + rest == [*range(N_GOOD + N_BAD)]


def test_where_nobody_asks_nothing_is_told(stream):
    code, offsets, told, _, _ = stream("off")
    assert (code, len(offsets), told) == (0, N_GOOD + N_BAD, [])
