"""A stream whose results go to a TOM by HTTP."""

import io
import json
import os
import random
import signal
import time

import fastavro
import pytest
from scene import until
from stage import Stage, wait_for
from tom_server import Tom
from topics import produce_all

from lcclassify.convert import write_forest
from lcclassify.schemas.avro import read_avsc
from lcclassify.testing import TOY_FEATURES, make_forest

CLASSES = {"Transient": ("Ia", "II"), "Periodic": ("Cepheid", "RR Lyrae", "EB")}
USERS = {"alerce": "a secret & more"}
ENVIRONMENT = {**os.environ, "TOM_USERNAME": "alerce", "TOM_PASSWORD": USERS["alerce"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    card = {"name": "toy", "version": "1.0", "licence": "MIT", "citation": "none"}
    forest = make_forest(TOY_FEATURES, CLASSES)
    return write_forest(tmp_path_factory.mktemp("models") / "toy", forest, TOY_FEATURES, card).path


@pytest.fixture
def stage(kafka, model):
    return Stage(kafka.bootstrap, model, schema="elasticc-v0_9_1")


@pytest.fixture
def tom():
    with Tom(USERS) as server:
        yield server


def plain_schema():
    """The record's, with times as the numbers that they are."""
    schema = read_avsc("elasticc-v0_9_1")
    for field in schema["fields"]:
        if "Timestamp" in field["name"]:
            field["type"] = ["null", "long"] if isinstance(field["type"], list) else "long"
    return fastavro.parse_schema(schema)


def test_a_tom_gets_what_a_topic_gets(stage, tom):
    stage.send(150)
    commands = ("--scribe-topic", stage.of("commands"), "--scribe-server", stage.bootstrap)
    said = stage.run("--to", tom.url, *commands, out="tom", env=ENVIRONMENT)
    stage.run(out="out")
    schema = plain_schema()
    sent = [fastavro.schemaless_reader(io.BytesIO(v), schema) for _, v, _ in stage.sent("out")]
    assert sorted(tom.records, key=id_of) == sorted(sent, key=id_of)
    assert tom.records[3]["elasticcPublishTimestamp"] == 1_700_000_000_003
    assert tom.records[3]["brokerIngestTimestamp"] is None
    assert len(tom.records) == 150
    assert len(stage.sent("commands")) == sum(number % 7 > 0 for number in range(150))
    assert stage.n_handled("tom") == 150
    assert "delivery at least once: results do not go to Kafka" in said
    assert USERS["alerce"] not in said


def id_of(record):
    return record["alertId"]


def test_what_goes_wrong_at_the_tom_costs_nothing(stage, tom):
    tom.faults.extend([503, None, "reset", "expire", None, 500, 429])
    tom.bad = {77: 400}
    stage.send(150)
    said = stage.run("--to", tom.url, env=ENVIRONMENT)
    assert sorted(set(tom.ids)) == [number for number in range(150) if number != 77]
    assert "alertId 77, diaSourceId 1077: it answers 400 Bad Request (bad message 77)" in said
    assert stage.n_handled() == 150
    assert ", answered 149, dead 0, skipped 1, batches " in said


def test_what_it_refuses_is_no_letter_and_counts_as_skipped(stage, tom, tmp_path):
    tom.bad = {77: 400, 78: 422}
    stage.send(100)
    bad = [(None, b"{"), (None, json.dumps({"oid": "b", "features": "none"}).encode())]
    produce_all(stage.bootstrap, stage.topic, bad)
    letters = tmp_path / "dead"
    said = stage.run("--to", tom.url, "--dead-letters", f"{letters}/", env=ENVIRONMENT)
    assert ", answered 98, dead 2, skipped 2, batches " in said
    assert sorted(tom.ids) == [number for number in range(100) if number not in tom.bad]
    assert sorted(path.stem[-3:] for path in letters.glob("*.json")) == ["100", "101"]


def test_killed_three_times_nothing_is_lost(stage, tom):
    """Where records are under way, where they were taken unanswered, and at any moment."""
    rng = random.Random(1)
    quick = ["--property", "consumer.session.timeout.ms=1500"]
    quick += ["--property", "consumer.heartbeat.interval.ms=300"]
    for fault, moment_s in (("unheard", 0), ("unanswered", 0), ("unheard", rng.uniform(0.05, 0.3))):
        stage.send(300)  # 15 lists at least: no run comes to its end before it is held
        tom.faults.extend([None] * rng.randint(1, 10) + [fault])
        n_lists = len(tom.lists)
        with stage.start("--to", tom.url, *quick, env=ENVIRONMENT) as process:
            wait_for(process, "assigned")
            if moment_s:
                until(lambda n=n_lists: len(tom.lists) > n, lambda: "no list was taken", 60)
                time.sleep(moment_s)
            else:
                assert tom.held.acquire(timeout=60)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert n_lists < len(tom.lists)
        assert stage.n_handled() < stage.n_sent
    tom.faults.clear()
    stage.run("--to", tom.url, *quick, env=ENVIRONMENT)
    assert len(tom.ids) > 900
    assert sorted(set(tom.ids)) == list(range(900))
    assert stage.n_handled() == 900


def test_a_tom_that_lets_nobody_in_is_told_before_the_first_message(stage, tom):
    stage.send(10)
    said = stage.run("--to", tom.url, code=5, env=ENVIRONMENT | {"TOM_PASSWORD": "not this"})
    assert said.splitlines()[-1] == (
        f"lcclassify: cannot write to {tom.url}: user 'alerce' or the password is wrong"
    )
    assert "not this" not in said
    assert (stage.n_handled(), tom.records) == (0, [])
