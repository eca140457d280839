"""Ids: the same in every format, exact where one is, and said where they were rounded."""

import json
from decimal import Decimal

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.errors import InputError
from lcclassify.remarks import Kind
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSource, in_memory, open_files
from lcclassify.sources.ids import check_id_kind, read_ids
from lcclassify.status import Status

LSST = 169813006680588318
NO_ID = (Status.INVALID_RECORD, "the object has no id")
EDGE = 2**53
INTEGERS = st.one_of(
    st.integers(1, 99),
    st.integers(EDGE - 3, EDGE + 3),
    st.integers(LSST - 40, LSST + 40),
    st.integers(-(2**63) + 1025, 2**63 - 1025),  # whose floats are of 64 bits too
)
OBJECTS = st.one_of(st.none(), st.just(0), INTEGERS)


def objects(files, **options):
    """Ids as text, problems and remarks on ids of a whole source."""
    ids, problems, remarks = [], {}, {}
    for batch in FileSource(files, [], **options):
        problems |= {len(ids) + row: tuple(each) for row, each in batch.problems.items()}
        ids += [None if id_ is None else str(id_) for id_ in batch.object_id.to_pylist()]
        for (kind, name), count in batch.remarks.items():
            if kind in (Kind.ROUNDED_ID, Kind.COLLIDING_ID):
                remarks[kind, name] = remarks.get((kind, name), 0) + count
    return ids, problems, remarks


# Each kind of place: how it writes an integer, its Arrow type, and its Avro type.
PLACES = {
    "integer": (int, pa.int64(), "long"),
    "double": (float, pa.float64(), "double"),
    "text": (str, pa.string(), "string"),
    "text of floats": (lambda value: repr(float(value)), pa.string(), "string"),
    "bytes": (lambda value: f"{value}  ".encode(), pa.binary(), "bytes"),
    "zero bytes": (lambda value: f"{value}\0".encode(), pa.large_binary(), "bytes"),
    "nothing": (lambda value: None, pa.float64(), "double"),
}
IS_ROUNDED = ("double", "text of floats")


def expected(places, values):
    """The first exact id of a record, or else the first; and whether it was rounded."""
    found = []
    for kind, value in zip(places, values, strict=True):
        if value in (None, 0) or kind == "nothing":
            continue
        is_rounded = kind in IS_ROUNDED and abs(float(value)) >= EDGE
        found.append((is_rounded, int(float(value)) if kind in IS_ROUNDED else value))
    if not found:
        return None, False
    is_rounded, value = min(found, key=lambda each: each[0])  # the first of the best
    return str(value), is_rounded


def written(kind, value):
    return None if value is None else PLACES[kind][0](value)


def packet(places, values, oid="diaObjectId"):
    source, header, own = (written(kind, v) for kind, v in zip(places, values, strict=True))
    return {
        "diaSource": {oid: source, "midpointMjdTai": 1.0},
        "diaObject": {oid: header, "ra": 1.0},
        oid: own,
    }


