"""Records, read one by one from JSON Lines or Avro, to columns."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from lcclassify.sources.columns import as_text
from lcclassify.sources.curve_forms import DIA_SOURCE, IDS
from lcclassify.sources.ids import Ids, best_ids, decode, is_writable, read_values
from lcclassify.sources.parquet import FEATURES, HEADERS, NO_FEATURES, homonyms
from lcclassify.status import Problem, Status

Record = Mapping[str, Any]


def flatten(record: Record) -> dict[str, Any]:
    """The values of a record, of its features and of its header under their own names.

    The header wins over the record itself, that over the features. A feature that is called like
    a value of the header is also there as ``features.NAME``.
    """
    nested = {name: record[name] for name in (FEATURES, *HEADERS) if name in record}
    values = {name: value for name, value in record.items() if name not in nested}
    header = {k: v for name in HEADERS for k, v in _dict(nested.get(name)).items()}
    features = _dict(nested.get(FEATURES))
    named = {other: features[name] for name, other in homonyms(features)}
    return features | values | header | named


def lacks_features(record: Record) -> Problem | None:
    """What is wrong with a record whose place for features holds none."""
    if FEATURES in record and not isinstance(record[FEATURES], dict):
        return NO_FEATURES
    return None


def id_places(record: Record, name: str) -> tuple[Any, ...]:
    """What a record has for an id in each place, in the order in which they count."""
    source = record.get(DIA_SOURCE) if name in IDS else None
    nested = (source, *(record.get(place) for place in reversed(HEADERS)))
    values = (_dict(each).get(name) for each in nested)
    own = None if name in (FEATURES, *HEADERS) else record.get(name)
    return (*values, own, _dict(record.get(FEATURES)).get(name))


def hidden_values(record: Record) -> Iterator[tuple[str, Any]]:
    """Values that others of the same name win over, and the ids of the source of an alert."""
    features, source = _dict(record.get(FEATURES)), _dict(record.get(DIA_SOURCE))
    header = {name for place in HEADERS for name in _dict(record.get(place))}
    yield from ((name, source[name]) for name in IDS if name in source)
    yield from ((name, features[name]) for name in features.keys() & (record.keys() | header))
    yield from ((name, record[name]) for name in record.keys() & header)


def id_array(
    name: str, places: Sequence[tuple[Any, ...]], kind: pa.DataType, exact: int = 2**53
) -> Ids:
    """The ids of records, of which ``id_places`` are given: an exact one, or else the first.

    Floats of whole numbers below ``exact`` are exact.
    """
    columns = [column for column in zip(*places, strict=True) if any(v is not None for v in column)]
    columns = columns or [(None,) * len(places)]
    return best_ids([read_values(name, column, kind, exact) for column in columns])


def number_array(name: str, values: Sequence[Any], problems: dict[int, Problem]) -> pa.Array:
    """Values as numbers, or as text for ``number_table``; adds the rows that hold neither."""
    try:
        return pa.array(values, pa.float64())
    except (pa.ArrowException, TypeError, OverflowError):
        return pa.array([_number(name, row, v, problems) for row, v in enumerate(values)])


def exact_array(values: Sequence[Any]) -> pa.Array:
    """Values of one type as they are; of several as text, null where a value has none.

    Likewise of lists, whose values have one type in all of them.
    """
    try:
        return as_text(pa.array(values))[0]
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        if all(value is None or isinstance(value, list) for value in values):
            lists = [list(map(_text, v)) if isinstance(v, list) else None for v in values]
            return pa.array(lists, pa.list_(pa.string()))
        return pa.array(list(map(_text, values)), pa.string())


def struct_array(name: str, value: Any, kind: pa.DataType) -> tuple[pa.Array, Problem | None]:
    """A record, or a list of them, with the fields of a type; null and why if it does not fit."""
    try:
        return pa.array([value], kind), None
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = f"{name}: {error!s:.100}"
        return pa.nulls(1, kind), Problem(Status.INVALID_RECORD, reason)


def is_int64(value: Any) -> bool:
    """Whether a value is an integer of 64 bits. Booleans are none."""
    return type(value) is int and -(2**63) <= value < 2**63


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(name: str, row: int, value: Any, problems: dict[int, Problem]) -> str | None:
    """A value as text, which ``number_table`` reads as it reads that of a CSV file."""
    if isinstance(value, bytes):
        value = decode(value) or value
    if value is None or (isinstance(value, str) and is_writable(value)):
        return value
    if isinstance(value, int | float):
        return repr(float(value)) if abs(value) < 2**1023 else str(value)
    reason = f"{name} = {value!r:.60} is not a number"
    problems.setdefault(row, Problem(Status.INVALID_FEATURES, reason))
    return None


def _text(value: Any) -> str | None:
    """A value as text; one that holds others as the beginning of what it looks like."""
    if isinstance(value, str):
        return value if is_writable(value) else None
    if isinstance(value, list | dict):
        return ascii(value)[:60]
    return str(value) if isinstance(value, int | float) else None
