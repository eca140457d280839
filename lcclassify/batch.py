"""Batch: a number of objects, held as columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from lcclassify.status import Problem


@dataclass(frozen=True, slots=True)
class Batch:
    """N objects held as columns, in the order in which they came."""

    object_id: pa.Array  # (N,) of the input's own type, under the input's own name
    id_name: str
    features: pa.Table  # N rows; numbers, null = not computed
    problems: Mapping[int, Problem] = field(default_factory=dict)  # row -> why it cannot be used
    context: pa.Table = field(default_factory=lambda: pa.table({}))  # N rows for output schemas:
    # alertId, diaSourceId, elasticcPublishTimestamp, brokerIngestTimestamp (int64; times in ms)

    def __len__(self) -> int:
        return len(self.object_id)
