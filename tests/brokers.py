"""Kafka brokers for tests, on loopback: Apache Kafka, a small one from PyPI, and librdkafka's mock.

``jars`` finds Apache Kafka in $KAFKA_HOME/libs or beside the checkout; it needs Java 17 or later.
Both kinds keep ports and data when they are stopped or killed and started again.
"""

import atexit
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import trustme
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificate

BESIDE = Path(__file__).parents[2] / "shared" / "kafka" / "jars"
CLUSTER_ID = "bGNjbGFzc2lmeS10ZXN0cw"  # 16 bytes in base64
STORE_PASSWORD = "of-the-store"
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")


def jars():
    """The folder of Apache Kafka's jars, or None where there is none."""
    home = os.environ.get("KAFKA_HOME")
    folder = Path(home, "libs") if home else BESIDE
    return folder if any(folder.glob("kafka-server-[0-9]*.jar")) else None


def java():
    """The version of Java (17, 21...), or 0 where there is none."""
    if not shutil.which("java"):
        return 0
    told = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
    found = re.search(r'version "(\d+)', told)
    return int(found[1]) if found else 0


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [server.getsockname()[1] for server in held]
    finally:
        for server in held:
            server.close()


@dataclass(frozen=True)
class Certificates:
    ca: Path  # PEM, for clients
    store: Path  # PKCS12 of the broker's key and chain


