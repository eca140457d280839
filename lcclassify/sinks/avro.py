"""Avro files."""

import hashlib
import json
from typing import IO, Any

import pyarrow as pa
from fastavro import parse_schema
from fastavro.write import Writer

from lcclassify.errors import OutputError
from lcclassify.schemas.avro import SCHEMA_KEY
from lcclassify.sinks.records import records, signed

KINDS = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_integer, "long"),
    (pa.types.is_floating, "double"),
    (pa.types.is_string, "string"),
    (pa.types.is_large_string, "string"),
)


class AvroFormat:
    """An object container file; its header also has the table's metadata.

    Its bytes depend on the rows alone, not on the tables they came in.
    """

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        metadata = {
            key.decode(): text.decode()
            for key, text in (schema.metadata or {}).items()
            if key.startswith(b"lcclassify.")
        }
        avro = avro_schema(schema)
        described = json.dumps([avro, metadata]).encode()
        self._writer = Writer(
            file,
            parse_schema(avro),
            codec="deflate",
            metadata=metadata,
            # Any 16 bytes that do not occur in the data by chance; these make files reproducible.
            sync_marker=hashlib.sha256(described).digest()[:16],
        )

    def write(self, table: pa.Table, /) -> None:
        """Append records."""
        for record in records(signed(table)):
            self._writer.write(record)

    def close(self, *, keep: bool = True) -> None:
        """Write the last block of a file that is kept."""
        if keep:
            self._writer.flush()


def avro_schema(schema: pa.Schema) -> dict[str, Any]:
    """The Avro schema that a table says it follows; else one that its columns make."""
    if text := (schema.metadata or {}).get(SCHEMA_KEY.encode()):
        return dict(json.loads(text))
    fields = [{"name": field.name, "type": ["null", _kind(field)]} for field in schema]
    return {"type": "record", "name": "row", "namespace": "lcclassify", "fields": fields}


def _kind(field: pa.Field) -> str:
    for holds, kind in KINDS:
        if holds(field.type):
            return kind
    raise OutputError(f"cannot write column {field.name!r} to Avro: it holds {field.type}")
