"""Text in fields of fixed width and in bytes, as FITS, HDF5 and pandas make it, is plain text."""

import csv
import json

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.sources.file import FileSource, in_memory, open_files
from lcclassify.status import Status

WIDTH = 12
PADS = st.sampled_from([b" ", b"\0"])
BYTES = st.sampled_from([pa.binary(), pa.large_binary(), pa.binary(WIDTH), pa.binary_view()])
ROWS = [("397127", "g", 60000.0), ("397127", "r", 60003.0), ("SN é", "g", 60001.0)]
WANTED = [
    ("397127", [("60000.0", "g", "5.0", "nan"), ("60003.0", "r", "5.0", "nan")], {}, None),
    ("SN é", [("60001.0", "g", "5.0", "nan")], {}, None),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("padded")


def padded(text, pad=b" "):
    return text.encode().ljust(WIDTH, pad)


def as_type(kind):
    """A type for values inside lists, where Arrow has none of views."""
    return pa.binary() if pa.types.is_binary_view(kind) else kind


def observations(kind, pad, form):
    """The same light curves: a row each, lists, or lists of structs."""
    kind = as_type(kind)
    if form == "rows":
        return pa.table(
            {
                "SNID": pa.array([padded(oid, pad) for oid, *_ in ROWS], kind),
                "BAND": pa.array([padded(band, pad) for _, band, _ in ROWS], kind),
                "MJD": [mjd for *_, mjd in ROWS],
                "FLUXCAL": [5.0] * len(ROWS),
            }
        )
    names = ["397127", "SN é"]
    curves = [
        [{"BAND": padded(band, pad), "MJD": mjd, "FLUXCAL": 5.0} for o, band, mjd in ROWS if o == n]
        for n in names
    ]
    fields = {"BAND": kind, "MJD": pa.float64(), "FLUXCAL": pa.float64()}
    ids = {"SNID": pa.array([padded(name, pad) for name in names], kind)}
    if form == "structs":
        return pa.table(ids | {"curve": pa.array(curves, pa.list_(pa.struct(fields)))})
    lists = {
        name: pa.array([[seen[name] for seen in curve] for curve in curves], pa.list_(one))
        for name, one in fields.items()
    }
    return pa.table(ids | lists)


@settings(deadline=None, max_examples=80)
@given(kind=BYTES, pad=PADS, form=st.sampled_from(["rows", "lists", "structs"]))
def test_padded_bytes_are_ids_and_bands(read, folder, kind, pad, form):
    path = folder / "curves.parquet"
    pq.write_table(observations(kind, pad, form), path)
    assert read([path]) == WANTED


@pytest.mark.parametrize("kind", ["bytes", "fixed", "string"])
def test_avro_has_padded_text_too(read, tmp_path, kind):
    types = {
        "bytes": lambda name: "bytes",
        "fixed": lambda name: {"type": "fixed", "name": f"{name}_text", "size": WIDTH},
        "string": lambda name: "string",
    }
    fields = [{"name": name, "type": types[kind](name)} for name in ("SNID", "BAND")]
    fields += [{"name": name, "type": "double"} for name in ("MJD", "FLUXCAL")]
    records = observations(pa.binary(), b" ", "rows").to_pylist()
    if kind == "string":
        for record in records:
            record |= {name: record[name].decode() for name in ("SNID", "BAND")}
    with (tmp_path / "a.avro").open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "row", "fields": fields}, records)
    assert read([tmp_path / "a.avro"]) == WANTED


def test_avro_has_padded_bands_in_alerts(read, tmp_path):
    fields = [{"name": "diaObjectId", "type": ["null", "bytes"]}]
    fields += [{"name": "filterName", "type": {"type": "fixed", "name": "band", "size": 4}}]
    fields += [{"name": name, "type": "double"} for name in ("midPointTai", "psFlux")]
    source = {"type": "record", "name": "source", "fields": fields}
    schema = {"type": "record", "name": "elasticc.v0_9_1.alert", "fields": []}
    schema["fields"].append({"name": "diaSource", "type": source})
    alert = {"diaObjectId": b"77   ", "filterName": b"g   ", "midPointTai": 1.0, "psFlux": 5.0}
    with (tmp_path / "a.avro").open("wb") as file:
        fastavro.writer(file, schema, [{"diaSource": alert}])
    assert read([tmp_path / "a.avro"]) == [("77", [("1.0", "g", "5.0", "nan")], {}, None)]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_text_may_be_padded_as_well(read, tmp_path, suffix):
    names = ("SNID", "BAND", "MJD", "FLUXCAL")
    rows = [(padded(oid).decode(), padded(band).decode(), mjd, 5.0) for oid, band, mjd in ROWS]
    path = tmp_path / f"a{suffix}"
    if suffix == ".csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([names, *rows])
    elif suffix == ".jsonl":
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
        path.write_text("\n".join(lines))
    else:
        table = [dict(zip(names, row, strict=True)) for row in rows]
        pq.write_table(pa.Table.from_pylist(table), path)
    assert read([path]) == WANTED


NUMBERS = [None, "1.5", "-2e3", "nan", "", "x"]
READ = [None, 1.5, -2000.0, None, None, None]


@settings(deadline=None, max_examples=60)
@given(kind=BYTES, pad=PADS, place=st.sampled_from(["flat", "features", "diaObject"]))
def test_numbers_in_padded_bytes_are_features_and_header(folder, kind, pad, place):
    values = [None if text is None else padded(text, pad) for text in NUMBERS]
    column = pa.array(values, kind if place == "flat" else as_type(kind))
    table = pa.table({"oid": [str(n) for n in range(len(NUMBERS))]})
    if place == "flat":
        table = table.append_column("mwebv", column)
    else:
        table = table.append_column(place, pa.StructArray.from_arrays([column], ["mwebv"]))
    pq.write_table(table, folder / "features.parquet")
    for files in (open_files([str(folder / "features.parquet")]), in_memory(table)):
        [batch] = FileSource(files, ["mwebv"])
        assert batch.features["mwebv"].to_pylist() == READ
        [(row, problem)] = batch.problems.items()
        assert (row, problem.status) == (5, Status.INVALID_FEATURES)


def known_bands(found):
    return {oid: [band for _, band, *_ in seen if band] for oid, seen, *_ in found}


def test_bytes_that_are_no_text_cost_their_row_or_observation_alone(read, tmp_path):
    table = observations(pa.binary(), b" ", "rows")
    bands = pa.array([b"g ", b"\xff\xfe", b"g "])
    table = table.set_column(table.column_names.index("BAND"), "BAND", bands)
    pq.write_table(table, tmp_path / "rows.parquet")
    assert known_bands(read([tmp_path / "rows.parquet"])) == {"397127": ["g"], "SN é": ["g"]}
    lists = observations(pa.binary(), b" ", "lists")
    bands = pa.array([[b"g ", b"\xff\xfe"], [b"g "]])
    lists = lists.set_column(lists.column_names.index("BAND"), "BAND", bands)
    pq.write_table(lists, tmp_path / "lists.parquet")
    assert known_bands(read([tmp_path / "lists.parquet"])) == {"397127": ["g"], "SN é": ["g"]}
    values = pa.table({"oid": ["a", "b"], "x": [b"1.5", b"\xff"]})
    [batch] = FileSource(in_memory(values), ["x"])
    assert batch.features["x"].to_pylist() == [1.5, None]
    assert batch.problems == {1: (Status.INVALID_RECORD, "x = '\ufffd' is not UTF-8")}
