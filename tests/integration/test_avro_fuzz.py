"""Random schemas and messages: the projected reader beside fastavro, and its walk within bounds.

The compiled walk is built with bounds checking, which lets Numba's negative places pass; these are
refused by the same walk in plain Python. Both readers run in processes of their own.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CHUNK = 100  # seeds that a child is asked for at once
SHORT, LONG = 45.0, 1800.0  # s
LENIENT = "UnicodeDecodeError"  # fastavro reads the text of fields that nobody asked for


class Child:
    """One of the readers of ``avro_child``, begun anew when it has died."""

    def __init__(self, which, folder):
        self.which, self.deaths = which, 0
        paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
        self._environment = os.environ | {
            "NUMBA_BOUNDSCHECK": "1",
            "NUMBA_CACHE_DIR": str(folder),
            "PYTHONPATH": paths,
        }
        self._errors = folder / f"{which}.txt"
        self._start()

    def _start(self):
        command = [sys.executable, "-m", "avro_child", self.which]
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        hello = self.process.stdout.readline()
        assert hello, self.last_words
        self.hello = json.loads(hello)

    def ask(self, first, count):
        """Begin with these seeds."""
        self.process.stdin.write(f"{first} {count}\n")
        self.process.stdin.flush()

    def answers(self, first, count):
        """An answer for each; None for a seed that was the end of the process."""
        for seed in range(first, first + count):
            line = self.process.stdout.readline()
            if line:
                yield json.loads(line)
                continue
            self.close()
            self.deaths += 1
            yield None
            self._start()
            if seed + 1 < first + count:
                self.ask(seed + 1, first + count - seed - 1)

    @property
    def last_words(self):
        """What it said on standard error."""
        self.process.wait()
        return f"exit {self.process.returncode}: {self._errors.read_text()[-2000:]}"

    def close(self):
        """End it."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture
def children(tmp_path):
    pair = Child("ours", tmp_path), Child("fastavro", tmp_path)
    yield pair
    for child in pair:
        child.process.kill()
        child.close()


def compare(seed, ours, theirs, counts):
    """Hold the two answers to a case against each other."""
    counts.update(schemas=1, walks=ours["walks"], checked_walks=ours["checked"])
    if "refused" in ours:
        counts["schemas refused"] += 1
        assert ours["refusable"] or not ours["sound"], (seed, ours["refused"])
        return
    assert not ours["must_refuse"], seed
    assert not ours["refusable"], seed
    read = theirs.get("read", [None] * len(ours["read"])) if theirs else [None] * 8
    assert theirs is None or "read" in theirs or not ours["sound"], (seed, theirs)
    for (kind, left), expected, other in zip(ours["read"], ours["expected"], read, strict=True):
        counts.update(messages=1, **{kind: 1})
        where = seed, left, expected, other
        assert expected is None or (kind, left) == ("value", expected), where
        if other is None:
            counts["no opinion"] += 1
        elif kind == "value":
            counts["same value"] += other[0] == "value"
            assert other[1] == left or other == ["unreadable", LENIENT], where
        elif other[0] == "value":  # by rules of its own: from the end, or beyond 64 bits
            counts["stricter than fastavro"] += 1
            assert not other[2], where


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.long)],
)
def test_no_schema_and_no_message_leads_the_reader_astray(
    seconds, children, record_property, capsys
):
    ours, fastavro = children
    assert ours.hello == {"bounds": True}
    first = 0 if seconds == SHORT else random.SystemRandom().randrange(2**40)
    counts, end = Counter(), time.monotonic() + seconds
    while time.monotonic() < end:
        for child in children:
            child.ask(first, CHUNK)
        pairs = zip(ours.answers(first, CHUNK), fastavro.answers(first, CHUNK), strict=True)
        for seed, (one, other) in enumerate(pairs, first):
            assert one is not None, (seed, ours.last_words)
            compare(seed, one, other, counts)
        first += CHUNK
    counts["deaths of fastavro"] = fastavro.deaths
    for name, count in counts.items():
        record_property(name, count)
    with capsys.disabled():
        print(f"\navro: {', '.join(f'{count:,} {name}' for name, count in counts.items())}")
    assert ours.deaths == 0
    assert min(counts[n] for n in ("same value", "unreadable", "schemas refused")) > 0
    assert min(counts[n] for n in ("checked_walks", "stricter than fastavro")) > 0
