"""A dead letter as a message: the value and key as they came, and the facts in its headers.

They stand after the message's own headers, always as many and in one order, so that what came is
told from what was added whatever names a message comes with.
"""

from collections.abc import Mapping
from typing import NamedTuple

from lcclassify.errors import BrokerError, InputError
from lcclassify.stream.message import Headers, Letter, Message, Outgoing
from lcclassify.stream.topics import is_legal

PREFIX = "lcclassify."
FACTS = ("error", "stage", "topic", "partition", "offset", "timestamp")
MODEL = ("model", "version", "digest", "lcclassify")  # as in the headers of results
REPLAYS = "replays"  # how often the message was a letter that was replayed
NAMES = (*FACTS, *MODEL, REPLAYS)
LONGEST = 2000  # characters of an error


class Origin(NamedTuple):
    """What a dead letter was: the headers that it came with, and its facts by name."""

    headers: Headers
    facts: Mapping[str, str]

    @property
    def topic(self) -> str:
        """Where it came from."""
        return self.facts["topic"]

    @property
    def place(self) -> str:
        """Where it was, for people."""
        return f"{self.topic} [{self.facts['partition']}] at offset {self.facts['offset']}"


def to_outgoing(letter: Letter, topic: str, model: Headers) -> Outgoing:
    """The letter as it is sent; ``model`` are the headers of results, which name it."""
    message = letter.message
    facts = {
        "error": letter.reason[:LONGEST],
        "stage": letter.stage,
        "topic": message.topic,
        "partition": str(message.partition),
        "offset": str(message.offset),
        "timestamp": "" if message.timestamp is None else str(message.timestamp),
    }
    told: dict[str, bytes | None] = {
        **{name: text.encode("utf-8", "backslashreplace") for name, text in facts.items()},
        **dict(model),
        REPLAYS: str(n_replays(message.headers)).encode(),
    }
    added = tuple((PREFIX + name, told[name]) for name in NAMES)
    return Outgoing("dead", topic, message.key, message.value, (*message.headers, *added))


def refuse_too_large(letter: Outgoing, message: Message, max_bytes: int) -> None:
    """BrokerError if no topic takes the letter: it must not be lost, nor go without its value."""
    headers = sum(len(name) + len(value or b"") for name, value in letter.headers)
    size = len(letter.value or b"") + len(letter.key or b"") + headers
    if size > max_bytes:
        raise BrokerError(
            f"{message.place} is a dead letter of {size:,} bytes, more than message.max.bytes; "
            "raise that (producer.message.max.bytes, and max.message.bytes of the topic), or name "
            "a folder by --dead-letters"
        )


def read_origin(headers: Headers) -> Origin:
    """What ``to_outgoing`` wrote. InputError if it did not write these."""
    own, added = headers[: -len(NAMES)], headers[-len(NAMES) :]
    if [name for name, _ in added] != [PREFIX + name for name in NAMES]:
        raise InputError("it has not the headers of a dead letter")
    texts = [(value or b"").decode("utf-8", "replace") for _, value in added]
    facts = dict(zip(NAMES, texts, strict=True))
    numbers = all(facts[name].isdecimal() for name in ("partition", "offset", REPLAYS))
    if not (numbers and is_legal(facts["topic"])):
        raise InputError("the headers of a dead letter make no sense")
    return Origin(own, facts)


def to_replay(letter: Outgoing, topic: str | None) -> Outgoing:
    """The message as it came, for ``topic``, or the one that it came from. InputError"""
    origin = read_origin(letter.headers)
    mark = PREFIX + REPLAYS
    count = str(int(origin.facts[REPLAYS]) + 1).encode()
    kept = tuple(item for item in origin.headers if item[0] != mark)
    headers = (*kept, (mark, count))
    return Outgoing("results", topic or origin.topic, letter.key, letter.value, headers)


def n_replays(headers: Headers) -> int:
    """How often a message was replayed, as its headers say; 0 if they say nothing sensible."""
    told = dict(headers).get(PREFIX + REPLAYS) or b""
    return int(told) if told.isdigit() and len(told) < 10 else 0
