"""A whole stream on Apache Kafka: how many messages a second, and how long each of them takes.

The stream has a core of its own; the broker, the producer and the readers share another. Results,
commands and offsets go out in one transaction a batch. Beside the stream stands one that copies: it
answers nothing and sends as many bytes, so that it takes what Kafka takes. Two processes of a group
share both cores with the broker. Needs Java 17 and Apache Kafka in $KAFKA_HOME, and two cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from stream_messages import make_bundle, make_messages

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from brokers import ApacheKafka, jars
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from topics import make_topics, produce_all, unique

PROGRAM = Path(__file__).with_name("timed_stream.py")
OURS, REST = 0, 1  # cores
N_PARTITIONS = 4
RATE = 250  # messages/s, as of Rubin's alerts on average
TARGET_S = 0.5  # for 99 % of them
TICKS = os.sysconf("SC_CLK_TCK")


class Live:
    """Topics of a broker, and streams between them."""

    def __init__(self, broker: ApacheKafka, folder: Path, model: Path) -> None:
        self.broker, self.folder, self.model = broker, folder, model
        self.topic = unique("features")
        self.outputs = {"results": N_PARTITIONS, "commands": N_PARTITIONS}
        self.admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        make_topics(self.admin, {self.topic: N_PARTITIONS, **self.outputs})

    def start(self, group: str, core: int, batch: int, *rest: str, what: str = "classify") -> Any:
        """A process of a group, and the file of its figures."""
        figures = self.folder / f"{unique(group)}.json"
        at = self.broker.bootstrap
        told = {
            "--model": str(self.model),
            "--stream": "ztf",
            "--consumer-server": at,
            "--consumer-topics": self.topic,
            "--consumer-group-id": group,
            "--consume-messages": str(batch),
            "--producer-server": at,
            "--producer-topic-format": "results",
            "--scribe-server": at,
            "--scribe-topic": "commands",
            "--delivery": "exactly-once",
        }
        command = [sys.executable, str(PROGRAM), str(figures), str(core), what, "stream"]
        command += [word for pair in told.items() for word in pair]
        with (self.folder / f"{group}.log").open("ab") as log:
            process = subprocess.Popen([*command, *rest], stdout=log, stderr=log)
        return process, figures

    def finish(self, started: Any) -> dict[str, Any]:
        process, figures = started
        if process.wait(600):
            logs = "".join(file.read_text() for file in self.folder.glob("*.log"))
            raise SystemExit(f"a stream failed:\n{logs[-3000:]}")
        found: dict[str, Any] = json.loads(figures.read_text())
        return found

    def drain(self, name: str, cores: Sequence[int], batch: int, what: str = "classify") -> float:
        """Messages/s of a group that reads all that is there."""
        before = cpu_seconds(self.broker.process.pid)
        group = unique("drain")
        started = [self.start(group, core, batch, "--until-eos", what=what) for core in cores]
        found = [self.finish(one) for one in started]
        used = cpu_seconds(self.broker.process.pid) - before
        n = sum(one["n"] for one in found)
        seconds = max(one["last"] for one in found) - min(one["first"] for one in found if one["n"])
        shares = ", ".join(f"{one['cpu_s'] / seconds:.0%}" for one in found)
        print(
            f"{name}: {n / seconds:,.0f} messages/s; of a core: stream {shares}, "
            f"broker {used / seconds:.0%}"
        )
        return n / seconds


def cpu_seconds(pid: int) -> float:
    """Of a process, since it began."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def paced(bootstrap: str, topic: str, values: Sequence[bytes], rate: float, seconds: float) -> None:
    """Send so many messages a second."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
    start = time.perf_counter()
    for n, value in enumerate(islice(cycle(values), int(rate * seconds))):
        producer.poll(max(0.0, start + n / rate - time.perf_counter()))
        producer.produce(topic, value, str(n))
    producer.flush()


def latency(live: Live, values: Sequence[bytes], seconds: float) -> None:
    """From the poll that hands a message out to the acknowledged transaction."""
    group = unique("paced")
    # what there is at the start would count as late
    rest = ("--from", "latest", "--consume-timeout", "0.05", "--limit", str(int(RATE * seconds)))
    started = live.start(group, OURS, 1000, *rest)
    log = live.folder / f"{group}.log"
    while "assigned: features" not in log.read_text():
        if started[0].poll() is not None:
            break
        time.sleep(0.1)
    paced(live.broker.bootstrap, live.topic, values, RATE, seconds)
    found = live.finish(started)
    middle, late = np.quantile(found["delays"], [0.5, 0.99])
    print(
        f"at {RATE} messages/s for {seconds:.0f} s: from poll to acknowledgement "
        f"p50 {1000 * middle:.0f} ms, p99 {1000 * late:.0f} ms (target {1000 * TARGET_S:.0f} ms), "
        f"longest {1000 * max(found['delays']):.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the trees and messages")
    quick = parser.parse_args().quick
    n_trees, n, seconds = (50, 3000, 5) if quick else (500, 30_000, 60)
    folder_of_jars = jars()
    if folder_of_jars is None:
        raise SystemExit("Apache Kafka is not there: set KAFKA_HOME")
    values = make_messages(500)
    print(f"{machine()}; messages of {len(values[0]):,} bytes, 4 forests x {n_trees} trees")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_bundle(folder / "noise", n_trees)
        os.sched_setaffinity(0, {REST})  # and of what is started from here, unless it says other
        with ApacheKafka(folder / "kafka", folder_of_jars) as broker:
            live = Live(broker, folder, folder / "noise")
            latency(live, values, seconds)
            pairs = ((str(n).encode(), value) for n, value in enumerate(islice(cycle(values), n)))
            produce_all(broker.bootstrap, live.topic, pairs, **{"compression.type": "lz4"})
            copied = live.drain("copy, batch 1000", [OURS], 1000, "copy")
            for batch in (1000, 50):
                rate = live.drain(f"one process, batch {batch}", [OURS], batch)
                print(f"  {rate / copied:.0%} of the copy's")
            live.drain("two processes of a group, batch 1000", [OURS, REST], 1000)


if __name__ == "__main__":
    main()
