"""classify_table: tables in, tables out, for notebooks and scripts."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.features import match_features
from lcclassify.guess import guess_model
from lcclassify.predictors import load_predictor
from lcclassify.schemas.flat import flat_schema
from lcclassify.sources.columns import check_id_type, check_ids, check_readable, number_table
from lcclassify.sources.file import ID_NAMES
from lcclassify.status import Problem

Table = TypeVar("Table")  # a pyarrow.Table or a pandas.DataFrame


def classify_table(
    table: Table,
    model: str | None = None,
    *,
    id_name: str | None = None,
    tidy: bool = False,
    top: int | None = None,
    hierarchy: bool = False,
    min_coverage: float = 1.0,
) -> Table:
    """Classify every row of a pyarrow table or a pandas frame; the result is of the same kind.

    The options are those of ``classify-file``. A named index of a frame counts as a column.
    InputError if the table lacks an id, or features that the model needs.
    """
    columns = table if isinstance(table, pa.Table) else _from_pandas(table)
    bundle = model or guess_model(columns.column_names)
    predictor = load_predictor(bundle, min_coverage=min_coverage)
    receipt = match_features(predictor.bundle.features, columns.column_names)
    batch = _batch(columns, id_name or _find_id(columns.column_names), receipt.used)
    result = flat_schema(tidy=tidy, top=top, hierarchy=hierarchy)(predictor.predict(batch))
    return cast(Table, result if isinstance(table, pa.Table) else result.to_pandas())


def _from_pandas(frame: Any) -> pa.Table:
    if not hasattr(frame, "columns") or not hasattr(frame, "reset_index"):
        raise InputError(f"expected a pyarrow table or a pandas frame, not {type(frame).__name__}")
    try:
        if any(name is not None for name in frame.index.names):
            frame = frame.reset_index()
    except ValueError as error:
        raise InputError(f"the frame's index cannot become a column: {error}") from None
    if not frame.columns.is_unique:
        raise InputError("the frame has two columns of one name")
    return pa.table({str(name): _column(frame[name]) for name in frame.columns})


def _column(series: Any) -> pa.Array:
    """A column of a frame; one of mixed values as text, of which each is read for itself."""
    try:
        return pa.Array.from_pandas(series)
    except (pa.ArrowException, TypeError, ValueError):
        nothing = series.isna()
        texts = [None if null else str(v) for v, null in zip(series, nothing, strict=True)]
        return pa.array(texts, pa.string())


def _batch(table: pa.Table, id_name: str, names: Sequence[str]) -> Batch:
    for name in (id_name, *names):
        if (count := table.column_names.count(name)) != 1:
            raise InputError(f"the table has {count} columns {name!r}; one is needed")
    for name in names:
        check_readable("the table", name, table[name].type)
    problems: dict[int, Problem] = {}
    kind = check_id_type("the table", id_name, table[id_name].type)
    ids = table[id_name].cast(kind).combine_chunks()
    check_ids(ids, problems)
    columns = {name: table[name].combine_chunks() for name in names}
    return Batch(ids, id_name, number_table(columns, problems, table.num_rows), problems)


def _find_id(names: Sequence[str]) -> str:
    for name in ID_NAMES:
        if name in names:
            return name
    raise InputError(f"no object id: none of the columns {', '.join(ID_NAMES)}; pass id_name=")
