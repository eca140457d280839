"""Real objects through a Kafka cluster: python examples/stream.py HOST:PORT.

Sends the example's objects to a topic, as ALeRCE's feature step does, lets ``lcclassify stream``
answer them, and reads the answers. Needs the extra ``kafka``; topics and group are made anew.

``HOST:PORT send TOPIC`` and ``HOST:PORT read TOPIC`` are the first and the last of these three, for
a stream that is started otherwise (docker-compose.yml). What was sent before is not sent again.
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
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
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


def messages() -> list[dict[str, Any]]:
    """A feature message for each of the example's objects, alerts numbered in order."""
    made = []
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
        made.append(
            {"oid": oid, "candid": [str(alert)], "detections": [detection], "features": features}
        )
    return made


def make_topic(server: str, name: str) -> bool:
    """Make a topic, and return when it is there; whether it was not there before."""
    admin = AdminClient({"bootstrap.servers": server})
    made = admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    try:
        made[name].result(PATIENCE_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True


def send(server: str, topic: str) -> None:
    """Send each message as an Avro container of its own, to a topic that is made for them."""
    if not make_topic(server, topic):
        print(f"{topic} is there already: nothing is sent")
        return
    producer = Producer({"bootstrap.servers": server, "enable.idempotence": True})
    sent = messages()
    for message in sent:
        container = io.BytesIO()
        fastavro.writer(container, SCHEMA, [message])
        producer.produce(topic, container.getvalue(), key=message["oid"])
    if producer.flush(PATIENCE_S):
        sys.exit(f"{server} does not take the messages")
    print(f"{len(sent)} messages sent to {topic}")


def classify(server: str, topic: str, results: str) -> None:
    """Answer everything that is in a topic, exactly once."""
    command = ["lcclassify", "stream", "--model", "plasticc", "--stream", "elasticc"]
    command += ["--consumer-server", server, "--consumer-topics", topic]
    command += ["--consumer-group-id", f"{topic}.group", "--from", "earliest", "--until-eos"]
    command += ["--producer-server", server, "--producer-topic-format", results]
    print("$", *command, flush=True)
    subprocess.run([sys.executable, "-m", *command], check=True)


def answers(server: str, topic: str, least: int) -> Iterator[dict[str, Any]]:
    """Every result of a topic that counts: those of transactions that were undone do not.

    Waits for as many as ``least``, then ends where the topic does.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": server,
            "group.id": f"{topic}.reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    n_read, ended, deadline = 0, set(), time.monotonic() + PATIENCE_S
    while n_read < least or len(ended) < PARTITIONS:
        message = consumer.poll(1)
        if message is None:
            if time.monotonic() > deadline:
                sys.exit(f"{server} does not give the results: {n_read} of {least} are there")
        elif message.error() is None:
            ended.discard(message.partition())
            for record in fastavro.reader(io.BytesIO(message.value())):
                n_read += 1
                yield record
        elif message.error().code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
        else:
            sys.exit(message.error().str())
    consumer.close()


def read(server: str, topic: str) -> None:
    """Print how often each class was answered; end with 1 unless each alert was answered once."""
    make_topic(server, topic)
    sent = [int(message["candid"][0]) for message in messages()]
    names = {number: name for name, number in class_ids().items()}
    answered, classes = Counter(), Counter()
    for record in answers(server, topic, len(sent)):
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


def everything(server: str) -> None:
    """Send, classify, read."""
    run = uuid.uuid4().hex[:8]
    features, results = f"features-{run}", f"lc_classifier-{run}"
    send(server, features)
    make_topic(server, results)
    classify(server, features, results)
    read(server, results)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [server]:
            everything(server)
        case [server, "send", topic]:
            send(server, topic)
        case [server, "read", topic]:
            read(server, topic)
        case _:
            sys.exit("usage: stream.py HOST:PORT [send TOPIC | read TOPIC]")
