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
from lcclassify.sources.columns import check_id_type, check_readable, number_table
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
    if not hasattr(frame, "reset_index"):
        raise InputError(f"expected a pyarrow table or a pandas frame, not {type(frame).__name__}")
    named = frame.reset_index() if frame.index.name else frame
    return pa.Table.from_pandas(named, preserve_index=False)


def _batch(table: pa.Table, id_name: str, names: Sequence[str]) -> Batch:
    for name in (id_name, *names):
        if (count := table.column_names.count(name)) != 1:
            raise InputError(f"the table has {count} columns {name!r}; one is needed")
    for name in names:
        check_readable("the table", name, table[name].type)
    problems: dict[int, Problem] = {}
    return Batch(
        object_id=table[id_name]
        .cast(check_id_type("the table", id_name, table[id_name].type))
        .combine_chunks(),
        id_name=id_name,
        features=number_table(
            {name: table[name].combine_chunks() for name in names}, problems, table.num_rows
        ),
        problems=problems,
    )


def _find_id(names: Sequence[str]) -> str:
    for name in ID_NAMES:
        if name in names:
            return name
    raise InputError(f"no object id: none of the columns {', '.join(ID_NAMES)}; pass id_name=")
