"""The schemas that files are, or were written with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lcclassify.avro.files import AVSC, LIMIT
from lcclassify.avro.schema import is_legal
from lcclassify.errors import InputError
from lcclassify.schemas.avro import SCHEMA_KEY
from lcclassify.schemas.avsc import Type, parse_schema
from lcclassify.sources.avro import SAMPLE, file_header
from lcclassify.sources.avro_schema import column_kind
from lcclassify.sources.file import FORMATS
from lcclassify.sources.jsonl import JsonLinesPart
from lcclassify.sources.parquet import FEATURES, HEADERS, SUFFIXES
from lcclassify.sources.places import LOCAL, Place, find_places


@dataclass(frozen=True, slots=True)
class Written:
    """Files of one schema."""

    places: tuple[Place, ...]
    schema: Type | None  # None: they carry no Avro schema


def read_schemas(inputs: Sequence[str]) -> list[Written]:
    """The schemas of files, folders, globs and URLs, each with its files. InputError"""
    groups: dict[bytes | str, list[Place]] = {}
    bare = set()
    for pattern in inputs:
        for place in find_places(pattern, (*FORMATS, AVSC)):
            text = _schema_text(place)
            # What an .avsc does not define is looked for beside it: equal texts may differ.
            key = str(place) if text is None or place.suffix == AVSC else text
            groups.setdefault(key, []).append(place)
            if text is None:
                bare.add(key)
    return [
        Written(tuple(places), None if key in bare else read_schema(places[0]))
        for key, places in groups.items()
    ]


def sample(place: Place) -> list[Any]:
    """The first values of a JSON Lines file; none at all of a file that is something else."""
    if FORMATS[place.suffix] is not JsonLinesPart:
        return []
    with place.open_buffered() as file:
        try:
            return [json.loads(line) for line in islice(file, SAMPLE)]
        except (ValueError, RecursionError):
            return []


def read_schema(place: Place) -> Type:
    """The schema of one file. InputError if it is none, or carries none."""
    text = _schema_text(place)
    if text is None:
        raise InputError(f"{place} carries no Avro schema; .avsc, .avro and published .parquet do")

    def find(name: str) -> bytes | None:
        if place.suffix != AVSC or not place.is_local or not all(map(is_legal, name.split("."))):
            return None
        path = PurePath(place.path).with_name(f"{name}{AVSC}")
        try:
            return _start(Place(str(path), LOCAL, str(path)))
        except InputError:  # no such file
            return None

    try:
        return parse_schema(text, find)
    except ValueError as error:
        raise InputError(f"{place} is no Avro schema that can be read: {error}") from None


def schema_columns(schema: Type) -> Mapping[str, pa.DataType]:
    """The columns that records of a schema have, under the names that ``classify-file`` reads.

    ValueError if features are a map, whose names only data tell.
    """
    columns: dict[str, pa.DataType] = {}
    for field in schema.fields:
        branches = field.type.branches
        if field.name in (FEATURES, *HEADERS):
            if any(branch.kind == "map" for branch in branches):
                raise ValueError(f"its {field.name} are a map: only data tell what is in it")
            inner = [child for branch in branches for child in branch.fields]
            columns |= {c.name: column_kind([b.kind for b in c.type.branches]) for c in inner}
        else:
            nested = [kind for branch in branches if (kind := _nested(branch)) is not None]
            columns[field.name] = nested[0] if nested else column_kind([b.kind for b in branches])
    return columns


def _nested(branch: Type) -> pa.DataType | None:
    """The type of a record, or of an array of them, whose fields light curves may be in."""
    if branch.kind == "record":
        kinds = {c.name: column_kind([b.kind for b in c.type.branches]) for c in branch.fields}
        return pa.struct(kinds)
    if branch.kind == "array":
        items = [_nested(item) for item in branch.parts[0].branches if item.kind == "record"]
        return pa.list_(items[0]) if items else None
    return None


def _schema_text(place: Place) -> bytes | None:
    """The JSON of a file's schema; None where the format, or the file, has none."""
    if place.suffix == AVSC:
        return _start(place)
    if place.suffix == ".avro":
        return _header(place)
    if place.suffix in SUFFIXES:
        try:
            with place.open_file() as opened:
                metadata: Mapping[bytes, bytes] = pq.read_schema(opened).metadata or {}
        except pa.ArrowInvalid as error:
            raise InputError(f"{place} is not a Parquet file: {error}") from None
        return metadata.get(SCHEMA_KEY.encode())
    with place.open_stream():  # it is there
        return None


def _header(place: Place) -> bytes:
    """The schema in the header of an Avro file, which nothing but this function has looked at."""
    with place.open_buffered() as file:
        header = file_header(place, file)
    if place.name.endswith(place.suffix):  # and not inside gzip, where the end is far
        with place.open_file() as opened:
            opened.seek(opened.size() - len(header.mark))
            end = opened.read()
        if end != header.mark:
            raise InputError(f"{place} is damaged: it ends inside a block")
    return header.schema


def _start(place: Place) -> bytes:
    with place.open_buffered() as file:
        text = file.read(LIMIT + 1)
    if len(text) > LIMIT:
        raise InputError(
            f"{place} is no Avro schema that can be read: it is larger than {LIMIT} bytes"
        )
    return text
