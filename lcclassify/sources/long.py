"""ALeRCE's feature tables: a row per object, feature, band and generation, made one row an object.

Columns oid, name, fid, value and, where there are several generations, updated_date or version: an
object's latest generation counts, as a whole. fid 1 and 2 (or g and r) become the suffixes _1 and
_2, 12 becomes _12, and 0 or none nothing.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.errors import InputError

COLUMNS = ("oid", "name", "fid", "value")
GENERATION = ("updated_date", "version")  # the first that is there decides which rows are latest
SUFFIX = {"1": "_1", "g": "_1", "2": "_2", "r": "_2", "12": "_12", "0": "", "": "", "none": ""}


def is_long(columns: Mapping[str, pa.DataType]) -> bool:
    """Whether columns are those of such a table."""
    return all(name in columns for name in COLUMNS)


def to_wide(table: pa.Table) -> pa.Table:
    """One row per object, in the order of first appearance, and a column per feature.

    InputError for a band that is not known; a feature that an object lacks is null. Of rows that
    name the same feature of the same generation, the last counts.
    """
    table = _latest(table)
    objects = pc.dictionary_encode(table["oid"]).combine_chunks()
    names = pc.dictionary_encode(_feature_names(table)).combine_chunks()
    values = np.full((len(objects.dictionary), len(names.dictionary)), np.nan)
    rows, columns = objects.indices.to_numpy(), names.indices.to_numpy()
    values[rows, columns] = table["value"].cast(pa.float64()).to_numpy()
    features = {
        name: pa.array(values[:, index], from_pandas=True)
        for index, name in enumerate(names.dictionary.to_pylist())
    }
    return pa.table({"oid": objects.dictionary, **features})


def _latest(table: pa.Table) -> pa.Table:
    """The rows of each object's latest generation."""
    key = next((name for name in GENERATION if name in table.column_names), None)
    if key is None:
        return table
    latest = table.group_by("oid", use_threads=False).aggregate([(key, "max")])
    rows = pc.index_in(table["oid"], value_set=latest["oid"].combine_chunks())
    return table.filter(pc.equal(table[key], latest[f"{key}_max"].take(rows)))


def _feature_names(table: pa.Table) -> pa.ChunkedArray:
    bands = pc.fill_null(table["fid"].cast(pa.string()), "")
    suffixes = []
    for band in (kinds := pc.unique(bands)).to_pylist():
        if band.lower() not in SUFFIX:
            raise InputError(f"fid {band!r} is no band of ZTF; expected one of {', '.join(SUFFIX)}")
        suffixes.append(SUFFIX[band.lower()])
    suffix = pa.array(suffixes, pa.string()).take(pc.index_in(bands, value_set=kinds))
    return pc.binary_join_element_wise(table["name"], suffix, "")
