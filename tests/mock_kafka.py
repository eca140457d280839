"""librdkafka's mock cluster, for errors at a chosen moment.

It lives in this process, in the library of confluent-kafka's wheel, and is reached by ctypes; its
brokers listen on 127.0.0.1, so other processes can use them. It keeps 5 MiB a partition, creates no
topics by itself, knows neither TLS nor SASL and shows aborted transactions: no guarantee about
data is tested on it.
"""

import ctypes
from ctypes import c_char_p, c_int, c_int16, c_int32, c_size_t, c_void_p
from pathlib import Path

import confluent_kafka

PRODUCER = 0
APIS = {  # keys of Kafka's protocol
    "Produce": 0,
    "Fetch": 1,
    "ListOffsets": 2,
    "Metadata": 3,
    "OffsetCommit": 8,
    "OffsetFetch": 9,
    "FindCoordinator": 10,
    "JoinGroup": 11,
    "Heartbeat": 12,
    "LeaveGroup": 13,
    "SyncGroup": 14,
    "InitProducerId": 22,
    "AddPartitionsToTxn": 24,
    "AddOffsetsToTxn": 25,
    "EndTxn": 26,
    "TxnOffsetCommit": 28,
}
DISCONNECT = -195  # the connection is cut; the other codes are those of confluent_kafka.KafkaError

FUNCTIONS = {  # name after rd_kafka_: result, arguments
    "conf_new": (c_void_p, []),
    "conf_set": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p, c_size_t]),
    "new": (c_void_p, [c_int, c_void_p, c_char_p, c_size_t]),
    "destroy": (None, [c_void_p]),
    "mock_cluster_new": (c_void_p, [c_void_p, c_int]),
    "mock_cluster_destroy": (None, [c_void_p]),
    "mock_cluster_bootstraps": (c_char_p, [c_void_p]),
    "mock_topic_create": (c_int, [c_void_p, c_char_p, c_int, c_int]),
    "mock_topic_set_error": (None, [c_void_p, c_char_p, c_int]),
    "mock_partition_set_leader": (c_int, [c_void_p, c_char_p, c_int32, c_int32]),
    "mock_broker_set_down": (c_int, [c_void_p, c_int32]),
    "mock_broker_set_up": (c_int, [c_void_p, c_int32]),
    "mock_broker_set_rtt": (c_int, [c_void_p, c_int32, c_int]),
    "mock_group_initial_rebalance_delay_ms": (None, [c_void_p, c_int32]),
    "mock_clear_request_errors": (None, [c_void_p, c_int16]),
    "mock_push_request_errors_array": (None, [c_void_p, c_int16, c_size_t, c_void_p]),
}


class MockKafka:
    """A cluster whose brokers (1, 2...) do what they are told."""

    def __init__(self, brokers=1):
        self._library = load_library()
        text = ctypes.create_string_buffer(512)
        conf = self._call("conf_new")
        if self._call("conf_set", conf, b"bootstrap.servers", b"127.0.0.1:1", text, 512):
            raise RuntimeError(text.value.decode())
        self._call("conf_set", conf, b"log_level", b"0", text, 512)
        self._client = self._call("new", PRODUCER, conf, text, 512)
        if not self._client:
            raise RuntimeError(text.value.decode())
        self._cluster = self._call("mock_cluster_new", self._client, brokers)
        self.bootstrap = self._call("mock_cluster_bootstraps", self._cluster).decode()
        self._tell("group_initial_rebalance_delay_ms", 0)

    def _call(self, name, *arguments):
        function = getattr(self._library, f"rd_kafka_{name}")
        function.restype, function.argtypes = FUNCTIONS[name]
        return function(*arguments)

    def _tell(self, name, *arguments):
        if code := self._call(f"mock_{name}", self._cluster, *arguments):
            raise RuntimeError(f"the mock cluster refused {name}{arguments}: {code}")

    def create_topic(self, topic, partitions=1, copies=1):
        self._tell("topic_create", topic.encode(), partitions, copies)

    def set_topic_error(self, topic, code):
        self._tell("topic_set_error", topic.encode(), code)

    def push_errors(self, api, codes):
        """The next requests of this kind fail with these codes, one each, in this order."""
        array = (c_int * len(codes))(*codes)
        self._tell("push_request_errors_array", APIS[api], len(codes), array)

    def push_late_answers(self, api, delays_ms, broker):
        """The next requests of this kind to this broker are carried out, and answered late."""
        push = self._library.rd_kafka_mock_broker_push_request_error_rtts
        push.restype, push.argtypes = c_int, [c_void_p, c_int32, c_int16, c_size_t]
        pairs = [c_int(value) for delay in delays_ms for value in (0, delay)]  # variadic
        if code := push(self._cluster, broker, APIS[api], len(delays_ms), *pairs):
            raise RuntimeError(f"the mock cluster refused late answers: {code}")

    def clear_errors(self, api):
        self._tell("clear_request_errors", APIS[api])

    def set_leader(self, topic, partition, broker):
        """broker -1: none."""
        self._tell("partition_set_leader", topic.encode(), partition, broker)

    def set_down(self, broker):
        """Cut its connections and refuse new ones."""
        self._tell("broker_set_down", broker)

    def set_up(self, broker):
        self._tell("broker_set_up", broker)

    def set_round_trip(self, milliseconds, broker=-1):
        """broker -1: all of them."""
        self._tell("broker_set_rtt", broker, milliseconds)

    def close(self):
        self._call("mock_cluster_destroy", self._cluster)
        self._call("destroy", self._client)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def load_library():
    package = Path(confluent_kafka.__file__).parent
    folders = (package.with_name("confluent_kafka.libs"), package / ".dylibs")
    found = [path for folder in folders for path in folder.glob("librdkafka*")]
    if not found:
        raise RuntimeError("confluent-kafka was not installed from a wheel: no librdkafka in it")
    return ctypes.CDLL(str(found[0]))
