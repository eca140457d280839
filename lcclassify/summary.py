"""What is counted over a run, over a part of one, and over all parts together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from lcclassify.bundle import ModelBundle
from lcclassify.hashes import text_hashes
from lcclassify.prediction import Prediction
from lcclassify.remarks import Kind, Remarks, add_remarks, as_plain, of_plain, remark
from lcclassify.tally import Tallier, Tally

RANGES = 16  # at least, in which ids are compared: about so small a part is held at a time
RANGE = 1 << 23  # ids, at most about: 64 MiB
SAMPLE = 1000  # of each part, to find ranges with as many ids each


class Examples(NamedTuple):
    """An id of the input that a joined table lacks, and one of the table's own."""

    input: str | None  # None: it lacks none, or only what has no id
    table: str | None  # None: it has no rows


@dataclass(slots=True)
class Summary:
    """Counts over a run."""

    n_objects: int = 0
    n_rows: int = 0  # written
    n_observed: int = 0  # objects of whose light curves something was looked at
    classes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    n_missing: Counter[str] = field(default_factory=Counter)  # feature -> answers without a value
    n_outside: Counter[str] = field(default_factory=Counter)  # feature -> answers out of its range
    left_out: Counter[str] = field(default_factory=Counter)  # reason -> objects without a record
    _remarks: Remarks = field(default_factory=Counter)  # as batches gave them
    unmatched: Counter[str] = field(default_factory=Counter)  # joined table -> objects it lacks
    examples: dict[str, Examples] = field(default_factory=dict)  # joined table -> ids
    _ids: list[np.ndarray] = field(default_factory=list)
    _rounded: list[np.ndarray] = field(default_factory=list)  # of ids that went through a float
    _n_repeated: int | None = None  # where the ids are no longer at hand
    _n_colliding: int | None = None  # likewise, of rounded ids
    _id_name: str = ""

    @classmethod
    def of(
        cls,
        parts: Iterable[Mapping[str, Any]],
        n_repeated: int,
        n_colliding: int = 0,
        id_name: str = "",
    ) -> "Summary":
        """All parts, as ``as_dict`` gave them, together; only ids can tell what is repeated.

        ``n_colliding`` of the repeated ids went through a float.
        """
        whole = cls(_n_repeated=n_repeated, _n_colliding=n_colliding, _id_name=id_name)
        for part in parts:
            whole.n_objects += part["objects"]
            whole.n_observed += part["observed"]
            whole.unmatched.update(part["unmatched"])
            for name, ids in part["unmatched_examples"].items():
                if name not in whole.examples or whole.examples[name].input is None:
                    whole.examples[name] = Examples(**ids)
            whole.classes.update(part["classes"])
            whole.statuses.update(part["statuses"])
            whole.n_missing.update(part["missing"])
            whole.n_outside.update(part["outside"])
            whole.left_out.update(part["left_out"])
            add_remarks(whole._remarks, of_plain(part["remarks"]))
        return whole

    def add(self, prediction: Prediction) -> None:
        """Count one batch."""
        self.n_objects += len(prediction.batch)
        if prediction.observations is not None:
            self.n_observed += int(np.count_nonzero(prediction.observations))
        tally = Tallier(prediction.bundle)(prediction)
        self.classes.update(tally.classes)
        for feature, missing, outside in zip(
            prediction.bundle.features,
            tally.n_missing.tolist(),
            tally.n_outside.tolist(),
            strict=True,
        ):
            self.n_missing[feature.name] += missing
            self.n_outside[feature.name] += outside
        noted = Counter(note.status.name.lower() for note in prediction.notes.values())
        self.statuses.update(noted)
        self.statuses["ok"] += len(prediction.batch) - noted.total()
        add_remarks(self._remarks, prediction.remarks)
        batch = prediction.batch
        self._ids.append(_hashes(batch.object_id))
        self._id_name = batch.id_name
        if batch.rounded is not None and batch.rounded.any():
            self._rounded.append(_hashes(batch.object_id.filter(pa.array(batch.rounded))))

    def add_join(self, name: str, n_unmatched: int, examples: Examples) -> None:
        """Count the objects that a joined table lacks."""
        self.unmatched[name] += n_unmatched
        self.examples[name] = examples

    @property
    def matching_nobody(self) -> list[str]:
        """The joined tables that have none of the objects, of which at least one has an id."""
        return [
            name
            for name, ids in self.examples.items()
            if self.unmatched[name] == self.n_objects and ids.input is not None
        ]

    def tally(self, bundle: ModelBundle) -> Tally:
        """The counts of what was answered, by the model that did."""
        names = [feature.name for feature in bundle.features]
        return Tally(
            bundle,
            self.classes.total(),
            np.array([self.n_missing[name] for name in names], np.int64),
            np.array([self.n_outside[name] for name in names], np.int64),
            np.array([self.classes[name] for name in bundle.taxonomy.classes], np.int64),
        )

    @property
    def ids(self) -> np.ndarray:
        """A hash of every id that is not null, in order of size: 8 bytes an object. int64"""
        return np.sort(np.concatenate([np.empty(0, np.int64), *self._ids]))

    @property
    def rounded_ids(self) -> np.ndarray:
        """Likewise of those ids that went through a float. int64"""
        return np.sort(np.concatenate([np.empty(0, np.int64), *self._rounded]))

    @property
    def remarks(self) -> Remarks:
        """What was left out, converted or doubted.

        A row whose id was rounded and had come before may be another object's.
        """
        n_colliding = self._n_colliding
        if n_colliding is None:
            n_colliding = count_repeated([self.rounded_ids]) if self._rounded else 0
        # Of parts, the repeats inside each are counted already.
        return self._remarks | Counter({remark(Kind.COLLIDING_ID, self._id_name): n_colliding})

    @property
    def n_repeated(self) -> int:
        """Number of rows whose id had come before."""
        return count_repeated([self.ids]) if self._n_repeated is None else self._n_repeated

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain values."""
        return {
            "objects": self.n_objects,
            "observed": self.n_observed,
            "repeated_ids": self.n_repeated,
            "statuses": dict(most_common(self.statuses)),
            "classes": dict(most_common(self.classes)),
            "missing": dict(most_common(self.n_missing)),
            "outside": dict(most_common(self.n_outside)),
            "unmatched": dict(self.unmatched),
            "unmatched_examples": {name: ids._asdict() for name, ids in self.examples.items()},
            "left_out": dict(most_common(self.left_out)),
            "remarks": as_plain(self.remarks),
        }


def most_common(counts: Counter[str]) -> list[tuple[str, int]]:
    """Names and counts, the largest first; ties by name, whatever came first."""
    return sorted(((n, count) for n, count in counts.items() if count), key=lambda x: (-x[1], x[0]))


def count_repeated(parts: Sequence[np.ndarray]) -> int:
    """How many of these numbers had come before. Each part is in order of size. int64"""
    n_ranges = max(RANGES, sum(map(len, parts)) // RANGE)
    sample = np.sort(np.concatenate([part[:: len(part) // SAMPLE + 1] for part in parts]))
    inner = sample[len(sample) // n_ranges :: len(sample) // n_ranges + 1]
    bounds = [None, *inner, None]
    n_repeated = 0
    for low, high in pairwise(bounds):
        inside = np.sort(np.concatenate([_between(part, low, high) for part in parts]))
        n_repeated += int(np.count_nonzero(inside[1:] == inside[:-1]))
    return n_repeated


def _between(part: np.ndarray, low: np.int64 | None, high: np.int64 | None) -> np.ndarray:
    start = 0 if low is None else int(np.searchsorted(part, low))
    stop = len(part) if high is None else int(np.searchsorted(part, high))
    return part[start:stop]


def _hashes(ids: pa.Array) -> np.ndarray:
    """64 bits for each id that is not null, the same in any process; integers are themselves."""
    ids = ids.drop_null()
    if pa.types.is_integer(ids.type):
        return np.asarray(ids.to_numpy(zero_copy_only=False).astype(np.int64))
    return text_hashes(ids)
