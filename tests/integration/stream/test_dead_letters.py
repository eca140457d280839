"""Dead letters as an operator meets them: the commands, a real broker, messages good and bad."""

import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fastavro
import pytest
from confluent_kafka import Producer
from mutations import mutated
from raw_headers import library, produce_raw
from topics import committed, make_topics, produce_all, read_all, unique

from lcclassify import __version__
from lcclassify.testing import TOY_FEATURES

FULL = dict.fromkeys(TOY_FEATURES, 0.5)
SCHEMA = {
    "type": "record",
    "name": "message",
    "fields": [
        {"name": "oid", "type": "string"},
        {"name": "candid", "type": {"type": "array", "items": "string"}},
        {"name": "features", "type": ["null", {"type": "map", "values": ["null", "double"]}]},
    ],
}
MOST_MB = 550  # a stream with a small forest, libraries included
MEASURED = """import resource, subprocess, sys
code = subprocess.call([sys.executable, *sys.argv[1:]], stderr=subprocess.STDOUT)
print("most memory:", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)
sys.exit(code)
"""  # a process counts what its parent held when it began: this one holds little


def json_message(oid, **features):
    return json.dumps({"oid": oid, "features": FULL | features}).encode()


def container(oid, features):
    buffer = io.BytesIO()
    record = {"oid": oid, "candid": ["1"], "features": features}
    fastavro.writer(buffer, fastavro.parse_schema(SCHEMA), [record])
    return buffer.getvalue()


@pytest.fixture(scope="module")
def toy(tmp_path_factory, make_model):
    return make_model(tmp_path_factory.mktemp("models") / "toy").path


@pytest.fixture
def names(kafka, admin):
    names = {name: unique(name) for name in ("features", "results", "dead", "group")}
    make_topics(admin, {names["features"]: 1, names["results"]: 1})
    return names


@pytest.fixture
def run(kafka, names, toy):
    """A command with the variables of a stream, and the topics of the test."""

    def run(*argv, code=0, **more):
        variables = {
            "CONSUMER_SERVER": kafka.bootstrap,
            "CONSUMER_TOPICS": names["features"],
            "CONSUMER_GROUP_ID": names["group"],
            "PRODUCER_SERVER": kafka.bootstrap,
            "PRODUCER_TOPIC_FORMAT": names["results"],
            "CONSUME_TIMEOUT": "1",
            **more,
        }
        if argv[0] == "stream":
            argv = (*argv, "--model", str(toy), "--until-eos")
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, "-m", "lcclassify", *map(str, argv)],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stdout
        said, _, used = done.stdout.rpartition("most memory: ")
        assert int(used) < MOST_MB
        return said

    return run


def last_error(said):
    return [line for line in said.splitlines() if line.startswith("lcclassify: ")][-1]


def counts(said):
    found = re.search(r"messages (\d+) .*answered (\d+), dead (\d+), skipped (\d+)", said)
    return tuple(map(int, found.groups()))


def test_a_letter_is_what_came_and_what_is_known_of_it(kafka, names, run):
    """It goes to no other place; an object that just has no features is no letter."""
    sent = [
        (b"a", json_message("a"), [("trace", b"1"), ("empty", None)]),
        (b"key", b"{no json", [("trace", b"2"), ("trace", b"3"), ("empty", None)]),
        (None, None, []),
        (None, json.dumps({"oid": "b", "features": None}).encode(), []),
        (None, json.dumps({"oid": "c", "features": {"else": 1}}).encode(), []),
        (None, json_message("d", rb="text"), []),
        (b"e", json_message("e"), []),
    ]
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for key, value, headers in sent:
        producer.produce(
            names["features"], value, key, headers=headers, timestamp=1_700_000_000_123
        )
    assert producer.flush(20) == 0
    said = run("stream", "--input-format", "json", "--dead-letters", names["dead"])
    assert counts(said) == (7, 2, 4, 1)
    assert [m.key() for m in read_all(kafka.bootstrap, [names["results"]])] == [b"a", b"e"]
    letters = read_all(kafka.bootstrap, [names["dead"]])
    found = {int(dict(m.headers())["lcclassify.offset"]): m for m in letters}
    assert sorted(found) == [1, 2, 4, 5]
    assert [(m.key(), m.value()) for _, m in sorted(found.items())] == [
        sent[n][:2] for n in sorted(found)
    ]
    first = found[1].headers()
    assert first[:3] == sent[1][2]
    facts = dict(first[3:])
    assert facts.pop("lcclassify.digest")
    assert facts == {
        "lcclassify.error": b"it is no JSON: Expecting property name enclosed in double quotes: "
        b"line 1 column 2 (char 1)",
        "lcclassify.stage": b"decode",
        "lcclassify.topic": names["features"].encode(),
        "lcclassify.partition": b"0",
        "lcclassify.offset": b"1",
        "lcclassify.timestamp": b"1700000000123",
        "lcclassify.model": b"toy",
        "lcclassify.version": b"1.0",
        "lcclassify.lcclassify": __version__.encode(),
        "lcclassify.replays": b"0",
    }
    reasons = [dict(found[n].headers())["lcclassify.error"].decode() for n in (2, 4, 5)]
    assert reasons[:2] == [
        "it has no value",
        "4 of 4 features are not there: " + ", ".join(sorted(TOY_FEATURES)),
    ]
    assert "rb" in reasons[2]


