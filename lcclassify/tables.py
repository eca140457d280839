"""classify_table: tables in, tables out, for notebooks and scripts."""

from logging import getLogger
from pathlib import Path
from typing import Any, TypeVar, cast

import pyarrow as pa

from lcclassify.astropy_tables import from_astropy, is_astropy_table, require_brightness
from lcclassify.errors import InputError
from lcclassify.frames import answers_frame, from_pandas, is_frame
from lcclassify.guess import guess_model
from lcclassify.remarks import Remarks, add_remarks, require_observations, sentences
from lcclassify.scorer import TableScorer
from lcclassify.sources.file import FileSet, in_memory
from lcclassify.sources.names import Names, check_names, read_names

log = getLogger("lcclassify")
Table = TypeVar("Table")  # a pyarrow.Table, a pandas.DataFrame or an astropy.table.Table


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
    """Classify every row of a table of pyarrow, pandas or astropy; the result is of the same kind.

    The options are those of ``classify-file``. Light curves are rows of observations, or lists in
    rows of objects; each object has one answer. The levels of a frame's index that have a name
    count as columns. Answers to a frame have its index, and with ``tidy`` that of their object's
    row; where rows are observations, they are indexed by the id. The id is a column, too.
    InputError if the table lacks an id, or what the model needs.
    """
    names = Names() if columns is None else read_names(Path(columns))
    files = in_memory(_given(table, names, zero_point), id_name, names)
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
    if is_astropy_table(table) and scorer.bundle.needs_light_curves and files.light_curves:
        require_brightness(table, files.light_curves, names.columns)
    answers = _answers(scorer, files)
    return cast(
        Table, _taken(answers, table, files, by_object=scorer.groups_rows(files), tidy=tidy)
    )


def _answers(scorer: TableScorer, files: FileSet) -> pa.Table:
    """The answers; logs what was left out, converted or doubted, a line for each kind.

    InputError if there are light curves of which nothing can be read.
    """
    tables, remarks = [], Remarks()
    n_objects = n_observed = 0
    for prediction in scorer.predictions(files):
        tables.append(scorer.answers(prediction))
        add_remarks(remarks, prediction.remarks)
        n_objects += len(prediction.batch)
        if prediction.observations is not None:
            n_observed += int((prediction.observations > 0).sum())
    require_observations(n_objects, n_observed, remarks)
    for sentence in sentences(remarks):
        log.warning("%s", sentence)
    return pa.concat_tables(tables)


def _given(table: object, names: Names, zero_point: float | None) -> pa.Table:
    """What was given, as an Arrow table. InputError"""
    if isinstance(table, pa.Table):
        return table
    if is_frame(table):
        return from_pandas(table)
    if is_astropy_table(table):
        called = {column: name for name, column in names.columns.items()}
        declared = zero_point is not None or names.light_curves is not None
        return from_astropy(table, called, fluxes=not declared)
    kind = type(table)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    raise InputError(
        f"expected a pyarrow table or a pandas frame, not {name}; an astropy table is taken, too"
    )


def _taken(result: pa.Table, table: object, files: FileSet, *, by_object: bool, tidy: bool) -> Any:
    """Answers as a table of the kind that was given."""
    if is_frame(table):
        id_name = files.id_name
        column = files.names.columns[id_name] if id_name in files.renamed else id_name
        return answers_frame(result, id_name, table, column, by_object=by_object, tidy=tidy)
    if is_astropy_table(table):
        from lcclassify.sinks.astro import astropy_table

        return astropy_table(result)
    return result
