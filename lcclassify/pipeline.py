"""The one loop, and what it counts."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import Batch
from lcclassify.prediction import Prediction
from lcclassify.predictors import Predictor
from lcclassify.schemas import OutputSchema
from lcclassify.sinks import Sink
from lcclassify.sources import Source


@dataclass(slots=True)
class Summary:
    """Counts over a whole run."""

    n_objects: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    n_missing: Counter[str] = field(default_factory=Counter)  # column -> objects without a value
    _ids: list[np.ndarray] = field(default_factory=list)  # 64-bit hashes: 8 bytes an object

    def add(self, prediction: Prediction) -> None:
        """Count one batch."""
        self.n_objects += len(prediction.batch)
        names = prediction.bundle.taxonomy.classes
        answered = prediction.ranking[prediction.answered, 0]
        for leaf, count in zip(*np.unique(answered, return_counts=True), strict=True):
            self.classes[names[leaf]] += int(count)
        noted = Counter(note.status.name.lower() for note in prediction.notes.values())
        self.statuses.update(noted)
        self.statuses["ok"] += len(prediction.batch) - noted.total()
        features = prediction.batch.features
        for name, column in zip(features.column_names, features.columns, strict=True):
            self.n_missing[name] += pc.sum(pc.is_null(column, nan_is_null=True)).as_py() or 0
        self._ids.append(_hashes(prediction.batch))

    @property
    def n_repeated(self) -> int:
        """Number of rows whose id had come before."""
        ids = np.concatenate(self._ids) if self._ids else np.empty(0)
        return len(ids) - len(np.unique(ids))

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain values."""
        return {
            "objects": self.n_objects,
            "repeated_ids": self.n_repeated,
            "statuses": dict(most_common(self.statuses)),
            "classes": dict(most_common(self.classes)),
        }


def most_common(counts: Counter[str]) -> list[tuple[str, int]]:
    """Names and counts, the largest first; ties by name, whatever came first."""
    return sorted(((n, count) for n, count in counts.items() if count), key=lambda x: (-x[1], x[0]))


def _hashes(batch: Batch) -> np.ndarray:
    """64 bits for each id that is not null; integers stand for themselves."""
    ids = batch.object_id.drop_null()
    if pa.types.is_integer(ids.type):
        return np.asarray(ids.to_numpy(zero_copy_only=False).astype(np.int64))
    return np.fromiter(map(hash, ids.to_pylist()), np.int64, len(ids))


def run(
    source: Source,
    predictor: Predictor,
    schema: OutputSchema,
    sinks: Sequence[Sink],
    progress: Callable[[int], None] = lambda n_objects: None,
) -> Summary:
    """Classify until the source ends. Delivers at least once."""
    summary = Summary()
    for batch in source:
        prediction = predictor.predict(batch)
        table = schema(prediction)
        for sink in sinks:
            sink.write(table)
        for sink in sinks:
            sink.flush()
        source.commit()  # last: a crash before this line repeats the batch, never loses it
        summary.add(prediction)
        progress(len(batch))
    return summary
