"""Avro schemas: the columns that records of a schema have."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import pyarrow as pa

from lcclassify.avro.schema import INSIDE, bounded
from lcclassify.errors import InputError
from lcclassify.sources.columns import is_number, is_text
from lcclassify.sources.curve_forms import ALERT, DETECTIONS, DIA_SOURCE, IDS, observed_names
from lcclassify.sources.parquet import FEATURES, HEADERS, homonyms

Named = Mapping[str, Any]  # full name of a type -> its schema
NESTED = pa.struct([])
KINDS = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "long": pa.int64(),
    "float": pa.float64(),
    "double": pa.float64(),
    "string": pa.string(),
    "enum": pa.string(),
    "bytes": pa.string(),  # as FITS and HDF5 have text
    "fixed": pa.string(),
    "array": pa.list_(pa.null()),
}


def fields(schema: Any, named: Named) -> dict[str, pa.DataType]:
    """The columns that a schema names, of the type that each can hold."""
    columns: dict[str, pa.DataType] = {}
    source: dict[str, pa.DataType] = {}  # ids of the source of an alert
    for field in schema["fields"]:
        branches = _resolved(field["type"], named)
        if field["name"] in (FEATURES, *HEADERS):
            records = [branch for branch in branches if _type(branch) == "record"]
            inner = [child for record in records for child in record["fields"]]
            kinds = {child["name"]: _kind(_branches(child["type"])) for child in inner}
            columns |= kinds
            if field["name"] == FEATURES:
                columns |= {other: kinds[name] for name, other in homonyms(kinds)}
        else:
            columns[field["name"]] = _kind(branches)
        if field["name"] == DIA_SOURCE:
            records = [branch for branch in branches if _type(branch) == "record"]
            inner = [child for record in records for child in record["fields"]]
            source |= {c["name"]: _kind(_branches(c["type"])) for c in inner if c["name"] in IDS}
    return source | columns


def id_types(schema: Any, named: Named) -> dict[str, list[str]]:
    """The names of all types that a value of a name may have, wherever ids are looked for."""
    found: dict[str, list[str]] = {}
    for field in schema["fields"]:
        branches = [named.get(b, b) if isinstance(b, str) else b for b in _branches(field["type"])]
        places = [field]
        if field["name"] in (FEATURES, *HEADERS, DIA_SOURCE):
            records = [branch for branch in branches if _type(branch) == "record"]
            places += [child for record in records for child in record["fields"]]
        for place in places:
            found.setdefault(place["name"], []).extend(map(_type, _branches(place["type"])))
    return found


def nested_fields(schema: Any, named: Named) -> dict[str, pa.DataType]:
    """The records of observations, or arrays of them, with the fields that light curves need."""
    found: dict[str, pa.DataType] = {}
    for field in schema["fields"]:
        if field["name"] in (DETECTIONS, *ALERT):
            record, is_list = None, False  # of the last branch that has one
            for branch in _resolved(field["type"], named):
                if _type(branch) == "record":
                    record, is_list = branch, False
                elif _type(branch) == "array":
                    item = branch["items"]
                    item = named.get(item, item) if isinstance(item, str) else item
                    if _type(item) == "record":
                        record, is_list = item, True
            if record is not None:
                kind = _struct(record)
                found[field["name"]] = pa.list_(kind) if is_list else kind
    return found


def _resolved(schema: Any, named: Named) -> list[Any]:
    """The branches of a type, names replaced by what they name: each such type once."""
    whole = [named.get(b, b) if isinstance(b, str) else b for b in _branches(schema)]
    return list({id(branch): branch for branch in whole}.values())


def _struct(record: Any) -> pa.DataType:
    kinds = {
        child["name"]: _kind(_branches(child["type"]))
        for child in record["fields"]
        if child["name"] in observed_names()
        and not any(isinstance(b, dict) and "logicalType" in b for b in _branches(child["type"]))
    }
    return pa.struct({n: kind for n, kind in kinds.items() if is_number(kind) or is_text(kind)})


def full_name(schema: Any) -> str:
    """The name of a record with its namespace."""
    if "." in schema["name"]:
        return str(schema["name"])
    return ".".join(filter(None, (schema.get("namespace"), schema["name"])))


def bounded_schema(path: object, schema: Any) -> Any:
    """A copy of a schema that fastavro can follow. InputError if there is none, see ``bounded``."""
    try:
        return bounded(schema)
    except ValueError as error:
        raise InputError(f"{path} cannot be read: {error}") from None


def named_types(path: object, schema: Any) -> Named:
    """The types that a bounded schema names, once fastavro has parsed it.

    InputError if it is not that of records.
    """
    if _type(schema) != "record":
        raise InputError(f"{path} holds no records, but {_type(schema)}")
    named: dict[str, Any] = {}
    _collect(schema, named)
    return named


def _collect(schema: Any, named: dict[str, Any]) -> None:
    """Add the types that a schema defines."""
    if isinstance(schema, list):
        for branch in schema:
            _collect(branch, named)
    elif isinstance(schema, dict):
        if "name" in schema:
            named[schema["name"]] = schema
        for inside in (*(f["type"] for f in schema.get("fields", ())), *_inside(schema)):
            _collect(inside, named)


def _inside(schema: Any) -> list[Any]:
    return [schema[INSIDE[schema["type"]]]] if schema["type"] in INSIDE else []


def _branches(schema: Any) -> list[Any]:
    return schema if isinstance(schema, list) else [schema]


def _type(schema: Any) -> str:
    """Name of a type; a union has none of its own."""
    if isinstance(schema, dict):
        return _type(schema["type"])
    return schema if isinstance(schema, str) else "a union"


def _kind(branches: Sequence[Any]) -> pa.DataType:
    return column_kind([_type(branch) for branch in branches])


def column_kind(types: Sequence[str]) -> pa.DataType:
    """The type of a column with values of several Avro types."""
    return reduce(common, (KINDS.get(name, NESTED) for name in types), pa.null())


def common(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The type that holds the values of two: of numbers and text, text."""
    if pa.types.is_null(one) or one == other:
        return other
    if pa.types.is_null(other):
        return one
    if not all(is_number(kind) or is_text(kind) for kind in (one, other)):
        return NESTED
    return pa.float64() if is_number(one) and is_number(other) else pa.string()