def make_certificates(folder):
    """A CA of our own, and a key for loopback that it signed."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    chain = [load_pem_x509_certificate(pem.bytes()) for pem in issued.cert_chain_pems]
    locked = BestAvailableEncryption(STORE_PASSWORD.encode())
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(folder / "ca.pem", folder / "broker.p12")
    authority.cert_pem.write_to_path(made.ca)
    chain.append(load_pem_x509_certificate(authority.cert_pem.bytes()))
    store = pkcs12.serialize_key_and_certificates(b"broker", key, chain[0], chain[1:], locked)
    made.store.write_bytes(store)
    return made


class Broker:
    """A broker in a process of its own, by the ``command`` of its kind. As a context it is started,
    and killed at the end.
    """

    def __init__(self, folder, listeners):
        self.folder = Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ports = dict(zip(listeners, free_ports(len(listeners)), strict=True))
        self.process = None

    @property
    def bootstrap(self):
        return self.address("PLAINTEXT")

    def address(self, listener):
        return f"127.0.0.1:{self.ports[listener]}"

    def start(self, timeout_s=60):
        """Start, for the first time or again; returns when every partition has a leader."""
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests; kill takes whatever it started
            )
        atexit.register(self.kill)
        quiet = {"log_level": 0, "error_cb": lambda error: None}
        admin = AdminClient({"bootstrap.servers": self.bootstrap, **quiet})
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.running:
            try:
                seen = admin.list_topics(timeout=1)
            except KafkaException:
                seen = None
            if seen and seen.brokers and all_led(seen):
                return self
            time.sleep(0.05)
        raise RuntimeError(f"the broker did not start: see {self.folder / 'broker.log'}")

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout_s=40):
        """End in an orderly way."""
        if self.running:
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        """End at once (SIGKILL)."""
        atexit.unregister(self.kill)
        if self.running:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def pause(self):
        """Hold on to connections without answering (SIGSTOP), from when this returns."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        while not all(state in "TZ" for state in _states(self.process.pid)):
            time.sleep(0.001)

    def resume(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    def __enter__(self):
        return self if self.running else self.start()

    def __exit__(self, *exc):
        self.kill()


def _states(group):
    """The states of all threads of a process group, as Linux calls them."""
    for stat in Path("/proc").glob("[0-9]*/task/[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group:
                yield state


def all_led(metadata):
    partitions = (p for topic in metadata.topics.values() for p in topic.partitions.values())
    return all(partition.leader >= 0 for partition in partitions)


class NoidaKafka(Broker):
    """PyPI's noida-db, up in 30 ms: transactions, but neither TLS nor passwords, and after a kill
    the last writes are lost.
    """

    def __init__(self, folder):
        super().__init__(folder, ["PLAINTEXT"])

    def command(self):
        program = Path(find_spec("noida_db").origin).with_name("noida-db")
        if not os.access(program, os.X_OK):  # as pip unpacks it
            program = Path(shutil.copy(program, self.folder))
            program.chmod(0o755)
        port, data = str(self.ports["PLAINTEXT"]), str(self.folder / "data")
        return [program, "start", "--only", "kafka", "--kafka-port", port, "--data-dir", data]


class ApacheKafka(Broker):
    """One node, broker and controller.

    users: names and passwords; opens SASL_PLAINTEXT (SCRAM-SHA-256 and -512).
    certificates: opens SSL, and SASL_SSL if there are users.
    properties: of the server, over ours.
    """

    def __init__(self, folder, jars, users=None, certificates=None, properties=None):
        self.jars, self.users, self.certificates = Path(jars).resolve(), users or {}, certificates
        wanted = {
            "PLAINTEXT": True,
            "SASL_PLAINTEXT": users,
            "SSL": certificates,
            "SASL_SSL": users and certificates,
            "CONTROLLER": True,
        }
        super().__init__(folder, [name for name, is_wanted in wanted.items() if is_wanted])
        told = self._basics() | self._sasl() | self._tls() | (properties or {})
        self._properties = self.folder / "server.properties"
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in told.items()))
        (self.folder / "log4j2.properties").write_text(
            "appender.out.type=Console\nappender.out.name=out\n"
            "appender.out.layout.type=PatternLayout\nappender.out.layout.pattern=%d %p %m (%c)%n\n"
            "rootLogger.level=WARN\nrootLogger.appenderRef.out.ref=out\n"
        )

    def _basics(self):
        security = {name: name for name in self.ports} | {"CONTROLLER": "PLAINTEXT"}
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{self.address('CONTROLLER')}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": ",".join(f"{name}://{self.address(name)}" for name in self.ports),
            "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in security.items()),
            "log.dirs": self.folder / "data",
            # a single node cannot hold three copies; few internal partitions load fast
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 2,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 2,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # tests do not wait for what operators wait for
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "group.consumer.min.session.timeout.ms": 1000,
            "group.consumer.session.timeout.ms": 6000,
            "group.consumer.min.heartbeat.interval.ms": 500,
            "group.consumer.heartbeat.interval.ms": 500,
            # a killed broker is let in again when its last session is over
            "broker.heartbeat.interval.ms": 300,
            "broker.session.timeout.ms": 2000,
        }

    def _sasl(self):
        if not self.users:
            return {}
        module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        secured = [name.lower() for name in self.ports if name.startswith("SASL")]
        return {"sasl.enabled.mechanisms": ",".join(MECHANISMS)} | {
            f"listener.name.{listener}.{mechanism.lower()}.sasl.jaas.config": module
            for listener in secured
            for mechanism in MECHANISMS
        }

    def _tls(self):
        if not self.certificates:
            return {}
        return {
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.location": self.certificates.store,
            "ssl.keystore.password": STORE_PASSWORD,
            "ssl.key.password": STORE_PASSWORD,
        }

    def _java(self, main, *arguments):
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        tuning = ["-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        return ["java", *tuning, logging, "-cp", f"{self.jars}/*", main, *map(str, arguments)]

    def command(self):
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()
        return self._java("kafka.Kafka", self._properties)

    def _format(self):
        arguments = ["format", "--cluster-id", CLUSTER_ID, "--config", self._properties]
        for user, password in self.users.items():
            for mechanism in MECHANISMS:
                arguments += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
        command = self._java("kafka.tools.StorageTool", *arguments)
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"Kafka's folder was not formatted: {done.stdout}{done.stderr}")
