"""Messages as they come in, and what goes out for a batch of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import pyarrow as pa

from lcclassify.remarks import Remark
from lcclassify.tally import Tally

Channel = Literal["results", "scribe", "metrics", "dead"]
Stage = Literal["decode", "batch", "score", "encode"]  # of the work on a message
STAGES: tuple[Stage, ...] = get_args(Stage)
Spans = Mapping[tuple[str, int], tuple[int, int]]  # (topic, partition) -> first and last offset
Headers = tuple[tuple[str, bytes | None], ...]
Where = tuple[str, int, int]  # topic, partition and offset


class Message(NamedTuple):
    """One message as it came, with its place in the stream."""

    topic: str
    partition: int
    offset: int
    value: bytes | None  # None: a tombstone
    key: bytes | None = None
    timestamp: int | None = None  # ms since 1970 (UTC), as Kafka has it
    headers: Headers = ()

    @property
    def where(self) -> Where:
        """Where it is."""
        return self.topic, self.partition, self.offset

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.topic} [{self.partition}] at offset {self.offset}"


class Outgoing(NamedTuple):
    """One message to send."""

    channel: Channel  # whose connection carries it
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Letter(NamedTuple):
    """A dead letter: a message that has no answer, and is itself to blame."""

    message: Message
    stage: Stage  # in which it failed
    reason: str  # for people: what is wrong with it


@dataclass(frozen=True, slots=True)
class Work:
    """Everything that a batch of messages leads to; all of it counts, or nothing."""

    outgoing: Sequence[Outgoing] = ()  # to Kafka, in the order in which to send it
    table: pa.Table | None = None  # rows for files or standard output: topic, partition and offset
    # of the message (string, int32, int64), then the columns of the output
    spans: Spans = field(default_factory=dict)  # of all its messages, for files
    n_answered: int = 0  # messages with a result in ``outgoing``, or rows in ``table``
    n_dead: int = 0  # dead letters in ``outgoing``, in place of a result
    n_skipped: int = 0  # messages with neither
    letters: Sequence[Letter] = ()  # the messages at fault, wherever they are counted
    misfits: Sequence[str] = ()  # why messages cannot be read, or lack the model's features
    statuses: Mapping[str, int] = field(default_factory=dict)  # of the objects, as in ``Summary``
    remarks: Mapping[Remark, int] = field(default_factory=dict)  # on what was left out, doubted
    classes: Mapping[str, int] = field(default_factory=dict)  # most probable -> objects
    best: Mapping[Where, str] = field(default_factory=dict)  # answered message -> that class
    tally: Tally | None = None  # of the objects with an answer; None: they are not watched
    seconds: Mapping[str, float] = field(default_factory=dict)  # of each ``Stage``


def spans_of(messages: Iterable[Message]) -> Spans:
    """The first and last offset of each partition's messages, whatever their order."""
    spans: dict[tuple[str, int], tuple[int, int]] = {}
    for message in messages:
        place, offset = (message.topic, message.partition), message.offset
        first, last = spans.get(place, (offset, offset))
        spans[place] = min(first, offset), max(last, offset)
    return spans