def write_packets(folder, suffix, places, records):
    path = folder / f"packets{suffix}"
    arrow = [PLACES[kind][1] for kind in places]
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    elif suffix == ".avro":
        fields = []
        for name, kind, rest in zip(
            ("diaSource", "diaObject"), places, ("midpointMjdTai", "ra"), strict=False
        ):
            inner = [
                {"name": "diaObjectId", "type": ["null", PLACES[kind][2]]},
                {"name": rest, "type": "double"},
            ]
            fields.append({"name": name, "type": {"type": "record", "name": name, "fields": inner}})
        fields.append({"name": "diaObjectId", "type": ["null", PLACES[places[2]][2]]})
        with path.open("wb") as file:
            fastavro.writer(file, {"type": "record", "name": "a", "fields": fields}, records)
    else:
        schema = pa.schema(
            {
                "diaSource": pa.struct({"diaObjectId": arrow[0], "midpointMjdTai": pa.float64()}),
                "diaObject": pa.struct({"diaObjectId": arrow[1], "ra": pa.float64()}),
                "diaObjectId": arrow[2],
            }
        )
        table = pa.Table.from_pylist(records, schema)
        if suffix == "":
            return in_memory(table)
        pq.write_table(table, path)
    return open_files([str(path)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ids")


@settings(deadline=None, max_examples=300)
@given(
    suffix=st.sampled_from(["", ".parquet", ".avro", ".jsonl"]),
    places=st.tuples(*[st.sampled_from(list(PLACES))] * 3),
    rows=st.lists(st.tuples(OBJECTS, st.tuples(*[st.booleans()] * 3)), min_size=1, max_size=5),
)
def test_the_exact_id_of_a_packet_wins_wherever_it_lies(folder, suffix, places, rows):
    if suffix == ".jsonl" and any("bytes" in kind for kind in places):
        places = tuple("text" if "bytes" in kind else kind for kind in places)
    rows = [tuple(value if there else None for there in mask) for value, mask in rows]
    records = [packet(places, values) for values in rows]
    wanted = [expected(places, values) for values in rows]
    ids, problems, remarks = objects(write_packets(folder, suffix, places, records))
    assert ids == [value for value, _ in wanted]
    assert problems == {n: NO_ID for n, (value, _) in enumerate(wanted) if value is None}
    n_rounded = sum(is_rounded for _, is_rounded in wanted)
    assert remarks == ({(Kind.ROUNDED_ID, "diaObjectId"): n_rounded} if n_rounded else {})


@settings(deadline=None, max_examples=200)
@given(
    suffix=st.sampled_from(["", ".parquet", ".csv", ".avro", ".jsonl"]),
    name=st.sampled_from(["oid", "diaObjectId"]),
    kind=st.sampled_from(list(PLACES)[:-1]),
    values=st.lists(OBJECTS, min_size=1, max_size=6),
)
def test_a_table_has_the_same_ids_in_every_format(folder, suffix, name, kind, values):
    if suffix in (".csv", ".jsonl") and "bytes" in kind:
        kind = "text"
    cells = [written(kind, value) for value in values]
    path = folder / f"table{suffix}"
    if suffix == ".csv":
        text = "".join(f"{'' if cell is None else cell},1\n" for cell in cells)
        path.write_text(f"{name},a\n{text}")
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps({name: cell, "a": 1}) + "\n" for cell in cells))
    elif suffix == ".avro":
        fields = [{"name": name, "type": ["null", PLACES[kind][2]]}]
        schema = {"type": "record", "name": "row", "fields": fields}
        with path.open("wb") as file:
            fastavro.writer(file, schema, [{name: cell} for cell in cells])
    else:
        pq.write_table(pa.table({name: pa.array(cells, PLACES[kind][1])}), path.with_suffix(".pq"))
    table = in_memory(pq.read_table(path.with_suffix(".pq"))) if suffix == "" else None
    if suffix == ".parquet":
        path = path.with_suffix(".pq")
    ids, problems, remarks = objects(table or open_files([str(path)]))
    zero = name == "diaObjectId"  # 0 may be a row number anywhere else
    found = [None if v is None or (zero and v == 0) else v for v in values]
    if kind in IS_ROUNDED:
        found = [None if value is None else int(float(value)) for value in found]
    blank = "" if suffix == ".csv" else None  # which a CSV file has for nothing
    gone = [blank if v is None else None if zero and v == 0 else v for v in values]
    wanted = [str(f) if f is not None else g for f, g in zip(found, gone, strict=True)]
    assert ids == wanted
    assert problems == {n: NO_ID for n, value in enumerate(found) if value is None}
    n_rounded = sum(v is not None and abs(v) >= EDGE for v in found) if kind in IS_ROUNDED else 0
    assert remarks == ({(Kind.ROUNDED_ID, name): n_rounded} if n_rounded else {})


