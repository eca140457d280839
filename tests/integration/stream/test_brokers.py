"""The brokers that the other tests use do what these rely on."""

from brokers import NoidaKafka
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from topics import committed, make_topics, produce_all, read_all, unique

PAIRS = [(str(n).encode(), b"value %d" % n) for n in range(20)]


def transact(bootstrap, topic, values, commit):
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": unique("id")})
    producer.init_transactions(20)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(20) == 0  # else abort drops what was not sent yet
    producer.commit_transaction(20) if commit else producer.abort_transaction(20)


def check_transactions(bootstrap):
    topic = unique("transactions")
    make_topics(AdminClient({"bootstrap.servers": bootstrap}), {topic: 1})
    transact(bootstrap, topic, [b"a", b"b"], commit=True)
    transact(bootstrap, topic, [b"c"], commit=False)
    transact(bootstrap, topic, [b"d"], commit=True)
    assert [m.value() for m in read_all(bootstrap, [topic])] == [b"a", b"b", b"d"]
    assert len(read_all(bootstrap, [topic], "read_uncommitted")) == 4


def test_apache_kafka_hides_aborted_transactions(apache_kafka):
    check_transactions(apache_kafka.bootstrap)


def test_noida_hides_aborted_transactions(tmp_path):
    with NoidaKafka(tmp_path) as broker:
        check_transactions(broker.bootstrap)


def test_a_killed_apache_kafka_comes_back_with_its_data(own_kafka):
    make_topics(AdminClient({"bootstrap.servers": own_kafka.bootstrap}), {"kept": 2})
    produce_all(own_kafka.bootstrap, "kept", PAIRS)
    own_kafka.kill()
    assert not own_kafka.running
    own_kafka.start()
    read = read_all(own_kafka.bootstrap, ["kept"])
    assert sorted((m.key(), m.value()) for m in read) == sorted(PAIRS)


def test_a_paused_broker_answers_when_it_goes_on(tmp_path):
    with NoidaKafka(tmp_path) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        make_topics(admin, {"paused": 1})
        broker.pause()
        broker.resume()
        produce_all(broker.bootstrap, "paused", PAIRS)
        assert [m.key() for m in read_all(broker.bootstrap, ["paused"])] == [k for k, _ in PAIRS]


def test_committed_offsets_are_read(kafka, admin):
    topic, group = unique("offsets"), unique("group")
    make_topics(admin, {topic: 2})
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 1, 7)], asynchronous=False)
    consumer.close()
    assert committed(kafka.bootstrap, group) == {(topic, 1): 7}


def test_the_mock_cluster_fails_when_told_to(mock_kafka):
    mock_kafka.create_topic("t", partitions=1, copies=3)
    mock_kafka.push_errors("Produce", [KafkaError.MSG_SIZE_TOO_LARGE])
    mock_kafka.push_late_answers("Metadata", [50], broker=1)
    reports = []
    producer = Producer({"bootstrap.servers": mock_kafka.bootstrap, "log_level": 0})
    for value in (b"refused", b"taken"):
        producer.produce("t", value, on_delivery=lambda e, m: reports.append((e, m.value())))
        assert producer.flush(20) == 0
    assert [(error and error.code(), value) for error, value in reports] == [
        (KafkaError.MSG_SIZE_TOO_LARGE, b"refused"),
        (None, b"taken"),
    ]


def test_brokers_of_the_mock_cluster_go_down_and_come_up(mock_kafka):
    mock_kafka.create_topic("t", partitions=1, copies=3)
    mock_kafka.set_leader("t", 0, 2)
    mock_kafka.set_down(2)
    mock_kafka.set_round_trip(20)
    reports = []
    producer = Producer({"bootstrap.servers": mock_kafka.bootstrap, "log_level": 0})
    producer.produce("t", b"x", on_delivery=lambda error, m: reports.append(error))
    assert producer.flush(1) == 1
    mock_kafka.set_up(2)
    assert producer.flush(20) == 0
    assert reports == [None]
