"""What is left out of light curves is counted, named and felt, by whatever route they come."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.batch import BANDS
from lcclassify.remarks import as_plain
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.declared_form import DeclaredForm
from lcclassify.sources.file import FileSource, in_memory, open_files
from lcclassify.sources.names import Names
from lcclassify.status import Status

READ = {"g": "g", "lsst_r": "r", "zi": "i", "2.0": "r", "b'z '": "z", "u ": "u", "LSST-Y": "Y"}
UNKNOWN = ("R", "J", "x1", " g", "orange-ATLAS")
NAMES = ("mjd", "band", "flux", "flux_err")
OBSERVATION = st.tuples(
    st.sampled_from([60000.0, 60003.5, 2460001.25, None]),
    st.sampled_from([*READ, *UNKNOWN, None]),
    st.sampled_from([5.0, -2.5, None]),
    st.sampled_from([0.5, None]),
)
OBJECTS = st.lists(st.lists(OBSERVATION, min_size=1, max_size=5), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("measure")


def look(files, **options):
    """Light curves, repairs and remarks of all objects, as plain values."""
    light, repairs, remarks = [], {}, Counter()
    for batch in FileSource(files, [], 4, light_curves=LightCurveOptions(**options)):
        curves = batch.light_curves
        columns = (curves.mjd, curves.band, curves.flux, curves.flux_err)
        seen = list(zip(*(column.tolist() for column in columns), strict=True))
        for row in range(len(batch)):
            light.append(list(seen[curves.offsets[row] : curves.offsets[row + 1]]))
            if row in batch.repairs:
                repairs[len(light) - 1] = batch.repairs[row]
        remarks.update(batch.remarks)
    return light, repairs, as_plain(remarks)


def tables(objects):
    """The same observations as rows and as lists."""
    kinds = (pa.float64(), pa.string(), pa.float64(), pa.float64())
    rows = [(number, *seen) for number, curve in enumerate(objects) for seen in curve]
    flat = {name: [row[n + 1] for row in rows] for n, name in enumerate(NAMES)}
    lists = {
        name: [[seen[n] for seen in curve] for curve in objects] for n, name in enumerate(NAMES)
    }
    ids = pa.array([row[0] for row in rows], pa.int64())
    return (
        pa.table(
            {"oid": ids} | {n: pa.array(flat[n], k) for n, k in zip(NAMES, kinds, strict=True)}
        ),
        pa.table(
            {"oid": pa.array(range(len(objects)), pa.int64())}
            | {n: pa.array(lists[n], pa.list_(k)) for n, k in zip(NAMES, kinds, strict=True)}
        ),
    )


def expected(objects):
    """What is to be said, from the rules alone."""
    remarks, light = Counter(), []
    for curve in objects:
        seen_here = []
        for mjd, band, flux, _ in curve:
            usable = False
            if mjd is None:
                remarks["bad_time", "mjd"] += 1
            elif flux is None:
                remarks["bad_flux", "flux"] += 1
            elif band not in READ:
                remarks["unknown_band", band or "(none)"] += 1
            else:
                usable = True
            if mjd is not None and mjd > 2_400_000:
                remarks["julian_date", "mjd"] += 1
            seen_here.append(BANDS.index(READ[band]) if usable else -1)
        light.append(seen_here)
    return light, +remarks


@settings(deadline=None, max_examples=60)
@given(objects=OBJECTS)
def test_every_observation_is_read_or_counted_by_reason_and_name(folder, objects):
    rows, lists = tables(objects)
    pq.write_table(rows, folder / "rows.parquet")
    pyarrow.csv.write_csv(rows, folder / "rows.csv")
    lines = [json.dumps(row) + "\n" for row in rows.to_pylist()]
    (folder / "rows.jsonl").write_text("".join(lines))
    found = look(open_files([str(folder / "rows.parquet")]), zero_point=27.5)
    bands, remarks = expected(objects)
    assert [[seen[1] for seen in curve] for curve in found[0]] == bands
    counted = {(kind, name): n for kind, names in found[2].items() for name, n in names.items()}
    surveys = {key: counted.pop(key) for key in list(counted) if key[0] == "other_survey"}
    assert counted == remarks
    assert set(surveys) <= {("other_survey", "ztf (band 'zi')"), ("other_survey", "atlas")}
    for row, codes in enumerate(bands):
        n_lost = codes.count(-1)
        said = found[1].get(row, "")
        assert said.startswith(f"{n_lost} of {len(codes)} observations are left out") == (
            n_lost > 0
        )
        for seen, code in zip(found[0][row], codes, strict=True):
            assert code < 0 or 60000 <= seen[0] < 60004
    for other in ("rows.csv", "rows.jsonl"):
        assert repr(look(open_files([str(folder / other)]), zero_point=27.5)) == repr(found)
    assert repr(look(in_memory(rows), zero_point=27.5)) == repr(found)
    assert repr(look(in_memory(lists), zero_point=27.5)) == repr(found)


SIGNS = {
    "t": 1, "f": -1, "T": 1, "F": -1, "1": 1, "0": -1, "-1": -1, "1.0": 1, "-1.0": -1,
    "true": 1, "false": -1, "True": 1, "False": -1, None: 0, "": 0, "nan": 0, " NaN": 0, "none": 0,
}  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from([*SIGNS]), min_size=1, max_size=9))
def test_isdiffpos_is_the_sign_of_a_difference_flux(signs):
    columns = {"oid": [1] * len(signs), "mjd": [60000.0] * len(signs), "fid": [1] * len(signs)}
    columns |= {"magpsf": [18.0] * len(signs), "isdiffpos": pa.array(signs, pa.string())}
    light, repairs, remarks = look(in_memory(pa.table(columns)), magnitudes=True, zero_point=31.4)
    assert [np.sign(seen[2]) for seen in light[0]] == [SIGNS[sign] or 1 for sign in signs]
    assert repairs == {}
    assert remarks.get("no_sign", {}).get("isdiffpos", 0) == sum(SIGNS[s] == 0 for s in signs)


@pytest.mark.parametrize("kind", [pa.int8(), pa.bool_(), pa.float64(), pa.binary()])
def test_isdiffpos_may_be_of_any_type(kind):
    values = {pa.int8(): [1, 0], pa.bool_(): [True, False], pa.float64(): [1.0, -1.0]}
    signs = pa.array(values.get(kind, [b"t", b"f "]), kind)
    table = {"oid": [1, 1], "mjd": [1.0, 2.0], "band": ["g", "g"], "flux": [5.0, 5.0]}
    light, *_ = look(in_memory(pa.table(table | {"isdiffpos": signs})), zero_point=31.4)
    assert [seen[2] for seen in light[0]] == [5.0, -5.0]


def test_a_negative_flux_stays_negative_and_a_sign_that_is_none_costs_its_observation():
    table = {"oid": [1] * 3, "mjd": [1.0] * 3, "band": ["g"] * 3, "flux": [-5.0, -5.0, 5.0]}
    table["isdiffpos"] = ["f", "t", "maybe"]
    light, repairs, _ = look(in_memory(pa.table(table)), zero_point=31.4)
    assert [seen[2] for seen in light[0][:2]] == [-5.0, -5.0]
    assert light[0][2][1] == -1
    assert repairs == {0: "1 of 3 observations are left out: 1 without a usable isdiffpos"}


@pytest.mark.parametrize("magnitude", [None, 99.0, -99.0, 99.999, 100.0])
def test_a_magnitude_that_stands_for_none_is_a_non_detection_which_repairs_nothing(magnitude):
    table = {"oid": [1, 1], "mjd": [1.0, 2.0], "fid": [1, 2], "mag": [18.0, magnitude]}
    light, repairs, remarks = look(in_memory(pa.table(table)), magnitudes=True)
    assert [seen[1] for seen in light[0]] == [1, -1]
    assert repairs == {}
    assert remarks["non_detection"] == {"mag": 1}


def test_a_time_beyond_any_date_is_no_time():
    table = {
        "oid": [1] * 3,
        "mjd": [59999.5, 2460000.0, 1.7e9],
        "band": ["g"] * 3,
        "flux": [1.0] * 3,
    }
    light, repairs, remarks = look(in_memory(pa.table(table)), zero_point=31.4)
    assert [seen[0] for seen in light[0][:2]] == [59999.5, 59999.5]
    assert remarks == {"bad_time": {"mjd": 1}, "julian_date": {"mjd": 1}}
    assert repairs == {0: "1 of 3 observations are left out: 1 without a usable mjd"}


ROWS = pa.table(
    {
        "star": ["a", "a", "b", "b"],
        "when": [2460000.5, 2460001.5, 2460002.5, 2460003.5],
        "filt": ["G1", "R1", "G1", "J1"],
        "counts": ["1.5", "2.5", "much", "3.5"],
        "bad": [0, 4, 0, 1],
        "pos": ["t", "t", "t", "f"],
    }
)


def test_a_row_per_observation_can_declare_bands_flags_units_and_signs():
    form = DeclaredForm(
        "when", "filt", "counts", zero_point=25.0, id_name="star", bands={"G1": "g", "R1": "r"},
        reject={"bad": 4}, sign="pos", survey="ztf",
    )  # fmt: skip
    files = in_memory(ROWS, names=Names(light_curves=form))
    (batch,) = FileSource(files, [], light_curves=LightCurveOptions())
    curves = batch.light_curves
    assert curves.zero_point == 25.0
    assert batch.object_id.to_pylist() == ["a", "b"]
    assert curves.offsets.tolist() == [0, 1, 3]
    assert curves.band.tolist() == [1, -1, -1]
    assert curves.mjd.tolist() == [60000.0, 60002.0, 60003.0]
    assert batch.repairs == {1: "1 of 2 observations are left out: 1 without a usable counts"}
    assert as_plain(batch.remarks) == {
        "unknown_band": {"J1": 1},  # left out by what is declared, and so no repair
        "bad_flux": {"counts": 1},
        "flagged": {"bad & 4": 1},
        "julian_date": {"when": 3},
        "other_survey": {"ztf (declared)": 2},
    }


@pytest.mark.parametrize("null", [None, float("nan")])
@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_null_sign_is_positive_and_said_in_every_format(tmp_path, null, suffix):
    rows = [
        {"oid": "a", "mjd": 60000.0, "fid": 1, "magpsf": 18.0, "isdiffpos": sign}
        for sign in (1.0, null, -1.0)
    ]
    path = tmp_path / f"a.{suffix}"
    table = pa.Table.from_pylist(rows)
    if suffix == "parquet":
        pq.write_table(table, path)
    elif suffix == "csv":
        pyarrow.csv.write_csv(table, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    light, repairs, remarks = look(open_files([str(path)]), magnitudes=True)
    assert [np.sign(seen[2]) for seen in light[0]] == [1, 1, -1]
    assert (repairs, remarks["no_sign"]) == ({}, {"isdiffpos": 1})


@pytest.mark.parametrize(
    "odd", [pa.list_(pa.string()), pa.timestamp("s"), pa.struct({"x": pa.int8()})]
)
def test_a_sign_of_an_odd_type_is_never_taken_for_positive(odd):
    table = pa.table({"oid": [1], "mjd": [1.0], "band": ["g"], "mag": [18.0]})
    values = {pa.list_(pa.string()): [["t"]], pa.timestamp("s"): [0]}.get(odd, [{"x": 1}])
    table = table.append_column("isdiffpos", pa.array(values, odd))
    light, _, remarks = look(in_memory(table), magnitudes=True)
    assert light[0][0][1] == -1
    assert remarks == {"bad_sign": {"isdiffpos": 1}}


LISTS = [
    {"oid": "a", "mjd": [1, 2], "band": ["g", "r"], "flux": [5, 6.5]},
    {"oid": "b", "mjd": [1, 2], "band": ["g", 7], "flux": [5, "x"]},
    {"oid": "c", "mjd": None, "band": None, "flux": None},
    {"oid": "d", "mjd": [1], "band": ["g"], "flux": [{"x": 1}]},
]


def test_lists_of_json_lines_are_light_curves(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in LISTS))
    light, repairs, _ = look(open_files([str(path)]), zero_point=31.4)
    assert [[seen[1] for seen in curve] for curve in light] == [[1, 2], [1, -1], [], [-1]]
    assert repairs == {
        1: "1 of 2 observations are left out: 1 without a usable flux",
        3: "1 of 1 observations are left out: 1 without a usable flux",
    }


ODD = {"x": 1}, ["g"], [["g"]], 5.5


@pytest.mark.parametrize("name", ["mjd", "band", "flux", "isdiffpos"])
@pytest.mark.parametrize("odd", ODD)
def test_a_value_of_an_odd_type_in_json_lines_costs_its_observation(tmp_path, name, odd):
    good = {"oid": "a", "mjd": 1.0, "band": "g", "flux": 5.0, "isdiffpos": "t"}
    path = tmp_path / "a.jsonl"
    rows = [good, good | {name: odd}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    light, *_ = look(open_files([str(path)]), zero_point=31.4)
    assert light[0][0][1] == 1
    assert light[0][1][1] == (1 if (name, odd) in (("mjd", 5.5), ("flux", 5.5)) else -1)


def test_a_row_that_cannot_be_read_is_no_bad_time(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("oid,mjd,band,flux\na,1,g,5\na,2\nb,3\n")
    (batch,) = FileSource(open_files([str(path)]), [], light_curves=LightCurveOptions(31.4))
    assert as_plain(batch.remarks) == {}
    assert {problem.status for problem in batch.problems.values()} == {Status.INVALID_RECORD}


@pytest.mark.parametrize("flags", [["0", "True"], ["false", "1"], [None, "1.0"]])
def test_flags_of_rows_may_be_text(flags):
    table = {"oid": [1, 1], "t": [1.0, 2.0], "b": ["g", "g"], "f": [1.0, 2.0], "q": flags}
    form = DeclaredForm("t", "b", "f", zero_point=31.4, reject={"q": 1})
    files = in_memory(pa.table(table), names=Names(light_curves=form))
    (batch,) = FileSource(files, [], light_curves=LightCurveOptions())
    assert batch.light_curves.flux.tolist() == [1.0]


def test_an_object_whose_rows_are_all_flagged_has_no_observation():
    form = DeclaredForm("t", "b", "f", zero_point=31.4, reject={"q": 1})
    table = {"oid": [1, 2], "t": [1.0, 2.0], "b": ["g", "g"], "f": [1.0, 2.0], "q": [1, 0]}
    files = in_memory(pa.table(table), names=Names(light_curves=form))
    (batch,) = FileSource(files, [], light_curves=LightCurveOptions())
    assert {row: problem.status for row, problem in batch.problems.items()} == {
        0: Status.TOO_FEW_OBSERVATIONS
    }


@pytest.mark.parametrize(
    ("columns", "remarks"),
    [
        ({"oid": ["ZTF18abcdefg", "x"], "band": ["g", "g"]}, {"ztf (ids)": 1}),
        ({"oid": ["a", "b"], "fid": [1, 2]}, {"ztf (band '1')": 2}),
        ({"oid": ["a", "b"], "fid": [1, 5]}, {}),
        ({"oid": ["a", "b"], "fid": ["g", "Y"]}, {}),
        ({"oid": ["a", "b"], "filtercode": ["zg", "zr"]}, {"ztf (column 'filtercode')": 2}),
        ({"oid": ["a", "b"], "band": ["lsstg", "g_ZTF"]}, {"ztf (band 'g_ZTF')": 1}),
        ({"oid": ["a", "b"], "band": ["ps1::g", "R"]}, {"panstarrs (band 'ps1::g')": 1}),
        ({"oid": ["a", "b"], "passband": [1, 2]}, {}),
        (
            {"oid": ["a", "b"], "band": ["g", "r"], "filtercode": ["zg", "zr"]},
            {"ztf (column 'filtercode')": 2},
        ),
        ({"oid": ["a", "b"], "band": ["g", "r"]}, {}),
    ],
)
def test_light_curves_of_another_survey_are_told_where_they_show_it(columns, remarks):
    table = pa.table(columns | {"mjd": [1.0, 2.0], "flux": [3.0, 4.0]})
    *_, found = look(in_memory(table), zero_point=31.4)
    assert found.get("other_survey", {}) == remarks