@pytest.mark.parametrize(
    ("text", "meant", "is_rounded"),
    [
        ("1.6981300668058832e+17", "169813006680588320", True),  # Python
        ("1.6981300668058832E17", "169813006680588320", True),  # Java
        ("169813006680588320.0", "169813006680588320", True),
        ("169813006680588318.0", str(LSST), False),  # no float has these digits: a decimal
        ("1.69813006680588318e+17", str(LSST), False),
        ("1.698130066805883e+17", "169813006680588288", True),  # the shortest that is this float
        ("169813006680588300.0", "169813006680588300", True),  # likewise, or a decimal
        ("1.69813e+17", "169813000000000000", True),
        ("1.69813e+07", "16981300", True),  # cut when it was written
        ("1.698130000000000000e+07", "16981300", False),
        ("17.0", "17", False),
        ("17.", "17", False),
        ("-17.000", "-17", False),
        (" 17.0 ", "17", False),
        ("b'397127    '", "397127", False),
        ('b"17.0\\x00\\x00"', "17", False),
        ("b'1.6981300668058832e+17'", "169813006680588320", True),
        ("9007199254740991.0", "9007199254740991", False),
        ("9007199254740992.0", "9007199254740992", True),
    ],
)
def test_text_that_went_through_a_float_is_the_integer_that_it_means(text, meant, is_rounded):
    ids = read_ids("oid", pa.array([text, "x"]), pa.string())
    assert (ids.values.to_pylist(), ids.rounded.tolist()) == ([meant, "x"], [is_rounded, False])


@pytest.mark.parametrize(
    "name",
    [
        *("ZTF18abc", "1e5-named", "12e4", "1e17", "007.0", "1.5", "1.10.0", "V* RR Lyr", "b'"),
        *("b'\\xff'", "1.0e+400", "17,0", "0x1p3", "Infinity", "b'a' b'b'", "\uff11.0"),
    ],
)
def test_other_names_stay_as_they_are(name):
    ids = read_ids("oid", pa.array([name]), pa.string())
    assert (ids.values.to_pylist(), ids.rounded.any()) == ([name], False)


@pytest.mark.parametrize("text", ["nan", "NaN", "None", "<NA>", "null", "NULL", "\\N", " nan\0"])
def test_what_others_write_for_nothing_is_no_id(text):
    assert read_ids("oid", pa.array([text]), pa.string()).values.to_pylist() == [None]


@settings(deadline=None)
@given(values=st.lists(INTEGERS, max_size=5), kind=st.sampled_from([pa.float32(), pa.float64()]))
def test_below_its_limit_every_float_is_exact(values, kind):
    column = pa.array([float(v) for v in values], pa.float64()).cast(kind, safe=False)
    ids = read_ids("oid", column, pa.int64())
    limit = {pa.float32(): 2**24, pa.float64(): 2**53}[kind]
    for value, found, is_rounded in zip(values, ids.values.to_pylist(), ids.rounded, strict=True):
        assert is_rounded == (found is not None and abs(found) >= limit)
        assert found == value or is_rounded or found is None
        assert found is None or kind != pa.float64() or float(found) == float(value)


