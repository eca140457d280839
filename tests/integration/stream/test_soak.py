"""Many messages through one process: its memory stays what it was. A million by make test-long."""

import io
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from importlib.resources import files
from pathlib import Path

import fastavro
import fastavro.schema
import pytest
from confluent_kafka.admin import AdminClient
from topics import committed, make_topics, produce_all, read_all, unique

from lcclassify.testing import TOY_FEATURES

N_OBJECTS = 1000
GROWTH_MIB = 24  # of the peak, from the first half to the second: what allocators happen to keep


def make_messages():
    """Messages of so many objects; every hundredth is damaged."""
    schema = files("lcclassify") / "schemas" / "feature_step" / "feature-step-map.avsc"
    schema = fastavro.schema.load_schema(str(schema))
    messages = []
    for number in range(N_OBJECTS):
        record = {
            "oid": f"ZTF{number:04}",
            "candid": [str(number)],
            "detections": [],
            "non_detections": [],
            "xmatches": None,
            "features": dict.fromkeys(TOY_FEATURES, number / N_OBJECTS),
        }
        buffer = io.BytesIO()
        fastavro.writer(buffer, schema, [record])
        messages.append(buffer.getvalue()[: -1 if number % 100 == 0 else None])
    return messages


def resident_mib(pid):
    """Memory that a process holds; None if it has ended."""
    try:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return int(found[1]) / 1024 if found else None


def watch(process, seen):
    """Note time and memory until the process ends."""
    while process.poll() is None:
        if (mib := resident_mib(process.pid)) is not None:
            seen.append((time.monotonic(), mib))
        time.sleep(0.2)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("n_messages", [50_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_memory_is_flat_and_nothing_is_lost_or_doubled(kafka, make_model, tmp_path, n_messages):
    make_model(tmp_path / "toy")
    topic, results, commands, group = map(unique, ("in", "out", "cmd", "group"))
    make_topics(AdminClient({"bootstrap.servers": kafka.bootstrap}), {topic: 4, results: 2})
    told = {
        "--model": str(tmp_path / "toy"),
        "--consumer-server": kafka.bootstrap,
        "--consumer-topics": topic,
        "--consumer-group-id": group,
        "--producer-server": kafka.bootstrap,
        "--producer-topic-format": results,
        "--output-schema": "alerce-map",
        "--scribe-server": kafka.bootstrap,
        "--scribe-topic": commands,
        "--consume-messages": "500",
        "--consume-timeout": "1",
        "--limit": str(n_messages),
        "--property": "consumer.queued.max.messages.kbytes=8192",  # full at once
    }
    command = [sys.executable, "-m", "lcclassify", "stream"]
    command += [word for pair in told.items() for word in pair]
    messages, seen = make_messages(), []
    pairs = ((b"%d" % n, messages[n % N_OBJECTS]) for n in range(n_messages))
    produce_all(kafka.bootstrap, topic, pairs, **{"queue.buffering.max.messages": 1000})
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    watcher = threading.Thread(target=watch, args=(process, seen))
    watcher.start()
    try:
        assert process.wait(1200) == 0, (tmp_path / "log").read_text()[-3000:]
    finally:
        process.kill()
        watcher.join()
    assert sum(committed(kafka.bootstrap, group).values()) == n_messages
    answered = Counter(m.key() for m in read_all(kafka.bootstrap, [results], timeout_s=300))
    good = [b"ZTF%04d" % number for number in range(N_OBJECTS) if number % 100]
    assert answered == dict.fromkeys(good, n_messages // N_OBJECTS)
    half = (seen[0][0] + seen[-1][0]) / 2
    early, late = (max(mib for at, mib in seen if (at > half) == is_late) for is_late in (0, 1))
    print(f"{n_messages} messages in {seen[-1][0] - seen[0][0]:.0f} s; {early:.0f}, {late:.0f} MiB")
    assert late - early < GROWTH_MIB, [round(mib) for _, mib in seen[:: len(seen) // 30 + 1]]
