from importlib.util import find_spec

import pytest
from brokers import BESIDE, ApacheKafka, NoidaKafka, jars, java, make_certificates
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from mock_kafka import MockKafka

USERS = {"alice": "alice's secret", "bob": "bob's secret"}
ACCESS_LISTS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",  # whoever comes by PLAINTEXT or SSL
}


def need_apache():
    """Skip where there is no Apache Kafka; fail where there should be."""
    if jars() and java() >= 17:
        return
    if BESIDE.parents[1].is_dir():
        pytest.fail("the jars of Apache Kafka beside the checkout, or Java 17, are missing")
    pytest.skip("needs Apache Kafka: set KAFKA_HOME (and Java 17)")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Of the brokers, by a CA of our own."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory, certificates):
    """Apache Kafka with all listeners; who comes by PLAINTEXT may do everything."""
    need_apache()
    folder = tmp_path_factory.mktemp("kafka")
    with ApacheKafka(folder, jars(), USERS, certificates, ACCESS_LISTS) as broker:
        yield broker


@pytest.fixture(scope="session")
def secure_kafka(apache_kafka):
    """The same; users of ``USERS`` may do nothing but what access lists allow them."""
    return apache_kafka


@pytest.fixture(scope="session")
def kafka(request, tmp_path_factory):
    """Any broker: Apache Kafka where it is there, else noida."""
    if (jars() and java() >= 17) or BESIDE.parents[1].is_dir():
        yield request.getfixturevalue("apache_kafka")
    elif find_spec("noida_db"):
        with NoidaKafka(tmp_path_factory.mktemp("noida")) as broker:
            yield broker
    else:
        pytest.skip("needs a broker: set KAFKA_HOME, or pip install noida-db (Linux, x86-64)")


@pytest.fixture
def own_kafka(tmp_path):
    """An Apache Kafka of the test's own, for it to kill."""
    need_apache()
    with ApacheKafka(tmp_path / "kafka", jars()) as broker:
        yield broker


@pytest.fixture
def mock_kafka():
    """A cluster of three that fails when told to."""
    with MockKafka(brokers=3) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def admin(kafka):
    """May do everything on ``kafka``."""
    return AdminClient({"bootstrap.servers": kafka.bootstrap})


@pytest.fixture
def allow(apache_kafka):
    """Gives alice rights: allow(("TOPIC", name, "READ"), ...); takes them back in the end."""
    admin = AdminClient({"bootstrap.servers": apache_kafka.bootstrap})
    given = []

    def give(*rights):
        for kind, name, operation in rights:
            literal, alice = ResourcePatternType.LITERAL, "User:alice"
            right = AclOperation[operation], AclPermissionType.ALLOW
            given.append(AclBinding(ResourceType[kind], name, literal, alice, "*", *right))
        for future in admin.create_acls(given).values():
            future.result(10)

    yield give
    anything = AclOperation.ANY, AclPermissionType.ANY
    every = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, "User:alice", None, *anything
    )
    admin.delete_acls([every])[every].result(10)
