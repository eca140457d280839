"""Start checks, each problem on Apache Kafka, which alone has passwords, TLS and access lists."""

import time
from dataclasses import replace

import pytest
from brokers import NoidaKafka, free_ports, make_certificates
from confluent_kafka.admin import AdminClient
from topics import make_topics, unique

from lcclassify.errors import BrokerError, SettingsError
from lcclassify.stream.brokers import probe
from lcclassify.stream.brokers.check import check_brokers, exactly_once_possible
from lcclassify.stream.brokers.probe import ensure_topics
from lcclassify.stream.secret import Secret
from lcclassify.stream.settings import Client, Input, Model, Settings, Side
from lcclassify.stream.topics import OneTopic
from lcclassify.task import Output

ALICE = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "alice"}
PASSWORD = {"sasl.password": Secret("alice's secret")}


def settings(client, reads, writes=None, **more):
    """Of a stream by one connection; with ``writes`` None to files."""
    input_ = Input(client, more.pop("group", "group"), (reads,))
    to = {"to": "out/"}
    if writes:
        to = {"results": more.pop("results", client), "topics": OneTopic(writes)}
    return Settings(input_, Model("toy"), Output("alerce"), **to, **more)


def problems(told):
    with pytest.raises(BrokerError) as caught:
        check_brokers(told)
    return str(caught.value).split(". ")


@pytest.fixture(scope="module")
def topic(apache_kafka):
    name = unique("check")
    make_topics(AdminClient({"bootstrap.servers": apache_kafka.bootstrap}), {name: 1})
    return name


@pytest.fixture
def alice(secure_kafka):
    secured = {"security.protocol": "SASL_PLAINTEXT"}
    return Client(secure_kafka.address("SASL_PLAINTEXT"), secured | ALICE | PASSWORD)


@pytest.fixture
def short(monkeypatch):
    """Unreachable brokers are given up after a second."""
    monkeypatch.setattr(probe, "TIMEOUT_S", 1.0)


def test_a_sound_set_up_is_told_apart_by_cluster_and_user(kafka, admin):
    reads, writes = unique("in"), unique("out")
    make_topics(admin, {reads: 1})
    client = Client(kafka.bootstrap)
    told = settings(client, reads, writes, scribe=Side(client, unique("scribe")))
    clusters = check_brokers(told)
    assert set(clusters) == {"input", "results", "scribe"}
    assert clusters["input"].protocol == "PLAINTEXT"
    assert exactly_once_possible(told, clusters) is None
    assert writes in admin.list_topics(timeout=10).topics  # was created


def test_noida_passes_though_it_knows_no_rights(tmp_path):
    with NoidaKafka(tmp_path) as broker:
        make_topics(AdminClient({"bootstrap.servers": broker.bootstrap}), {"in": 1})
        told = settings(Client(broker.bootstrap), "in", "out")
        assert exactly_once_possible(told, check_brokers(told)) is None


def test_the_mock_cluster_passes_though_it_answers_no_questions(mock_kafka):
    mock_kafka.create_topic("in")
    mock_kafka.create_topic("out")
    told = settings(Client(mock_kafka.bootstrap), "in", "out")
    assert exactly_once_possible(told, check_brokers(told)) is None


def test_two_clusters_are_told_apart(apache_kafka, topic, tmp_path):
    with NoidaKafka(tmp_path) as other:
        told = settings(
            Client(apache_kafka.bootstrap), topic, "out", results=Client(other.bootstrap)
        )
        clusters = check_brokers(told)
    assert exactly_once_possible(told, clusters) == "results and input are on different clusters"


def test_unreachable_brokers_are_told_together_in_little_time(short):
    one, two = (f"127.0.0.1:{port}" for port in free_ports(2))
    start = time.monotonic()
    found = problems(settings(Client(one), "in", "out", results=Client(two)))
    assert time.monotonic() - start < 4
    assert found == [
        f"{name} ({address}): none of its brokers can be reached for 1 s (Connect to ipv4#{address}"
        " failed: Connection refused); check the address, and whether this port expects a"
        " password (SASL) or TLS"
        for name, address in (("input", one), ("results", two))
    ]


