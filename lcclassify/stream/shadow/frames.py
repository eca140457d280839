"""What goes to a shadow's process: its settings, then batches of messages, as plain bytes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from struct import Struct
from typing import IO, Any

from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.stream.message import Message
from lcclassify.stream.secret import Secret
from lcclassify.stream.settings import (
    Client,
    DeadLetters,
    Drift,
    Input,
    Model,
    Operation,
    Settings,
    Tom,
)
from lcclassify.stream.topics import DailyTopics, OneTopic
from lcclassify.task import Output

KINDS: Mapping[str, Callable[..., Any]] = {
    kind.__name__: kind
    for kind in (
        Client,
        DailyTopics,
        DeadLetters,
        Drift,
        Input,
        LightCurveOptions,
        Model,
        OneTopic,
        Operation,
        Output,
        Secret,
        Settings,
        Tom,
    )
}
KIND = ""  # key of a value's kind, which no field and no property is called
Stream = IO[bytes]
COUNT = Struct("<I")  # bytes of settings, or messages of a batch
HEAD = Struct("<iqqiii")  # partition, offset, timestamp, bytes of topic, key and value
NONE = -1  # where there is no timestamp, key or value


def write_settings(stream: Stream, settings: Settings) -> None:
    """Write settings, secrets in clear: for a pipe that nobody else reads. OSError"""
    data = json.dumps(settings, default=_plain).encode()
    stream.write(COUNT.pack(len(data)) + data)
    stream.flush()


def read_settings(stream: Stream) -> Settings:
    """Settings as ``write_settings`` has them. EOFError"""
    [size] = COUNT.unpack(_exactly(stream, COUNT.size))
    settings: Settings = json.loads(_exactly(stream, size), object_hook=_whole)
    return settings


def write_batch(stream: Stream, messages: Sequence[Message]) -> None:
    """Write messages without their headers. OSError"""
    stream.write(COUNT.pack(len(messages)))
    for message in messages:
        topic = message.topic.encode()
        sizes = (NONE if part is None else len(part) for part in (message.key, message.value))
        time = NONE if message.timestamp is None else message.timestamp
        head = HEAD.pack(message.partition, message.offset, time, len(topic), *sizes)
        stream.write(b"".join((head, topic, message.key or b"", message.value or b"")))
    stream.flush()


def read_batch(stream: Stream) -> list[Message]:
    """The next messages. EOFError if there are none, or not all of them"""
    [count] = COUNT.unpack(_exactly(stream, COUNT.size))
    return [_read_message(stream) for _ in range(count)]


def _read_message(stream: Stream) -> Message:
    partition, offset, time, *sizes = HEAD.unpack(_exactly(stream, HEAD.size))
    topic, key, value = (None if size == NONE else _exactly(stream, size) for size in sizes)
    assert topic is not None
    timestamp = None if time == NONE else time
    return Message(topic.decode(), partition, offset, value, key, timestamp)


def _exactly(stream: Stream, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _plain(value: Any) -> dict[str, Any]:
    """What JSON has no word for. TypeError"""
    if isinstance(value, Secret):
        return {KIND: "Secret", "text": value.reveal()}
    if is_dataclass(value) and type(value).__name__ in KINDS:
        told = {field.name: getattr(value, field.name) for field in fields(value)}
        return {KIND: type(value).__name__, **told}
    raise TypeError(f"settings of a shadow cannot hold a {type(value).__name__}")


def _whole(told: dict[str, Any]) -> Any:
    kind = told.pop(KIND, None)
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in told.items()}
    return values if kind is None else KINDS[kind](**values)