def test_a_number_that_is_no_integer_costs_its_row(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"oid": [1.5, float("inf"), float("nan"), None, 1e19, 3.0]}), path)
    ids, problems, _ = objects(open_files([str(path)]))
    assert ids == [None] * 5 + ["3"]
    reasons = {0: "1.5 is no id", 1: "inf is no id", 4: "1e+19 is no id"}
    reasons |= {2: NO_ID[1], 3: NO_ID[1]}
    assert problems == {row: (Status.INVALID_RECORD, reason) for row, reason in reasons.items()}


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (pa.array([17, 2**64 - 1], pa.uint64()), [17, 2**64 - 1]),
        (pa.array([17, None], pa.int8()), [17, None]),
        (pa.array([Decimal(LSST), None], pa.decimal128(38, 0)), [LSST, None]),
        (pa.array([Decimal("17.00"), Decimal("1.50")], pa.decimal128(38, 2)), [17, None]),
        (pa.array([17.0, None]).dictionary_encode(), [17, None]),
        (pa.array(["a ", None]).dictionary_encode(), ["a", None]),
        (pa.array([b"a\0", None]).dictionary_encode(), ["a", None]),
        (pa.array([b"a ", None], pa.binary(2)), ["a", None]),
        (pa.array([b"a ", None], pa.binary_view()), ["a", None]),
        (pa.array(["a ", None], pa.large_string()), ["a", None]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_ids_may_be_of_any_type_of_numbers_text_or_bytes(column, wanted):
    [batch] = FileSource(in_memory(pa.table({"oid": column})), [])
    assert batch.object_id.to_pylist() == wanted


@pytest.mark.parametrize("kind", [pa.bool_(), pa.timestamp("ms"), pa.list_(pa.int64()), pa.null()])
def test_other_types_are_no_ids(kind):
    with pytest.raises(InputError) as error:
        check_id_kind("f", "oid", [kind])
    assert str(error.value) == f"f: column 'oid' cannot be an object id: its type is {kind}"


def test_an_id_of_bytes_that_are_no_text_costs_its_row(tmp_path):
    table = pa.table({"oid": [b"a ", b"\xff\xfe", b"\xc3\xb1 "], "x": [1.0, 2.0, 3.0]})
    pq.write_table(table, tmp_path / "a.parquet")
    ids, problems, _ = objects(open_files([str(tmp_path / "a.parquet")]))
    assert (ids[0], ids[2]) == ("a", "ñ")
    assert problems == {1: (Status.INVALID_RECORD, "oid = '\ufffd\ufffd' is not UTF-8")}


def test_ids_of_a_packet_of_asteroids_alone_are_those_of_no_object():
    source = pa.array([{"diaObjectId": 0}, {"diaObjectId": None}])
    table = pa.table({"diaSource": source, "diaObject": pa.nulls(2)})
    assert objects(in_memory(table)) == ([None, None], {0: NO_ID, 1: NO_ID}, {})


OBSERVED = st.lists(
    st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=12
)  # which object, and whether its id went through a float


@settings(deadline=None, max_examples=60)
@given(rows=OBSERVED, cut=st.integers(0, 12), size=st.integers(1, 5))
def test_rounded_ids_of_observations_are_counted_by_object(folder, rows, cut, size):
    lines = [
        (repr(float(LSST + n)) if is_float else str(LSST + n), "g", 60000 + at)
        for at, (n, is_float) in enumerate(rows)
    ]
    meant = [
        (str(int(float(LSST + n))) if is_float else str(LSST + n), is_float) for n, is_float in rows
    ]
    for name, part in (("1.csv", lines[:cut]), ("2.csv", lines[cut:])):
        text = "".join(f"{oid},{band},{mjd},1\n" for oid, band, mjd in part)
        (folder / name).write_text("oid,band,mjd,psfFlux\n" + text)
    files = open_files([str(folder / "1.csv"), str(folder / "2.csv")])
    curves = LightCurveOptions(zero_point=31.4)
    ids, _, remarks = objects(files, batch_size=size, light_curves=curves)
    texts = [text for text, _ in meant]
    rounded = {text for text, is_float in meant if is_float}
    assert ids == list(dict.fromkeys(texts))
    several = [text for text in rounded if texts.count(text) > 1]
    counts = {Kind.ROUNDED_ID: len(rounded), Kind.COLLIDING_ID: len(several)}
    assert remarks == {(kind, "oid"): n for kind, n in counts.items() if n}


def test_rounded_ids_of_a_feature_table_are_counted_by_object(tmp_path):
    table = pa.table(
        {
            "oid": [float(LSST), float(LSST), 17.0],
            "name": ["a", "b", "a"],
            "fid": [0, 0, 0],
            "value": [1.0, 2.0, 3.0],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    ids, _, remarks = objects(open_files([str(tmp_path / "a.parquet")]))
    assert ids == ["169813006680588320", "17"]
    assert remarks == {(Kind.ROUNDED_ID, "oid"): 1, (Kind.COLLIDING_ID, "oid"): 1}


def test_the_key_of_a_folder_is_an_id_like_others(tmp_path):
    for key in ("17.0", repr(float(LSST))):
        (tmp_path / f"oid={key}").mkdir()
        pq.write_table(pa.table({"a": [1.0]}), tmp_path / f"oid={key}" / "a.parquet")
    ids, _, remarks = objects(open_files([str(tmp_path)]))
    assert sorted(ids) == ["169813006680588320", "17"]
    assert remarks == {(Kind.ROUNDED_ID, "oid"): 1}


def test_a_rounded_id_keeps_its_remark_under_another_name(tmp_path):
    (tmp_path / "names.toml").write_text('[columns]\nstar = "oid"\n')
    from lcclassify.sources.names import read_names

    table = pa.table({"oid": np.array([float(LSST), 17.0])})
    files = in_memory(table, "star", read_names(tmp_path / "names.toml"))
    ids, _, remarks = objects(files)
    assert ids == ["169813006680588320", "17"]
    assert remarks == {(Kind.ROUNDED_ID, "star"): 1}