def test_a_broker_that_takes_connections_and_says_nothing_is_given_up(tmp_path, short):
    with NoidaKafka(tmp_path) as broker:
        broker.pause()
        start = time.monotonic()
        [problem] = problems(settings(Client(broker.bootstrap), "in"))
        assert time.monotonic() - start < 4
    assert problem == (
        f"input ({broker.bootstrap}): none of its brokers can be reached for 1 s; check the"
        " address, and whether this port expects a password (SASL) or TLS"
    )


def test_an_unknown_host_is_told(short):
    [problem] = problems(settings(Client("no.such.host.invalid:1"), "in"))
    assert problem.startswith("input (no.such.host.invalid:1): none of its brokers can be reached")
    assert "Failed to resolve 'no.such.host.invalid:1'" in problem


@pytest.mark.parametrize(
    "changed", [{"sasl.password": Secret("wr0ng")}, {"sasl.username": "carol"}]
)
def test_a_wrong_password_and_an_unknown_user_are_told_at_once(alice, changed):
    client = replace(alice, properties={**alice.properties, **changed})
    user = client.properties["sasl.username"]
    start = time.monotonic()
    found = problems(settings(client, "in", "out"))
    assert time.monotonic() - start < 4
    assert found == [
        f"input and results ({client.servers} as {user}): the broker refused user or password"
        " (SASL authentication error: Authentication failed during authentication due to invalid"
        " credentials with SASL mechanism SCRAM-SHA-512); check both, and the SASL mechanism"
    ]


def test_a_mechanism_that_the_broker_lacks_is_told(alice):
    client = replace(alice, properties={**alice.properties, "sasl.mechanism": "PLAIN"})
    [problem] = problems(settings(client, "in"))
    assert "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism" in problem


@pytest.mark.parametrize("authority", ["none", "another"])
def test_a_certificate_of_an_unknown_authority_is_told_at_once(apache_kafka, tmp_path, authority):
    other = {"ssl.ca.location": str(make_certificates(tmp_path).ca)}
    tls = {"security.protocol": "SSL"} | (other if authority == "another" else {})
    address = apache_kafka.address("SSL")
    start = time.monotonic()
    [problem] = problems(settings(Client(address, tls), "in"))
    assert time.monotonic() - start < 4
    assert problem.startswith(
        f"input ({address}): no trusted TLS connection can be made (SSL handshake failed:"
    )
    assert problem.endswith(
        "check that ssl.ca.location is the file of the CA that signed the broker's certificate,"
        " and the certificate's host name"
    )


def test_a_file_of_authorities_that_is_missing_is_told(tmp_path):
    tls = {"security.protocol": "SSL", "ssl.ca.location": str(tmp_path / "none.pem")}
    with pytest.raises(SettingsError) as caught:
        check_brokers(settings(Client("h:1", tls), "in"))
    assert str(caught.value).startswith("input (h:1): ssl.ca.location failed: ")


@pytest.mark.parametrize("listener", ["SSL", "SASL_PLAINTEXT"])
def test_plain_talk_to_a_port_that_wants_more_is_told(apache_kafka, listener, short):
    address = apache_kafka.address(listener)
    [problem] = problems(settings(Client(address), "in"))
    assert problem == (
        f"input ({address}): none of its brokers can be reached for 1 s; check the address, and"
        " whether this port expects a password (SASL) or TLS"
    )


def test_topics_that_are_not_there_are_told_unless_they_are_awaited(apache_kafka):
    client = Client(apache_kafka.bootstrap)
    told = settings(client, "not-there")
    assert problems(told) == [
        f"input ({client.servers}), input topic 'not-there': there is no such topic; create it or"
        " correct its name"
    ]
    awaited = replace(told, input=replace(told.input, wait_for_topics=True))
    pattern = replace(told, input=replace(told.input, topics=("^not-there.*",)))
    assert set(check_brokers(awaited)) == set(check_brokers(pattern)) == {"input"}


