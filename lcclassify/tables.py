"""classify_table: tables in, tables out, for notebooks and scripts."""

from pathlib import Path
from typing import Any, TypeVar, cast

import pyarrow as pa

from lcclassify.errors import InputError
from lcclassify.guess import guess_model
from lcclassify.scorer import TableScorer
from lcclassify.sources.file import in_memory
from lcclassify.sources.names import Names, check_names, read_names

Table = TypeVar("Table")  # a pyarrow.Table or a pandas.DataFrame


def classify_table(
    table: Table,
    model: str | None = None,
    *,
    id_name: str | None = None,
    columns: str | Path | None = None,
    tidy: bool = False,
    top: int | None = None,
    hierarchy: bool = False,
    min_coverage: float = 1.0,
    min_object_coverage: float = 0.0,
    reference_nulls: bool = False,
    zero_point: float | None = None,
    magnitudes: bool = False,
) -> Table:
    """Classify every row of a pyarrow table or a pandas frame; the result is of the same kind.

    The options are those of ``classify-file``. A named index of a frame counts as a column. Light
    curves are rows of observations, or lists in rows of objects; each object has one answer.
    InputError if the table lacks an id, or what the model needs.
    """
    names = Names() if columns is None else read_names(Path(columns))
    files = in_memory(table if isinstance(table, pa.Table) else from_pandas(table), id_name, names)
    if columns is not None:
        check_names(Path(columns), names.columns, files.renamed)
    bundle = model or guess_model(
        list(files.columns), has_light_curves=files.light_curves is not None
    )
    scorer = TableScorer.of(
        bundle,
        id_name=id_name,
        tidy=tidy,
        top=top,
        hierarchy=hierarchy,
        min_coverage=min_coverage,
        min_object_coverage=min_object_coverage,
        reference_nulls=reference_nulls,
        zero_point=zero_point,
        magnitudes=magnitudes,
    )
    result = scorer.classify(files)
    return cast(Table, result if isinstance(table, pa.Table) else result.to_pandas())


def from_pandas(frame: Any) -> pa.Table:
    """The columns of a pandas frame; its index is one if it has a name. InputError"""
    if not hasattr(frame, "columns") or not hasattr(frame, "reset_index"):
        raise InputError(f"expected a pyarrow table or a pandas frame, not {type(frame).__name__}")
    try:
        if any(name is not None for name in frame.index.names):
            frame = frame.reset_index()
    except ValueError as error:
        raise InputError(f"the frame's index cannot become a column: {error}") from None
    if not frame.columns.is_unique:
        raise InputError("the frame has two columns of one name")
    return pa.table({str(name): series_column(frame[name]) for name in frame.columns})


def series_column(series: Any) -> pa.Array:
    """A series of pandas; one of mixed values as text, of which each is read for itself."""
    try:
        return pa.Array.from_pandas(series)
    except (pa.ArrowException, TypeError, ValueError):
        nothing = series.isna()
        texts = [None if null else str(v) for v, null in zip(series, nothing, strict=True)]
        return pa.array(texts, pa.string())
