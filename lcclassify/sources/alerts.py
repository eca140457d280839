"""Alert packets of LSST and ELAsTiCC: one object, as it was when its alert was sent."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import Batch
from lcclassify.features import is_header
from lcclassify.sources.light_curves import together
from lcclassify.sources.messages import NO_HEADER


def with_alert(batch: Batch) -> Batch:
    """A batch of packets in which those without a header are repaired ones."""
    said = dict.fromkeys(_headless(batch.features), NO_HEADER)
    return replace(batch, repairs=together(batch.repairs, said))


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