def test_letters_are_found_mended_and_replayed(kafka, names, run, tmp_path):
    """As the documentation tells it, with a folder and with a topic."""
    values = [json_message(f"o{n}") for n in range(20)] + [
        json.dumps({"oid": f"p{n}", "features": dict(list(FULL.items())[:3])}).encode()
        for n in range(2)
    ]
    produce_all(kafka.bootstrap, names["features"], [(None, value) for value in values])
    folder = tmp_path / "dead"
    stream = ("stream", "--input-format", "json", "--dead-letters")
    assert counts(run(*stream, f"{folder}/")) == (22, 20, 2, 0)
    about = json.loads(min(folder.glob("*.json")).read_text())
    assert about["offset"] == 20
    assert about["error"].startswith("1 of 4 features are not there: ")
    listed = run("replay", f"{folder}/", "--dry-run", COLUMNS="200")
    assert f"{names['features']} [0] at offset 21" in listed
    assert listed.endswith("\nletters to replay: 2\n")
    assert run("replay", f"{folder}/").endswith("done: replayed 2\n")
    assert len(list((folder / "replayed").glob("*.bin"))) == 2

    assert counts(run(*stream, names["dead"])) == (2, 0, 2, 0)
    listed = run("replay", names["dead"], "--dry-run", COLUMNS="200")
    assert re.search(r"at offset 22 +features-\w+ +1 +batch +1 of 4 features are not", listed)
    assert run("replay", names["dead"]).endswith("done: replayed 2\n")
    assert run("replay", names["dead"]).endswith("done: replayed 0\n")
    assert counts(run(*stream, names["dead"], "--min-coverage", "0.5")) == (2, 2, 0, 0)
    keys = Counter(m.key() for m in read_all(kafka.bootstrap, [names["results"]]))
    assert keys == {b"%s" % key.encode(): 1 for key in [f"o{n}" for n in range(20)] + ["p0", "p1"]}


def test_a_thousand_bad_messages_and_none_stops_it(kafka, names, run):
    good = [container(f"good{n}", FULL) for n in range(20)]
    bad = [value for _, value in mutated(good, 1000, seed=88)]
    bad = [value for value in bad if len(value) < 900_000]
    values = [*good, *bad, *good]
    produce_all(kafka.bootstrap, names["features"], [(None, value) for value in values])
    said = run("stream", "--dead-letters", names["dead"])
    n_messages, n_answered, n_dead, n_skipped = counts(said)
    assert n_messages == n_answered + n_dead + n_skipped == len(values)
    assert len(read_all(kafka.bootstrap, [names["dead"]])) == n_dead > 400
    results = read_all(kafka.bootstrap, [names["results"]])
    assert len(results) == n_answered
    assert min(Counter(m.key() for m in results)[f"good{n}".encode()] for n in range(20)) >= 2


def test_headers_that_no_client_can_read_stop_nothing(kafka, names, run):
    rdkafka = library()
    if rdkafka is None:
        pytest.skip("confluent-kafka comes without a librdkafka of its own here")
    topic = names["features"]
    produce_raw(rdkafka, kafka.bootstrap, topic, json_message("a"), b"\xff\xfe")
    produce_raw(rdkafka, kafka.bootstrap, topic, b"bad", b"\xff\xfe")
    said = run("stream", "--input-format", "json", "--dead-letters", names["dead"])
    assert f"2 messages lost all headers, the first {topic} [0] at offset 0: " in said
    assert counts(said) == (2, 1, 1, 0)


