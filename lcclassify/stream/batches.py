"""Records of messages to batches, in which no object's answer depends on the others."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.bundle import ModelBundle
from lcclassify.features import header_names, is_header, some_of
from lcclassify.schemas.avro import FEATURES as ALL_FEATURES
from lcclassify.schemas.avro import AvroOutput
from lcclassify.sources.bands import Spellings
from lcclassify.sources.context import CONTEXT
from lcclassify.sources.curve_forms import DETECTIONS, DIA_SOURCE, MESSAGES, SIGN, settle
from lcclassify.sources.curve_forms import IDS as SOURCE_IDS
from lcclassify.sources.ids import Ids, add_strange, check_ids, first_ids, id_remarks, read_values
from lcclassify.sources.light_curves import with_light_curves
from lcclassify.sources.messages import alert_of, last_mjd, n_unforced
from lcclassify.sources.observed import sign_of
from lcclassify.sources.opened import Opened, open_light_curve, open_message
from lcclassify.sources.parquet import FEATURES, HEADERS
from lcclassify.sources.records import (
    Record,
    id_array,
    id_places,
    lacks_features,
    struct_array,
)
from lcclassify.status import Problem, Status
from lcclassify.stream.columns import Columns
from lcclassify.stream.decoding.narrow import Wants
from lcclassify.stream.settings import Model

IDS = ("oid", "aid")  # the id of an object is the first of these that it has
METRICS = ("aid", "candid")  # what the metrics message tells of every message
LAST_MJD = "lastmjd"
OBSERVED = pa.list_(
    pa.struct(
        [
            pa.field("mjd", pa.float64()),
            pa.field("fid", pa.string()),
            pa.field("mag", pa.float64()),
            pa.field("e_mag", pa.float64()),
            pa.field("isdiffpos", pa.int64()),
        ]
    )
)
NO_SIGN = 9  # stands for a sign that is none
ALERT = ("candid", "mjd", "new", "has_stamp", "extra_fields")  # fields of detections
MEASURED = ("mjd", "mag", "e_mag", "tid")


class _Row(NamedTuple):
    """What is kept of a message."""

    values: Sequence[Any]
    context: dict[str, Any]
    curve: pa.Array | None
    problem: Problem | None
    repair: str | None


class Batches:
    """Makes batches for a model and what is written of its answers."""

    def __init__(
        self,
        bundle: ModelBundle,
        outputs: Sequence[AvroOutput],
        settings: Model,
        id_name: str | None,
    ) -> None:
        settings.light_curves.require_use(bundle.needs_light_curves, bundle.label)
        self._bundle, self._settings = bundle, settings
        self._form, self._spellings = None, Spellings()
        if bundle.needs_light_curves:
            self._form = settle("messages", MESSAGES, settings.light_curves)
        names = [feature.accepts[0] for feature in bundle.features]
        self._header = [name for name in names if name in header_names()]
        self._others = any(not is_header(name) for name in names)
        self._ids = IDS if id_name is None else (id_name,)
        self._columns = Columns(bundle, [name for output in outputs for name in output.features])
        asked = {name for output in outputs for name in (*output.requires, *output.context)}
        self._has_map = any(output.all_features for output in outputs)
        self._context = pa.schema([field for field in CONTEXT if field.name in asked])

    @property
    def wants(self) -> Wants:
        """What is read of messages."""
        accepted, context = self._columns.accepted, set(self._context.names)
        detections: set[str] = set()
        if context - {LAST_MJD}:
            detections |= set(ALERT)
        if LAST_MJD in context:
            detections |= set(MEASURED)
        if self._header:
            detections |= {"mjd", "extra_fields"}
        if self._form is not None:
            detections |= {"fid", SIGN, *MEASURED}
        if self._settings.min_detections:
            detections.add("forced")
        fields = {*self._ids, *METRICS, *accepted, *(HEADERS if self._header else ())}
        if fields & {*SOURCE_IDS}:  # which lie there as well, and may be exact there alone
            fields |= {DIA_SOURCE, *HEADERS}
        return Wants(
            fields=frozenset(fields),
            features=None if self._has_map else accepted,
            detections=frozenset(detections),
        )

    def __call__(self, records: Sequence[Record], unread: Mapping[int, Problem]) -> Batch:
        """A batch of these messages, in their order; ``unread`` says what is wrong with some."""
        rows = [self._row(record) for record in records]
        problems = {row: r.problem for row, r in enumerate(rows) if r.problem is not None}
        problems |= unread
        ids = first_ids(self._ids_of(name, records) for name in self._ids)
        add_strange(ids, problems)
        check_ids(ids.values, problems)
        context: dict[str, Any] = {
            field.name: pa.array([row.context.get(field.name) for row in rows], field.type)
            for field in self._context
        }
        if self._has_map:
            context[ALL_FEATURES] = _maps(records)
        if self._form is not None:
            curves = [row.curve for row in rows if row.curve is not None]
            context[DETECTIONS] = pa.chunked_array(curves, OBSERVED)
        batch = Batch(
            object_id=ids.values,
            id_name=self._ids[0],
            features=self._columns.table([row.values for row in rows], problems),
            problems=problems,
            context=pa.table(context),
            repairs={row: r.repair for row, r in enumerate(rows) if r.repair is not None},
            rounded=ids.rounded,
        )
        batch = replace(batch, remarks=id_remarks(batch))
        if self._form is None:
            return batch
        return with_light_curves(batch, self._form, self._spellings)

    def _ids_of(self, name: str, records: Sequence[Record]) -> Ids:
        if name in SOURCE_IDS:
            return id_array(name, [id_places(record, name) for record in records], pa.string())
        return read_values(name, [record.get(name) for record in records], pa.string())

    def _row(self, record: Record) -> _Row:
        message, problem, repair = self._open(record)
        values, missing = self._columns.read(message)
        curve = None
        if self._form is not None:
            curve, misfit = _curve(record.get(DETECTIONS))
            problem = problem or misfit
            if missing and lacks_features(record) is None:
                said = f"{len(missing)} of {self._columns.n_features} features are not there"
                repair = said if repair is None else f"{repair}; {said}"
        problem = problem or self._too_few(record) or self._uncovered(missing)
        context: dict[str, Any] = {}
        if self._context.names:
            context = alert_of(record)
            if LAST_MJD in self._context.names:
                context[LAST_MJD] = last_mjd(record)
        return _Row(values, context, curve, problem, repair)

    def _open(self, record: Record) -> Opened:
        """A message with its header where the model looks at it; what it does not is not read."""
        if self._form is not None:
            return open_light_curve(record, self._header, self._others)
        return open_message(record) if self._header else Opened(record, lacks_features(record))

    def _too_few(self, record: Record) -> Problem | None:
        fewest = self._settings.min_detections
        if fewest and (n := n_unforced(record)) < fewest:
            reason = f"{n} detections that are not forced, fewer than {fewest}"
            return Problem(Status.TOO_FEW_OBSERVATIONS, reason)
        return None

    def _uncovered(self, missing: Sequence[str]) -> Problem | None:
        """Whether too few of the features are there; a model of light curves does without."""
        n_features = self._columns.n_features
        share = self._settings.min_coverage
        if self._form is None and n_features - len(missing) < share * n_features:
            reason = f"{len(missing)} of {n_features} features are not there: {some_of(missing)}"
            return Problem(Status.MISSING_FEATURES, reason)
        return None


def _curve(detections: Any) -> tuple[pa.Array, Problem | None]:
    """What a light curve needs of detections. What is no number in one of them is null there."""
    if isinstance(detections, list):
        detections = [
            {**item, "fid": str(item["fid"])}
            if isinstance(item, dict) and type(item.get("fid")) is int
            else item
            for item in detections
        ]
    curve, misfit = struct_array(DETECTIONS, detections, OBSERVED)
    if misfit is not None and isinstance(detections, list):
        numbers = [_with_numbers(i) if isinstance(i, dict) else None for i in detections]
        return struct_array(DETECTIONS, numbers, OBSERVED)
    return curve, misfit


def _with_numbers(item: Mapping[str, Any]) -> dict[str, Any]:
    """What is read of a detection of which something is not of its usual type."""
    seen: dict[str, Any] = {name: _float(item.get(name)) for name in ("mjd", "mag", "e_mag")}
    band, sign = item.get("fid"), item.get(SIGN)
    if isinstance(band, str | int | float):
        seen["fid"] = str(band)
    if sign is not None:
        code = sign_of(sign)
        seen[SIGN] = (int(code) or None) if code == code else NO_SIGN
    return seen


def _float(value: Any) -> float | None:
    """A number, which may be written as text; None for anything else."""
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
        return None
    return _number(value)


def _maps(records: Sequence[Record]) -> pa.Array:
    """The features that each message came with, null where one is no number."""
    pairs = [
        [(name, _number(value)) for name, value in features.items()]
        if isinstance(features := record.get(FEATURES), dict)
        else None
        for record in records
    ]
    return pa.array(pairs, pa.map_(pa.string(), pa.float64()))


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, float | int) else None
    except OverflowError:
        return None
