"""The same light curves, however they are laid out and in whatever pieces they are read."""

import json

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.errors import InputError
from lcclassify.sources import curve_reader
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSource, open_files
from lcclassify.sources.names import Names
from lcclassify.status import Status

NUMBERS = st.one_of(st.floats(allow_infinity=False), st.none())
OBSERVATION = st.tuples(NUMBERS, st.sampled_from([*"ugrizYy?", None]), NUMBERS, NUMBERS)
OBJECTS = st.lists(st.lists(OBSERVATION, min_size=1, max_size=5), min_size=1, max_size=8)
NAMES = ("mjd", "band", "flux", "flux_err")
TYPES = (pa.float64(), pa.string(), pa.float64(), pa.float64())
ITEM = pa.struct(dict(zip(NAMES, TYPES, strict=True)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("curves")


def long_table(rows):
    """A table of (id, observation) rows, with a header value that is that of the object."""
    columns = [pa.array([seen[n] for _, seen in rows], kind) for n, kind in enumerate(TYPES)]
    ids = [number for number, _ in rows]
    return pa.table(
        {"oid": pa.array(ids, pa.int64()), "mwebv": pa.array(ids, pa.float64())}
        | dict(zip(NAMES, columns, strict=True))
    )


def write(path, table):
    pq.write_table(table, path)
    return path


def in_rows(objects):
    return [(number, seen) for number, curve in enumerate(objects) for seen in curve]


@settings(deadline=None, max_examples=60)
@given(objects=OBJECTS, size=st.integers(1, 9), held=st.integers(1, 9), data=st.data())
def test_rows_lists_and_structs_are_the_same_light_curves(read, folder, objects, size, held, data):
    rows = in_rows(objects)
    cut = data.draw(st.integers(0, len(rows)))
    parts = [
        write(folder / f"{n}.parquet", long_table(part))
        for n, part in enumerate((rows[:cut], rows[cut:]))
    ]
    of_one = {"oid": range(len(objects)), "mwebv": [float(n) for n in range(len(objects))]}
    lists = {
        name: pa.array([[seen[n] for seen in curve] for curve in objects], pa.list_(kind))
        for n, (name, kind) in enumerate(zip(NAMES, TYPES, strict=True))
    }
    structs = [[dict(zip(NAMES, seen, strict=True)) for seen in curve] for curve in objects]
    listed = write(folder / "lists.parquet", pa.table(of_one | lists))
    nested = write(
        folder / "structs.parquet",
        pa.table(of_one | {"light_curve": pa.array(structs, pa.large_list(ITEM))}),
    )
    whole, curve_reader.ROWS = curve_reader.ROWS, held
    try:
        found = read(parts, ["mwebv"], size, zero_point=27.5)
    finally:
        curve_reader.ROWS = whole
    assert found == read([listed], ["mwebv"], size, zero_point=27.5)
    assert found == read([nested], ["mwebv"], size, zero_point=27.5)
    assert [object_id for object_id, *_ in found] == list(range(len(objects)))
    assert [values for _, _, values, _ in found] == [{"mwebv": n} for n in range(len(objects))]


@settings(deadline=None, max_examples=60)
@given(objects=OBJECTS, size=st.integers(1, 9), data=st.data())
def test_rows_of_several_objects_may_come_in_any_order(read, folder, objects, size, data):
    numbers = data.draw(st.permutations([number for number, _ in in_rows(objects)]))
    curves = {number: iter(curve) for number, curve in enumerate(objects)}
    mixed = [(number, next(curves[number])) for number in numbers]
    apart = [row for number in dict.fromkeys(numbers) for row in mixed if row[0] == number]
    found = read([write(folder / "mixed.parquet", long_table(mixed))], size=size, zero_point=27.5)
    kept = read([write(folder / "apart.parquet", long_table(apart))], size=size, zero_point=27.5)
    assert found == kept
    assert [object_id for object_id, *_ in found] == list(dict.fromkeys(numbers))


SHORT = long_table(
    [(7, (1.0, "r", 2.0, 0.5)), (7, (3.0, "Y", 4.0, None)), (9, (5.0, "g", 6.0, 0.5))]
)
SEEN = [
    (7, [("1.0", "r", "2.0", "0.5"), ("3.0", "Y", "4.0", "nan")], {"mwebv": 7.0}, None),
    (9, [("5.0", "g", "6.0", "0.5")], {"mwebv": 9.0}, None),
]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "avro", "parquet"])
def test_every_format_has_tables_of_observations(read, tmp_path, suffix):
    path = tmp_path / f"curves.{suffix}"
    if suffix == "parquet":
        pq.write_table(SHORT, path)
    elif suffix == "csv":
        pyarrow.csv.write_csv(SHORT, path)
    elif suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in SHORT.to_pylist()))
    else:
        fields = [{"name": name, "type": ["null", "double"]} for name in SHORT.column_names]
        fields[0]["type"], fields[3]["type"] = "long", "string"
        schema = {"type": "record", "name": "row", "fields": fields}
        with path.open("wb") as file:
            fastavro.writer(file, schema, SHORT.to_pylist())
    seen = [(str(n) if suffix == "csv" else n, *rest) for n, *rest in SEEN]
    assert read([path], ["mwebv"], zero_point=27.5) == seen


