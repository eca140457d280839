"""Messages with headers whose names are no text, which the client for Python does not send."""

import ctypes
from pathlib import Path

import confluent_kafka

END, TOPIC, VALUE, HEADERS, FLAGS = 0, 1, 4, 10, 6  # of rd_kafka_producev
COPY = 2


def library():
    """librdkafka as it comes with the client, or None."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    found = [*folder.glob("librdkafka*.so*")]
    return ctypes.CDLL(str(found[0])) if found else None


def produce_raw(rdkafka, bootstrap, topic, value, name):
    """Send one message with a header of this name (bytes)."""
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    rdkafka.rd_kafka_conf_new.restype = rdkafka.rd_kafka_new.restype = pointer
    rdkafka.rd_kafka_headers_new.restype = pointer
    reason = ctypes.create_string_buffer(500)
    told = pointer(rdkafka.rd_kafka_conf_new())
    rdkafka.rd_kafka_conf_set(told, b"bootstrap.servers", bootstrap.encode(), reason, size(500))
    client = pointer(rdkafka.rd_kafka_new(0, told, reason, size(500)))
    headers = pointer(rdkafka.rd_kafka_headers_new(size(1)))
    rdkafka.rd_kafka_header_add(
        headers, name, ctypes.c_ssize_t(len(name)), b"1", ctypes.c_ssize_t(1)
    )
    about = [TOPIC, text(topic.encode()), VALUE, text(value), size(len(value)), FLAGS, COPY]
    assert rdkafka.rd_kafka_producev(client, *about, HEADERS, headers, END) == 0
    assert rdkafka.rd_kafka_flush(client, 20_000) == 0
    rdkafka.rd_kafka_destroy(client)
