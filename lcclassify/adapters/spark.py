"""Spark: frames by ``mapInArrow``, and a ``pandas_udf`` of arrays, as Fink plugs classifiers in.

Driver and executors need lcclassify, and the model at one path. pyspark comes with the extra
``spark``; nothing of it is imported before it is used.
"""

from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pyarrow as pa

from lcclassify.errors import InputError
from lcclassify.frames import series_column
from lcclassify.scorer import Options, Reading, TableScorer
from lcclassify.sources.curve_forms import observed_names
from lcclassify.sources.file import in_memory

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

FINK = ("cmidpointMjdTai", "cband", "cpsfFlux", "cpsfFluxErr")  # LSST's, in Fink: lists, in nJy
ROW = "row"  # a name for ids where there are none

BatchMap = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def classify_frame(
    frame: "DataFrame",
    model: str | PathLike[str],
    *,
    columns: str | PathLike[str] | None = None,
    **options: Unpack[Options],
) -> "DataFrame":
    """The answers for a frame whose rows are objects: the columns of ``classify-file``.

    Python is sent only the columns that the model needs; ``columns`` is a preset, or a file that
    says which column is what. InputError if there are not all of them, or if the rows are
    observations.
    """
    from pyspark.sql.pandas.types import to_arrow_schema

    scorer = TableScorer.of(model, columns=columns, **options)
    needed = scorer.needed(to_arrow_schema(frame.schema))
    chosen = frame.select(*(f"`{name.replace('`', '``')}`" for name in needed))
    return chosen.mapInArrow(*_mapping(scorer, chosen.schema))


def map_in_arrow(
    schema: "StructType",
    model: str | PathLike[str],
    *,
    columns: str | PathLike[str] | None = None,
    **options: Unpack[Options],
) -> tuple[BatchMap, "StructType"]:
    """What ``DataFrame.mapInArrow`` takes for a frame of this schema: function and schema.

    InputError as for ``classify_frame``.
    """
    return _mapping(TableScorer.of(model, columns=columns, **options), schema)


def probabilities_udf(
    model: str | PathLike[str],
    names: Sequence[str] = FINK,
    *,
    class_name: str | None = None,
    **options: Unpack[Reading],
) -> Any:
    """A ``pandas_udf`` that gives each object's probabilities, null where it has no answer.

    Its columns are called ``names``, in their order: light curves as arrays, features as numbers.
    The result is ``array<double>`` in the order of the model's classes, which is that of
    ``lcclassify.load(model).bundle.taxonomy.classes``, or the ``double`` of one class.
    InputError if the model needs other columns, or knows no such class.
    """
    import pandas as pd  # noqa: TID251 - Spark is told by types how to call a function
    from pyspark.sql.functions import pandas_udf

    scorer = TableScorer.of(model, id_name=ROW, **options)
    classes = scorer.bundle.taxonomy.classes
    if class_name is not None and class_name not in classes:
        raise InputError(f"no class {class_name!r}; choose from {', '.join(classes)}")
    scorer.answer_schema(_table(names, [pd.Series([], dtype=object)] * len(names)).schema)

    def probabilities(*columns: pd.Series) -> pd.Series:
        files = in_memory(_table(names, columns), ROW)
        found = np.concatenate([each.leaf_probability for each in scorer.predictions(files)])
        if class_name is not None:
            return pd.Series(found[:, classes.index(class_name)])  # NaN is null to Spark
        return pd.Series([None if np.isnan(row[0]) else row for row in found], dtype=object)

    return pandas_udf(probabilities, "array<double>" if class_name is None else "double")


def _mapping(scorer: TableScorer, schema: "StructType") -> tuple[BatchMap, "StructType"]:
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    def classify(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield from scorer(batch).to_batches()

    return classify, from_arrow_schema(scorer.answer_schema(to_arrow_schema(schema)))


def _table(names: Sequence[str], columns: Sequence[Any]) -> pa.Table:
    """Series as columns of these names, beside the number of each row. InputError"""
    if len(names) != len(columns):
        raise InputError(f"expected columns for {', '.join(names)}, not {len(columns)} columns")
    ids = {ROW: pa.array(range(len(columns[0])), pa.int64())}
    named = zip(names, columns, strict=True)
    return pa.table(ids | {name: _column(name, series) for name, series in named})


def _column(name: str, series: Any) -> pa.Array:
    column = series_column(series)
    if pa.types.is_null(column.type) and name in observed_names():
        return column.cast(pa.list_(pa.null()))  # lists all of which are null, and so untyped
    return column
