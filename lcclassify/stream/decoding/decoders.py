"""Message bytes to records, whatever the form."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lcclassify.avro.files import read_avsc
from lcclassify.errors import SettingsError, os_reason
from lcclassify.stream.decoding.containers import Containers
from lcclassify.stream.decoding.narrow import UnreadableError, Wants, compile_walk, narrow
from lcclassify.stream.decoding.registry import Registry
from lcclassify.stream.settings import Input

Decoder = Callable[[bytes], dict[str, Any]]  # UnreadableError if a message cannot be read


def open_decoder(settings: Input, wants: Wants) -> Decoder:
    """How messages are read. SettingsError or InputError if that is not known."""
    return DECODERS[settings.form](settings, wants)


def _containers(settings: Input, wants: Wants) -> Decoder:
    compile_walk()
    return Containers(wants)


def _schemaless(settings: Input, wants: Wants) -> Decoder:
    if settings.schema is None:
        raise SettingsError("schemaless messages need the schema that they were written with")
    compile_walk()
    try:
        schema = read_avsc(Path(settings.schema))
    except OSError as error:
        raise SettingsError(f"cannot read {settings.schema}: {os_reason(error)}") from None
    except ValueError as error:
        raise SettingsError(f"{settings.schema} is no Avro schema to read by: {error}") from None
    return narrow(schema, wants, settings.schema)


def _confluent(settings: Input, wants: Wants) -> Decoder:
    if settings.registry is None:
        raise SettingsError("messages with Confluent's framing need the URL of a schema registry")
    auth = None
    if settings.registry_user is not None and settings.registry_password is not None:
        auth = settings.registry_user, settings.registry_password
    compile_walk()
    return Registry(settings.registry, wants, auth)


def _json(settings: Input, wants: Wants) -> Decoder:
    return read_json


def read_json(data: bytes) -> dict[str, Any]:
    """A message of JSON. NaN and Infinity are read as Python writes them. UnreadableError"""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"it is no JSON: {error!s:.100}") from None
    if not isinstance(value, dict):
        raise UnreadableError("it is no JSON object")
    return value


DECODERS: dict[str, Callable[[Input, Wants], Decoder]] = {
    "avro": _containers,
    "schemaless": _schemaless,
    "confluent": _confluent,
    "json": _json,
}
