"""The command as an operator runs it: the README's variables, a real broker, real messages."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import fastavro
import pyarrow.parquet as pq
import pytest
from confluent_kafka.admin import AdminClient
from topics import committed, make_topics, produce_all, read_all, unique

from lcclassify.convert import convert

COMMAND = [sys.executable, "-m", "lcclassify", "stream"]
HEADERS = ["model", "version", "digest", "lcclassify"]


@pytest.fixture(scope="module")
def ztf(golden, tmp_path_factory):
    """ALeRCE's forests as ``convert-model`` makes a bundle of them."""
    return convert(golden / "ztf_hrf_1.1", tmp_path_factory.mktemp("models") / "ztf")


@pytest.fixture(scope="module")
def messages(golden):
    """What the feature step sent: a container each."""
    return [path.read_bytes() for path in sorted((golden / "messages_ztf").iterdir())]


@pytest.fixture
def names(kafka):
    """Topics of the test's own; the input's exists."""
    run = unique("")
    names = {name: f"{name}{run}" for name in ("features", "lc", "w_object", "metrics", "group")}
    make_topics(AdminClient({"bootstrap.servers": kafka.bootstrap}), {names["features"]: 1})
    return names


def readme(server, names, **more):
    """The variables of the README's tables."""
    return {
        "CONSUMER_CLASS": "apf.consumers.KafkaConsumer",
        "CONSUMER_TOPICS": names["features"],
        "CONSUMER_SERVER": server,
        "CONSUMER_GROUP_ID": names["group"],
        "CONSUME_TIMEOUT": "0",
        "CONSUME_MESSAGES": "1000",
        "ENABLE_PARTITION_EOF": "True",
        "PRODUCER_TOPIC_FORMAT": names["lc"] + "_%s",
        "PRODUCER_DATE_FORMAT": "'%Y%m%d'",
        "PRODUCER_CHANGE_HOUR": "23",
        "PRODUCER_RETENTION_DAYS": "1",
        "PRODUCER_SERVER": server,
        "STREAM": "ztf",
        "SCRIBE_SERVER": server,
        "SCRIBE_TOPIC": names["w_object"],
        "METRICS_HOST": server,
        "METRICS_TOPIC": names["metrics"],
        **more,
    }


def run(variables, *options, code=0, timeout=60):
    done = subprocess.run(
        [*COMMAND, *options],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == code, done.stderr
    return done


def today(names):
    """Topics that results can have gone to while the test ran."""
    days = [datetime.now(UTC) + timedelta(hours=hours) for hours in (0, 1)]
    return list(dict.fromkeys(f"{names['lc']}_{day:%Y%m%d}" for day in days))


def there(kafka, topics):
    known = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=10).topics
    return [topic for topic in topics if topic in known]


def decoded(messages):
    return [next(fastavro.reader(io.BytesIO(message.value()))) for message in messages]


def test_the_readmes_variables_are_enough(kafka, names, ztf, messages, golden):
    """Results, commands and metrics of the reference's own messages, as it sends them."""
    produce_all(kafka.bootstrap, names["features"], [(None, value) for value in messages])
    about = {"CLASSIFIER_VERSION": "lc_classifier_1.1.13"}
    done = run(
        readme(kafka.bootstrap, names, MODEL_PATH=str(ztf.path), **about),
        "--classifier-version",
        "lc_classifier_1.1.13",
    )
    assert "delivery exactly once" in done.stderr
    results = read_all(kafka.bootstrap, there(kafka, today(names)))
    records = decoded(results)
    step = golden / "expected_step" / "ztf_batch"
    expected = [json.loads(line) for line in (step / "records.jsonl").read_text().splitlines()]
    assert {record["oid"] for record in records} == {record["oid"] for record in expected}
    assert [message.key().decode() for message in results] == [r["oid"] for r in records]
    assert all([name for name, _ in message.headers()] == HEADERS for message in results)
    commands = decoded(read_all(kafka.bootstrap, [names["w_object"]]))
    lines = (step / "scribe.jsonl").read_text().splitlines()
    assert set(lines) <= {command["payload"] for command in commands}
    metrics = [json.loads(m.value()) for m in read_all(kafka.bootstrap, [names["metrics"]])]
    assert sum(one["n_messages"] for one in metrics) == len(messages)
    assert committed(kafka.bootstrap, names["group"]) == {(names["features"], 0): len(messages)}