@pytest.mark.parametrize("with_letters", [True, False])
def test_too_many_letters_stop_it_and_nothing_counts(kafka, names, run, with_letters):
    values = [json_message("a") for _ in range(180)] + [b"bad"] * 30
    produce_all(kafka.bootstrap, names["features"], [(None, value) for value in values])
    told = ["--dead-letters", names["dead"]] * with_letters
    options = ["--input-format", "json", "--max-dead-letters", "0.1", *told]
    said = run("stream", *options, code=3)
    assert last_error(said) == (
        "lcclassify: 21 of the last 201 messages cannot be answered, more than --max-dead-letters "
        f"0.1 allows; {names['features']} [0] at offset 200: it is no JSON: Expecting value: line "
        "1 column 1 (char 0); nothing of this batch counts: put right what sends them, or allow "
        "more, and start again"
    )
    assert committed(kafka.bootstrap, names["group"]) == {}
    assert read_all(kafka.bootstrap, [names["results"]]) == []
    run("stream", *options, "--max-dead-letters", "0.2")
    assert len(read_all(kafka.bootstrap, [names["results"]])) == 180


def test_what_makes_no_sense_is_told(kafka, names, run, tmp_path):
    options = ("stream", "--dead-letters")
    said = run(*options, "dead", "--to", "-", code=2)
    assert last_error(said) == (
        "lcclassify: --dead-letters: 'dead' is a topic, and results do not go to Kafka: name a "
        "folder, which ends in /"
    )
    said = run(*options, names["features"], code=2)
    assert "which dead letters go to: they would come in again" in last_error(said)
    said = run(*options, "a/b", code=2)
    assert last_error(said).endswith("; the name of a folder ends in /")
    (tmp_path / "file").write_text("")
    said = run(*options, f"{tmp_path}/file/", code=5)
    assert last_error(said).startswith(f"lcclassify: cannot write {tmp_path}/file: ")
    said = run("replay", f"{tmp_path}/none/", "--group", "g", code=2)
    assert last_error(said) == (
        f"lcclassify: there is no folder '{tmp_path}/none/'. --group is for topics: a folder "
        "remembers what was replayed"
    )
    said = run("replay", "not there", CONSUMER_SERVER="", code=2)
    assert last_error(said).startswith("lcclassify: missing: --consumer-server (CONSUMER_SERVER). ")
    assert "'not there' is no topic name" in said
    said = run("replay", unique("missing"), code=9)
    assert "there is no such topic" in last_error(said)


def test_a_letter_that_no_topic_takes_ends_it_and_a_folder_takes_it(kafka, names, run, tmp_path):
    produce_all(
        kafka.bootstrap,
        names["features"],
        [(None, json_message("a")), (None, b"x" * 999_900)],
    )
    said = run("stream", "--input-format", "json", "--dead-letters", names["dead"], code=9)
    assert "is a dead letter of 1,000," in last_error(said)
    assert "name a folder by --dead-letters" in last_error(said)
    folder = tmp_path / "dead"
    run("stream", "--input-format", "json", "--dead-letters", f"{folder}/")
    [path] = folder.glob("*.bin")
    assert path.stat().st_size == 999_900
    assert Path(path).stem == f"{names['features']}-00000-0000000000000000001"


def test_letters_go_to_a_folder_beside_results_in_files(kafka, names, run, tmp_path):
    values = [json_message("a"), b"bad", json_message("b"), b"bad"]
    produce_all(kafka.bootstrap, names["features"], [(None, value) for value in values])
    places = ("--to", f"{tmp_path}/results/", "--dead-letters", f"{tmp_path}/dead/")
    said = run("stream", "--input-format", "json", "--file-format", "jsonl", *places)
    assert counts(said) == (4, 2, 2, 0)
    [file] = (tmp_path / "results").glob("*.jsonl")
    assert [json.loads(line)["offset"] for line in file.read_text().splitlines()] == [0, 2]
    names_of = sorted(path.stem[-1] for path in (tmp_path / "dead").glob("*.bin"))
    assert names_of == ["1", "3"]
