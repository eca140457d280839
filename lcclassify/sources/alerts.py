"""Alert packets of LSST and ELAsTiCC: one object, as it was when its alert was sent."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import Batch
from lcclassify.features import is_header
from lcclassify.sources.curve_forms import DIA_SOURCE, IDS
from lcclassify.sources.light_curves import together
from lcclassify.sources.messages import NO_HEADER

OBJECT, SOURCE = IDS
CONTEXT = ("alertId", "elasticcPublishTimestamp", "brokerIngestTimestamp")


def alert_context(columns: Mapping[str, pa.DataType]) -> list[str]:
    """The columns of alerts that output schemas ask for and that are there."""
    return [name for name in CONTEXT if name in columns]


def with_alert(batch: Batch) -> Batch:
    """A batch with what lies in the packet's own source, and with objects known by it.

    Its context has that source, and what ``alert_context`` found; times become ms.
    """
    source = batch.context[DIA_SOURCE].combine_chunks()
    context = {
        name: _int64(batch.context[name]) if name in CONTEXT else batch.context[name]
        for name in batch.context.column_names
    }
    if (field := _field(source, SOURCE)) is not None:
        context[SOURCE] = field.cast(pa.int64())
    object_id = batch.object_id
    if batch.id_name == OBJECT and (field := _field(source, OBJECT)) is not None:
        object_id = pc.coalesce(field.cast(object_id.type), object_id)
    return replace(
        batch,
        object_id=object_id,
        context=pa.table(context),
        repairs=together(batch.repairs, dict.fromkeys(_headless(batch.features), NO_HEADER)),
    )


def _headless(features: pa.Table) -> Sequence[int]:
    """The rows of which every value of the header is null, if any is asked for."""
    header = [
        column
        for name, column in zip(features.column_names, features.columns, strict=True)
        if is_header(name)
    ]
    if not header:
        return []
    value = pc.coalesce(*header)
    return list(pc.indices_nonzero(pc.is_null(value)).to_pylist())


def _field(source: pa.Array, name: str) -> pa.Array | None:
    if source.type.get_field_index(name) < 0:
        return None
    return pc.struct_field(source, name)


def _int64(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", column.type.tz), safe=False)
    return column.cast(pa.int64())