def test_all_four_connections_by_password_and_tls(
    secure_kafka, names, ztf, messages, certificates, allow, tmp_path
):
    """A user and a password mean SASL_SSL with SCRAM-SHA-512; one transaction covers all four."""
    server = secure_kafka.address("SASL_SSL")
    produce_all(secure_kafka.bootstrap, names["features"], [(None, m) for m in messages[:5]])
    allow(
        ("TOPIC", names["features"], "READ"),
        ("GROUP", names["group"], "READ"),
        *(("TOPIC", t, right) for t in today(names) for right in ("WRITE", "CREATE", "READ")),
        *(("TOPIC", names[t], r) for t in ("w_object", "metrics") for r in ("WRITE", "CREATE")),
        ("TRANSACTIONAL_ID", f"{names['group']}-one", "WRITE"),
    )
    (tmp_path / "ca.properties").write_text(f"ssl.ca.location={certificates.ca}\n")
    users = {
        f"{role}_KAFKA_{what}": value
        for role in ("CONSUMER", "PRODUCER", "SCRIBE", "METRICS")
        for what, value in (("USERNAME", "alice"), ("PASSWORD", "alice's secret"))
    }
    variables = readme(server, names, MODEL_PATH=str(ztf.path), **users)
    variables["KAFKA_PROPERTIES_FILE"] = str(tmp_path / "ca.properties")
    done = run(variables, "--transactional-id", f"{names['group']}-one")
    assert "delivery exactly once" in done.stderr
    assert "alice's secret" not in done.stderr + done.stdout
    assert len(read_all(secure_kafka.bootstrap, there(secure_kafka, today(names)))) == 5

    wrong = variables | {"PRODUCER_KAFKA_PASSWORD": "another"}
    done = run(wrong, code=9)
    assert done.stderr.strip().splitlines()[-1].startswith("lcclassify: results (127.0.0.1:")
    assert "another" not in done.stderr
    other = {"CONSUMER_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
    other["CONSUMER_SERVER"] = secure_kafka.address("SASL_PLAINTEXT")
    done = run(variables | other, "--delivery", "exactly-once", code=2)
    assert "exactly-once is not possible: results and input connect with" in done.stderr


def test_everything_that_is_wrong_at_the_start_is_told_at_once(kafka, names):
    variables = readme(kafka.bootstrap, names, MODEL_PATH="/nowhere/model.tar.gz")
    variables["CONSUMER_TOPICS"] = "not-there"
    done = run(variables, code=4)
    [line] = [line for line in done.stderr.splitlines() if line.startswith("lcclassify: ")]
    assert "/nowhere/model.tar.gz" in line
    assert "input topic 'not-there'" in line


def test_to_a_folder_and_to_standard_output(kafka, names, ztf, messages, tmp_path):
    produce_all(kafka.bootstrap, names["features"], [(None, value) for value in messages])
    variables = readme(kafka.bootstrap, names, MODEL_PATH=str(ztf.path))
    for name in ("SCRIBE_TOPIC", "METRICS_TOPIC", "PRODUCER_SERVER", "PRODUCER_TOPIC_FORMAT"):
        del variables[name]
    folder = tmp_path / "results"
    for _ in range(2):  # what is there is not made again
        run(variables | {"CONSUME_MESSAGES": "20"}, "--to", f"{folder}/")
    table = pq.read_table(folder)
    assert table["offset"].to_pylist() == list(range(len(messages)))
    assert len(list(folder.glob("*.parquet"))) == 3
    (names["group"],) = (unique("group"),)
    variables["CONSUMER_GROUP_ID"] = names["group"]
    lines = run(variables, "--to", "-").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["oid"] for row in rows] == table["oid"].to_pylist()
    assert [row["probability"] for row in rows] == table["probability"].to_pylist()


