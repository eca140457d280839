"""Batch: a number of objects, held as columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from lcclassify.errors import InputError
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

    def __post_init__(self) -> None:
        """InputError if ids and features are not of the same objects."""
        if len(self.object_id) != len(self.features):
            raise InputError(f"{len(self.object_id)} ids and {len(self.features)} rows of features")

    def __len__(self) -> int:
        return len(self.object_id)
