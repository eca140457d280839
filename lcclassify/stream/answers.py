"""Predictions to messages, and to rows for files."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from lcclassify import __version__
from lcclassify.bundle import ModelBundle
from lcclassify.prediction import Prediction
from lcclassify.schemas import OutputSchema
from lcclassify.schemas.avro import AvroOutput
from lcclassify.stream.encoders import Encoder
from lcclassify.stream.message import Channel, Headers, Message, Outgoing

PLACES = ["topic", "partition", "offset"]  # columns that say which message a row is about


class Sent(NamedTuple):
    """What some messages lead to in one place."""

    outgoing: Sequence[Outgoing] = ()
    table: pa.Table | None = None
    rows: Sequence[int] = ()  # the message that each of ``outgoing``, or row of the table, is about
    refused: Mapping[int, str] = MappingProxyType({})  # messages without a record, and why
    too_large: Mapping[int, str] = MappingProxyType({})  # whose record no topic takes, and its size

    def without(self, dead: Container[int]) -> "Sent":
        """The same but for what is about some messages."""
        keep = [row not in dead for row in self.rows]
        outgoing = list(compress(self.outgoing, keep))
        table = None if self.table is None else self.table.filter(pa.array(keep, pa.bool_()))
        return self._replace(outgoing=outgoing, table=table, rows=list(compress(self.rows, keep)))


@dataclass(frozen=True, slots=True)
class ToTopic:
    """Records of a published schema as messages; the key is the id of the object, if it has one."""

    channel: Channel
    output: AvroOutput
    encode: Encoder
    max_bytes: int  # of a value and its key: larger ones end the producer

    def __call__(self, prediction: Prediction, topic: str) -> Sent:
        """The messages, in the order of the records."""
        answers = self.output.answers(prediction)
        ids = prediction.batch.object_id.to_pylist()
        keys = [None if object_id is None else object_id.encode() for object_id in ids]
        headers = headers_of(prediction.bundle)
        outgoing: list[Outgoing] = []
        rows: list[int] = []
        too_large: dict[int, str] = {}
        for row, value in zip(answers.rows.tolist(), self.encode(answers.table), strict=True):
            key = keys[row]
            if (size := len(value) + len(key or b"")) > self.max_bytes:
                too_large[row] = f"{size:,} bytes for {topic}, more than message.max.bytes"
            else:
                outgoing.append(Outgoing(self.channel, topic, key, value, headers))
                rows.append(row)
        return Sent(outgoing, None, rows, answers.refused, too_large)


@dataclass(frozen=True, slots=True)
class ToTable:
    """Rows for files or standard output, each with the place of its message."""

    schema: OutputSchema

    def __call__(self, prediction: Prediction, messages: Sequence[Message]) -> Sent:
        """The rows, in the order of the messages."""
        refused: Mapping[int, str] = {}
        if isinstance(self.schema, AvroOutput):
            table, rows, refused = self.schema.answers(prediction)
        else:  # of a flat table each object has as many rows
            table = self.schema(prediction)
            n_rows = table.num_rows // max(len(messages), 1)
            rows = np.repeat(np.arange(len(messages)), n_rows)
        about = rows.tolist()
        places = [messages[row] for row in about]
        columns = {
            "topic": pa.array([message.topic for message in places], pa.string()),
            "partition": pa.array([message.partition for message in places], pa.int32()),
            "offset": pa.array([message.offset for message in places], pa.int64()),
        }
        for name, column in reversed(columns.items()):
            table = table.add_column(0, pa.field(name, column.type), column)
        return Sent((), table, about, refused)


def headers_of(bundle: ModelBundle) -> Headers:
    """Who answered, in the headers of every message."""
    told = {
        "model": bundle.name,
        "version": bundle.version,
        "digest": bundle.digest,
        "lcclassify": __version__,
    }
    return tuple((name, text.encode()) for name, text in told.items())
