"""Real objects through a Kafka cluster: python examples/stream.py HOST:PORT.

Sends the example's objects to a topic, as ALeRCE's feature step does, lets ``lcclassify stream``
answer them, and reads the answers. Needs the extra ``kafka``; topics and group are made anew.
"""

import io
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.parquet as pq
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from rich.console import Console
from rich.table import Table

from lcclassify.schemas.elasticc import class_ids

FEATURES = Path(__file__).parent / "plasticc_features.parquet"
PARTITIONS = 3
PATIENCE_S = 60

# What the stream needs of a message of the feature step; a real one has more fields.
DETECTION = [
    {"name": "candid", "type": "string"},
    {"name": "mjd", "type": "double"},
    {"name": "has_stamp", "type": "boolean"},
    {"name": "new", "type": "boolean"},
    {"name": "forced", "type": "boolean"},
    {"name": "extra_fields", "type": {"type": "map", "values": ["null", "long", "double"]}},
]
MESSAGE = [
    {"name": "oid", "type": "string"},
    {"name": "candid", "type": {"type": "array", "items": "string"}},
    {
        "name": "detections",
        "type": {
            "type": "array",
            "items": {"type": "record", "name": "alert", "fields": DETECTION},
        },
    },
    {"name": "features", "type": {"type": "map", "values": ["null", "double"]}},
]
SCHEMA = fastavro.parse_schema({"type": "record", "name": "features_output", "fields": MESSAGE})


def write_messages(path: Path) -> list[int]:
    """Write a file with a feature message for each of the example's objects; return alert ids."""
    messages = []
    for number, features in enumerate(pq.read_table(FEATURES).to_pylist()):
        oid, alert = str(features.pop("object_id")), 10**15 + number
        detection = {
            "candid": str(alert),
            "mjd": 60000.0,
            "has_stamp": True,
            "new": True,
            "forced": False,
            "extra_fields": {"alertId": alert, "diaSourceId": alert},
        }
        messages.append(
            {"oid": oid, "candid": [str(alert)], "detections": [detection], "features": features}
        )
    with path.open("wb") as file:
        fastavro.writer(file, SCHEMA, messages)
    return [int(message["candid"][0]) for message in messages]


def make_topics(server: str, *names: str) -> None:
    """Make topics, and return when they are there."""
    admin = AdminClient({"bootstrap.servers": server})
    made = admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    for future in made.values():
        future.result(PATIENCE_S)


def send(server: str, topic: str, path: Path) -> None:
    """Send each message of a file as an Avro container of its own."""
    producer = Producer({"bootstrap.servers": server, "enable.idempotence": True})
    with path.open("rb") as file:
        for message in fastavro.reader(file):
            container = io.BytesIO()
            fastavro.writer(container, SCHEMA, [message])
            producer.produce(topic, container.getvalue(), key=message["oid"])
    if producer.flush(PATIENCE_S):
        sys.exit(f"{server} does not take the messages")


def classify(server: str, topic: str, results: str) -> None:
    """Answer everything that is in a topic, exactly once."""
    command = ["lcclassify", "stream", "--model", "plasticc", "--stream", "elasticc"]
    command += ["--consumer-server", server, "--consumer-topics", topic]
    command += ["--consumer-group-id", f"{topic}.group", "--from", "earliest", "--until-eos"]
    command += ["--producer-server", server, "--producer-topic-format", results]
    print("$", *command, flush=True)
    subprocess.run([sys.executable, "-m", *command], check=True)


def read(server: str, topic: str) -> Iterator[dict[str, Any]]:
    """Every result of a topic that counts: those of transactions that were undone do not."""
    consumer = Consumer(
        {
            "bootstrap.servers": server,
            "group.id": f"{topic}.reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    n_open, deadline = PARTITIONS, time.monotonic() + PATIENCE_S
    while n_open:
        message = consumer.poll(1)
        if message is None:
            if time.monotonic() > deadline:
                sys.exit(f"{server} does not give the results")
        elif message.error() is None:
            yield from fastavro.reader(io.BytesIO(message.value()))
        elif message.error().code() == KafkaError._PARTITION_EOF:
            n_open -= 1
        else:
            sys.exit(message.error().str())
    consumer.close()


def main(server: str) -> None:
    """Send, classify, read; print how often each class was answered."""
    run = uuid.uuid4().hex[:8]
    features, results = f"features-{run}", f"lc_classifier-{run}"
    path = Path("plasticc_messages.avro")
    sent = write_messages(path)
    make_topics(server, features, results)
    send(server, features, path)
    classify(server, features, results)

    names = {number: name for name, number in class_ids().items()}
    answered, classes = Counter(), Counter()
    for record in read(server, results):
        answered[record["alertId"]] += 1
        best = max(record["classifications"], key=lambda each: each["probability"])
        classes[names[best["classId"]]] += 1
    table = Table("class", "objects", box=None, pad_edge=False)
    for name, count in classes.most_common():
        table.add_row(name, str(count))
    Console().print(table)
    if answered != Counter(sent):
        sys.exit(f"{len(sent)} alerts were sent, and these answered: {answered}")
    print(f"{len(sent)} alerts, each answered once")


if __name__ == "__main__":
    main(*sys.argv[1:])
