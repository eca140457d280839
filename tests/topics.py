"""Topics for tests: make them, fill them, read them to the end."""

import time
import uuid

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic


def unique(name):
    """A name that no other test has."""
    return f"{name}-{uuid.uuid4().hex[:10]}"


def make_topics(admin, partitions):
    """Create topics of these numbers of partitions; returns when all of them have leaders."""
    made = admin.create_topics([NewTopic(name, count, 1) for name, count in partitions.items()])
    for future in made.values():
        future.result(20)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        seen = admin.list_topics(timeout=10).topics
        leaders = {
            name: [part.leader for part in seen[name].partitions.values()] if name in seen else []
            for name in partitions
        }
        if all(len(leaders[n]) == c and min(leaders[n]) >= 0 for n, c in partitions.items()):
            return
        time.sleep(0.05)
    raise TimeoutError(f"no leaders after 20 s: {leaders}")


def produce_all(bootstrap, topic, pairs, partition=None, **config):
    """Send (key, value) pairs in order; returns when all are acknowledged."""
    failed = []

    def report(error, message):
        if error:
            failed.append(error)

    where = {} if partition is None else {"partition": partition}
    told = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5}
    producer = Producer(told | config)
    for key, value in pairs:
        while True:
            try:
                producer.produce(topic, value, key, on_delivery=report, **where)
                break
            except BufferError:
                producer.poll(0.1)
    left = producer.flush(30)
    assert not failed, failed[0]
    assert left == 0, f"{left} messages were not acknowledged within 30 s"


def read_all(bootstrap, topics, isolation="read_committed", timeout_s=30, **config):
    """Every message of these topics up to the ends they have now, partition by partition.

    With read_committed the end is where the first open transaction begins.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": unique("reader"),
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
        }
        | config
    )
    deadline = time.monotonic() + timeout_s
    try:
        known = consumer.list_topics(timeout=10).topics
        places = [
            TopicPartition(name, partition, OFFSET_BEGINNING)
            for name in topics
            for partition in known[name].partitions
        ]
        ends = {
            (place.topic, place.partition): consumer.get_watermark_offsets(place, timeout=10)[1]
            for place in places
        }
        consumer.assign(places)
        read = []
        while ends and time.monotonic() < deadline:
            for message in consumer.consume(1000, 0.2):
                if not message.error():
                    read.append(message)
                elif message.error().code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(message.error())
                elif message.offset() >= ends.get((message.topic(), message.partition()), 0):
                    ends.pop((message.topic(), message.partition()), None)
    finally:
        consumer.close()
    if ends:
        raise TimeoutError(f"not read to the end within {timeout_s} s: {ends}, {len(read)} read")
    return sorted(read, key=lambda message: (message.topic(), message.partition()))


def committed(bootstrap, group, **config):
    """The offsets of a group, by (topic, partition)."""
    admin = AdminClient({"bootstrap.servers": bootstrap} | config)
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
    places = asked[group].result(20).topic_partitions
    return {(place.topic, place.partition): place.offset for place in places}