@pytest.fixture
def alone(kafka, names, ztf):
    """Variables that name an input and a model alone."""
    told = readme(kafka.bootstrap, names, MODEL_PATH=str(ztf.path))
    kept = ("CONSUMER_", "CONSUME_", "ENABLE_", "MODEL_")
    return {name: value for name, value in told.items() if name.startswith(kept)}


def test_the_end_of_no_topic_at_all_comes_at_once(alone):
    pattern = f"^{unique('nothing')}"
    done = run(alone | {"CONSUMER_TOPICS": pattern}, "--to", "-")
    assert done.stderr.endswith(f"done: there is no topic that matches {pattern}\n")


def test_an_expression_that_librdkafka_refuses_is_told(alone):
    told = {"CONSUMER_TOPICS": "^(?!x)y", "ENABLE_PARTITION_EOF": "False"}
    last = run(alone | told, "--to", "-", code=2).stderr.splitlines()[-1]
    assert last.startswith("lcclassify: input (")
    assert "): cannot subscribe to ^(?!x)y: an expression" in last


def test_a_full_standard_output_is_told(kafka, names, alone, messages):
    produce_all(kafka.bootstrap, names["features"], [(None, value) for value in messages])
    command = f"{' '.join(COMMAND)} --to - > /dev/full"
    environment = {**os.environ, **alone}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True)
    assert done.returncode == 5
    assert done.stderr.endswith(
        "\nlcclassify: cannot write to standard output: No space left on device\n"
    )


def test_signals_end_it_in_peace(kafka, names, ztf, messages):
    produce_all(kafka.bootstrap, names["features"], [(None, value) for value in messages])
    variables = readme(kafka.bootstrap, names, MODEL_PATH=str(ztf.path))
    variables |= {"ENABLE_PARTITION_EOF": "False", "CONSUME_TIMEOUT": "30"}
    for number in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(
            COMMAND, env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True
        ) as process:
            for line in process.stderr:
                if "assigned:" in line:
                    break
            time.sleep(1.5)
            process.send_signal(number)
            log = process.stderr.read()
            assert process.wait(20) == 0, log
    assert committed(kafka.bootstrap, names["group"]) == {(names["features"], 0): len(messages)}


def kill_at_random(kafka, names, ztf, messages, n_kills, seed):
    """SIGKILL after a random time in which something was done; then to the end."""
    copies = [(None, value) for _ in range(40 * n_kills) for value in messages]
    produce_all(kafka.bootstrap, names["features"], copies)
    variables = readme(kafka.bootstrap, names, MODEL_PATH=str(ztf.path), CONSUME_MESSAGES="50")
    options = ["--transactional-id", names["group"]]
    quick = ["--property", "consumer.session.timeout.ms=1500"]
    quick += ["--property", "consumer.heartbeat.interval.ms=300"]
    rng = random.Random(seed)
    for _ in range(n_kills):
        command = [*COMMAND, *options, *quick]
        with subprocess.Popen(
            command, env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True
        ) as process:
            for line in process.stderr:
                if "assigned:" in line:
                    break
            time.sleep(rng.uniform(0.05, 0.5))
            process.kill()
    run(variables, *options, *quick, timeout=120)
    every = decoded(read_all(kafka.bootstrap, there(kafka, today(names))))
    commands = decoded(read_all(kafka.bootstrap, [names["w_object"]]))
    n_copies = len(copies) // len(messages)
    results = Counter(record["oid"] for record in every)
    sent = Counter(json.loads(c["payload"])["criteria"]["_id"] for c in commands)
    assert results == sent
    assert all(count % n_copies == 0 for count in results.values())
    assert min(results.values()) == n_copies
    assert committed(kafka.bootstrap, names["group"])[names["features"], 0] == len(copies)


def test_killed_three_times_everything_arrives_once(kafka, names, ztf, messages):
    kill_at_random(kafka, names, ztf, messages, n_kills=3, seed=1)


@pytest.mark.long
def test_killed_thirty_times_everything_arrives_once(kafka, names, ztf, messages):
    kill_at_random(kafka, names, ztf, messages, n_kills=30, seed=2)