def test_an_object_may_go_on_in_the_next_file_and_folder(read, tmp_path):
    for number in range(3):
        (tmp_path / f"night={number}").mkdir()
        write(tmp_path / f"night={number}" / "a.parquet", SHORT.slice(number, 1))
    assert read([tmp_path], ["mwebv"], zero_point=27.5) == SEEN
    (batch,) = FileSource(open_files([str(tmp_path)]), [], light_curves=LightCurveOptions(27.5))
    assert batch.context.to_pydict() == {"night": ["0", "2"]}


def test_the_folder_may_be_the_object(read, tmp_path):
    for number in ("b", "a"):
        (tmp_path / f"oid={number}").mkdir()
        write(tmp_path / f"oid={number}" / "a.parquet", SHORT.drop_columns(["oid"]))
    assert [(oid, len(seen)) for oid, seen, *_ in read([tmp_path], zero_point=27.5)] == [
        ("a", 3),
        ("b", 3),
    ]


def test_a_bad_row_costs_its_object_alone(read, tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text(
        "oid,mjd,band,flux\na,1,r,2\nb,1,r,2\nb,2,r,much\nb,x,r,2\nc,1\nc,1,y,2\n,3,g,4\n,5,g,6\na,3,g,4\n"
    )
    seen = [(oid, len(curve), note) for oid, curve, _, note in read([path], zero_point=27.5)]
    assert seen == [
        ("a", 2, None),
        (
            "b",
            3,
            "2 of 3 observations are left out: 1 without a usable mjd, 1 without a usable flux",
        ),
        (None, 1, "row 6 has 2 fields, not 4"),
        ("c", 1, "1 observations in band y are read as Y"),
        ("", 2, "the object has no id"),
    ]


def test_duplicated_rows_zero_flux_and_thousands_of_rows_stay(read, tmp_path):
    many = [(1, (float(n), "r", 1.0, 1.0)) for n in range(3000)]
    zero = [(2, (1.0, "r", 0.0, 0.0))] * 2 + [(3, (1.0, "r", -0.0, 0.0))]
    path = write(tmp_path / "curves.parquet", long_table(many + zero))
    found = read([path], zero_point=27.5)
    assert [(oid, len(seen)) for oid, seen, *_ in found] == [(1, 3000), (2, 2), (3, 1)]
    assert found[1][1] == [("1.0", "r", "0.0", "0.0")] * 2
    assert found[2][1] == [("1.0", "r", "-0.0", "0.0")]


def test_lists_that_do_not_fit_together_cost_their_object_alone(read, tmp_path):
    table = pa.table(
        {
            "oid": ["a", "b", "c", "d", "e"],
            "mjd": [[1.0], [1.0, 2.0], [1.0, 2.0], None, []],
            "band": [[0], [1, 1], [2], None, []],
            "flux": [[1.5], [2.5], [3.5], None, None],
        }
    )
    path = write(tmp_path / "lists.parquet", table)
    assert read([path], zero_point=31.4) == [
        ("a", [("1.0", "u", "1.5", "nan")], {}, None),
        ("b", [], {}, "mjd has 2 values and flux 1"),
        ("c", [], {}, "mjd has 2 values and band 1"),
        ("d", [], {}, None),
        ("e", [], {}, None),
    ]


def test_magnitudes_are_converted_with_their_errors(tmp_path):
    table = pa.table(
        {"oid": [1, 1], "mjd": [1.0, 2.0], "fid": [1, 2], "mag": [25.0, None], "magerr": [0.1, 0.1]}
    )
    files = open_files([str(write(tmp_path / "mag.parquet", table))])
    for zero_point, flux in ((27.5, 10.0), (None, 10**2.56)):
        options = LightCurveOptions(zero_point, magnitudes=True)
        (batch,) = FileSource(files, [], light_curves=options)
        curves = batch.light_curves
        np.testing.assert_allclose(curves.flux, [flux, np.nan], rtol=1e-14)
        np.testing.assert_allclose(curves.flux_err, [flux * 0.0921034037197618, np.nan], rtol=1e-14)
        assert curves.zero_point == (zero_point or 31.4)
    with pytest.raises(InputError, match=r"mag\.parquet: column 'mag' holds magnitudes"):
        FileSource(files, [], light_curves=LightCurveOptions())


def test_an_empty_table_gives_one_batch_of_no_objects(tmp_path):
    files = open_files([str(write(tmp_path / "a.parquet", SHORT.slice(0, 0)))])
    (batch,) = FileSource(files, ["mwebv"], light_curves=LightCurveOptions(27.5))
    assert (len(batch), batch.light_curves.offsets.tolist()) == (0, [0])
    assert batch.light_curves.zero_point == 27.5


def test_files_of_different_forms_are_refused(tmp_path):
    write(tmp_path / "a.parquet", SHORT)
    write(tmp_path / "b.parquet", SHORT.rename_columns(["oid", "mwebv", "MJD", *NAMES[1:]]))
    with pytest.raises(InputError) as error:
        FileSource(open_files([str(tmp_path)]), [], light_curves=LightCurveOptions(27.5))
    assert str(error.value) == (
        f"{tmp_path}/b.parquet: its light curves are not in the columns that those of "
        f"{tmp_path}/a.parquet are in; classify them apart"
    )


def test_lists_of_text_are_no_fluxes(tmp_path):
    table = pa.table({"oid": [1], "mjd": [[1.0]], "band": [["r"]], "flux": [["1.0"]]})
    path = write(tmp_path / "a.parquet", table)
    with pytest.raises(InputError) as error:
        FileSource(open_files([str(path)]), [], light_curves=LightCurveOptions(27.5))
    assert str(error.value) == f"{path}: 'flux' holds string of flux, not numbers"


def test_null_features_are_repaired_only_where_features_are_asked_for(read, tmp_path):
    table = pa.table(
        {
            "oid": [1, 2],
            "mwebv": [0.1, 0.2],
            "features": pa.array([{"SPM_A_u": 1.0}, None]),
            "mjd": [[1.0], [1.0]],
            "band": [["r"], ["y"]],
            "FLUXCAL": [[1.0], [1.0]],
        }
    )
    path = write(tmp_path / "a.parquet", table)
    y = "1 observations in band y are read as Y"
    assert [note for *_, note in read([path], ["mwebv"])] == [None, y]
    notes = [note for *_, note in read([path], ["mwebv", "SPM_A_u"])]
    assert notes == [None, f"the object has no features; {y}"]
    files = open_files([str(path)])
    (batch,) = FileSource(files, ["SPM_A_u"])  # for a forest it is a problem
    assert batch.problems[1].status is Status.MISSING_FEATURES
    assert batch.light_curves is None


@pytest.mark.parametrize("nested", [False, True])
def test_what_an_output_schema_asks_for_comes_with_the_light_curves(tmp_path, nested):
    table = pa.table({"oid": [1, 1, 2], "alertId": [2**53 + 1, 3, 4], "mjd": [1.0, 2.0, 3.0]})
    table = table.append_column("band", [["r", "r", "g"]]).append_column(
        "FLUXCAL", [[1.0, 2.0, 3.0]]
    )
    if nested:
        table = pa.table(
            {
                name: table[name] if n < 2 else [[value] for value in table[name].to_pylist()]
                for n, name in enumerate(table.column_names)
            }
        )
    files = open_files([str(write(tmp_path / "a.parquet", table))])
    source = FileSource(files, [], 10, ("alertId", "diaSourceId"), LightCurveOptions())
    (batch,) = source
    expected = [2**53 + 1, 3, 4] if nested else [2**53 + 1, 4]
    assert batch.context.to_pydict() == {"alertId": expected}


def test_columns_of_other_names_hold_light_curves_when_they_are_told(tmp_path):
    table = SHORT.rename_columns(["oid", "mwebv", "when", "filter", "brightness", "error"])
    path = write(tmp_path / "a.parquet", table)
    names = {"mjd": "when", "band": "filter", "FLUXCAL": "brightness", "FLUXCALERR": "error"}
    files = open_files([str(path)], names=Names(names))
    (batch,) = FileSource(files, ["mwebv"], light_curves=LightCurveOptions())
    assert batch.light_curves.zero_point == 27.5
    assert batch.light_curves.flux.tolist() == [2.0, 4.0, 6.0]
    assert batch.light_curves.offsets.tolist() == [0, 2, 3]
