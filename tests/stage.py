"""The stream command as an operator runs it, on topics of a test's own."""

import json
import random
import subprocess
import sys
from threading import Timer

from confluent_kafka.admin import AdminClient
from scene import until
from topics import committed, make_topics, produce_all, read_all, unique

from lcclassify.testing import TOY_FEATURES

COMMAND = [sys.executable, "-m", "lcclassify", "stream"]


class Stage:
    """An input topic with numbered messages, a group, and what every run of the command is told."""

    def __init__(self, bootstrap, model, batch=20, schema="alerce-map"):
        self.bootstrap, self.batch, self.n_sent = bootstrap, batch, 0
        self.topic, self.group = unique("in"), unique("group")
        make_topics(AdminClient({"bootstrap.servers": bootstrap}), {self.topic: 1})
        self.options = [
            *("--model", model, "--input-format", "json", "--encoding", "schemaless"),
            *("--consumer-server", bootstrap),
            *("--consumer-topics", self.topic, "--consume-messages", str(batch)),
            *("--output-schema", schema, "--consume-timeout", "1"),
        ]

    def send(self, count):
        """Messages whose features are random, one in seven without."""
        rng = random.Random(self.n_sent)
        pairs = []
        for number in range(self.n_sent, self.n_sent + count):
            features = {name: rng.gauss(0, 1) for name in TOY_FEATURES} if number % 7 else None
            about = {"oid": f"a{number}", "candid": [str(number)], "detections": [alert(number)]}
            pairs.append((None, json.dumps(about | {"features": features}).encode()))
        produce_all(self.bootstrap, self.topic, pairs)
        self.n_sent += count

    def start(self, *more, out="out", **named):
        """The command with a group of the name; results go to a topic of the name, or elsewhere."""
        told = ["--consumer-group-id", f"{self.group}-{out}"]
        if "--to" not in more:
            told += ["--producer-server", self.bootstrap, "--producer-topic-format", self.of(out)]
        command = [*COMMAND, *self.options, *told, *more]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **named)

    def run(self, *more, code=0, **named):
        """To the end of what is there; what it said."""
        with self.start("--until-eos", *more, **named) as process:
            said = process.stderr.read()
        assert process.returncode == code, said
        return said

    def of(self, name):
        """A topic of the test's own."""
        return f"{self.topic}-{name}"

    def sent(self, name):
        """What is in a topic: key, value and headers of each message."""
        read = read_all(self.bootstrap, [self.of(name)])
        return [(message.key(), message.value(), message.headers()) for message in read]

    def n_handled(self, out="out"):
        return committed(self.bootstrap, f"{self.group}-{out}").get((self.topic, 0), 0)

    def wait(self, out="out"):
        until(lambda: self.n_handled(out) == self.n_sent, lambda: self.n_handled(out), 60)


def alert(number):
    """A detection as ELAsTiCC's messages have it."""
    times = {"surveyPublishTimestamp": 1_700_000_000_000.0 + number}
    return {
        "candid": str(number),
        "mjd": 60000.5,
        "has_stamp": True,
        "new": True,
        "extra_fields": {"alertId": number, "diaSourceId": number + 1000, **times},
    }


def wait_for(process, words, timeout_s=60):
    """Read what it says until a line with these words; returns all."""
    said = []
    impatience = Timer(timeout_s, process.kill)
    impatience.start()
    try:
        for line in process.stderr:
            said.append(line)
            if words in line:
                return "".join(said)
    finally:
        impatience.cancel()
    raise AssertionError("".join(said))