def test_a_name_that_no_topic_can_have_is_told(apache_kafka):
    client = Client(apache_kafka.bootstrap)
    assert problems(settings(client, "a topic")) == [
        f"input ({client.servers}), input topic 'a topic': this cannot be the name of a topic;"
        " choose one of letters, digits, '.', '_' and '-'"
    ]


def test_all_that_is_denied_is_told_together(alice, topic):
    scribe = Side(alice, "commands")
    where = f"input, results and scribe ({alice.servers} as alice)"
    denied = "access to a topic is denied; ask for the right to use it"
    assert problems(settings(alice, topic, "out", scribe=scribe)) == [
        f"{where}, input topic {topic!r}: {denied}",
        f"{where}, group 'group': the consumer group is denied; ask for the right READ on the"
        " group, or choose another",
        f"{where}, results topic 'out': {denied}",
        f"{where}, scribe topic 'commands': {denied}",
    ]


def test_rights_that_do_not_suffice_are_told(alice, topic, allow):
    allow(("TOPIC", topic, "DESCRIBE"), ("GROUP", "group", "DESCRIBE"))
    where = f"input and results ({alice.servers} as alice)"
    assert problems(settings(alice, topic, topic)) == [
        f"{where}, input topic {topic!r}: not allowed to read; ask for the right READ on it",
        f"{where}, group 'group': not allowed to use it; ask for the right READ on it",
        f"{where}, results topic {topic!r}: not allowed to write; ask for the right WRITE on it",
    ]


def test_a_topic_for_output_is_created_where_that_is_allowed(alice, allow):
    made = unique("made")
    where = f"results ({alice.servers} as alice), results topic {made!r}"
    allow(("TOPIC", made, "WRITE"))
    with pytest.raises(BrokerError) as caught:
        ensure_topics("results", alice, [made])
    assert str(caught.value) == (
        f"{where} (does not exist and cannot be created): access to a topic is denied; ask for the"
        " right to use it"
    )
    allow(("TOPIC", made, "CREATE"))
    ensure_topics("results", alice, [made])
    ensure_topics("results", alice, [made])


def test_a_denied_transactional_id_forbids_exactly_once_only(alice, topic, allow):
    allow(("TOPIC", topic, "READ"), ("TOPIC", topic, "WRITE"), ("GROUP", "group", "READ"))
    why = (
        f"results ({alice.servers} as alice), transactional id 'mine': the transactional id is"
        " denied; ask for the right WRITE on it, or choose --delivery at-least-once"
    )
    told = settings(alice, topic, topic, transactional_id="mine")
    assert exactly_once_possible(told, check_brokers(told)) == why
    assert problems(replace(told, delivery="exactly-once")) == [why]
    check_brokers(replace(told, delivery="at-least-once"))
    allow(("TRANSACTIONAL_ID", "mine", "WRITE"))
    assert exactly_once_possible(told, check_brokers(told)) is None


@pytest.mark.parametrize("listener", ["SASL_PLAINTEXT", "SASL_SSL", "SSL"])
def test_passwords_and_tls_with_our_own_authority_work(
    secure_kafka, certificates, topic, allow, listener
):
    allow(("TOPIC", topic, "READ"), ("GROUP", "group", "READ"))
    told = {"security.protocol": listener}
    if listener != "SSL":
        told |= ALICE | PASSWORD
    if listener != "SASL_PLAINTEXT":
        told |= {"ssl.ca.location": str(certificates.ca)}
    client = Client(secure_kafka.address(listener), told)
    found = check_brokers(settings(client, topic))["input"]
    assert (found.protocol, found.user) == (listener, "" if listener == "SSL" else "alice")


def test_no_secret_is_in_what_is_told(alice):
    told = settings(alice, "in", "out")
    assert "alice's secret" not in "".join([*problems(told), repr(told)])
