"""read_replay: from what was told to what a replay does, or everything that is wrong with it."""

import os

from lcclassify.stream.brokers.check import CONNECTING
from lcclassify.stream.config.connections import read_client
from lcclassify.stream.config.findings import Findings
from lcclassify.stream.config.options import shown
from lcclassify.stream.config.told import Choice
from lcclassify.stream.dead.replay import Replay
from lcclassify.stream.settings import Client
from lcclassify.stream.topics import RULE, is_legal

OF_GROUP = "group.instance.id"  # of the stream, which may run at the same time


def read_replay(choice: Choice, source: str, *, to: str | None, group: str | None) -> Replay:
    """What is replayed from where to where. SettingsError tells all that is missing and wrong"""
    findings = Findings(problems=list(choice.problems))
    is_folder = source.endswith("/") or os.path.isdir(source)
    if is_folder and not os.path.isdir(source):
        findings.problems.append(f"there is no folder {shown(source)}")
    if is_folder and group is not None:
        findings.problems.append("--group is for topics: a folder remembers what was replayed")
    for way, topic in (("PLACE", None if is_folder else source), ("--to", to)):
        if topic is not None and not is_legal(topic):
            findings.problems.append(
                f"{way}: {shown(topic)} is no topic name: {RULE}; the name of a folder ends in /"
            )
    consumer = read_client(choice, "consumer", findings)
    producer = consumer if is_folder else read_client(choice, "producer", findings)
    findings.raise_all()
    return Replay(
        source=source,
        target=_mixed(consumer, producer),
        letters=None if is_folder else _mixed(producer, consumer),
        to=to,
        group=group,
        limit=choice["consumer.limit"],
        debug=choice["run.debug"],
    )


def _mixed(connection: Client, rest: Client) -> Client:
    """The cluster of one, and what else was told of the other, as both are used the other way."""
    theirs = {
        k: v for k, v in rest.properties.items() if not k.startswith(CONNECTING) and k != OF_GROUP
    }
    ours = {k: v for k, v in connection.properties.items() if k.startswith(CONNECTING)}
    return Client(connection.servers, {**theirs, **ours})
