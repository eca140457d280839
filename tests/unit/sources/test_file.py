import json
import os

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.errors import InputError
from lcclassify.sources.file import FileSource, open_files
from lcclassify.status import Status

TABLE = pa.table(
    {
        "oid": ["ZTF1", "ZTF2", "ZTF3"],
        "b": [1.5, None, -2.0],
        "a": [0.1, 0.2, 1 / 3],
        "note": ["x", "y", "z"],
    }
)


def write(table, path):
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    return str(path)


def rows(source):
    """Ids, features and problems of a whole source, numbered over its batches."""
    ids, features, problems = [], [], {}
    for batch in source:
        problems |= {len(ids) + row: problem for row, problem in batch.problems.items()}
        ids += batch.object_id.to_pylist()
        features += batch.features.to_pylist()
        assert len(batch) == batch.features.num_rows
    return ids, features, problems


@pytest.fixture(params=[".parquet", ".csv", ".jsonl"])
def path(request, tmp_path):
    return tmp_path / f"features{request.param}"


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_rows_come_in_order_at_any_batch_size(path, batch_size):
    write(TABLE, path)
    source = FileSource(open_files([str(path)]), ["a", "b"], batch_size)
    expected = TABLE.select(["a", "b"]).to_pylist()
    assert rows(source) == (["ZTF1", "ZTF2", "ZTF3"], expected, {})


def test_an_input_without_rows_gives_one_batch_of_none(tmp_path):
    for suffix in (".parquet", ".csv"):
        path = write(TABLE.slice(0, 0), tmp_path / f"none{suffix}")
        [batch] = FileSource(open_files([path]), ["a"])
        assert len(batch) == 0
        assert batch.features.column_names == ["a"]


def test_integer_ids_stay_integers_where_the_format_has_them(path):
    table = pa.table({"diaObjectId": [2**62, 2**62 + 1], "a": [1.0, 2.0]})
    ids, _, _ = rows(FileSource(open_files([write(table, path)]), ["a"]))
    written = [2**62, 2**62 + 1]
    assert ids == (list(map(str, written)) if path.suffix == ".csv" else written)


def test_a_value_that_is_no_number_costs_its_row(path):
    table = pa.table({"oid": ["p", "q", "r"], "a": ["1.5", "abc", "inf"], "b": ["1", "2", "3"]})
    _, features, problems = rows(FileSource(open_files([write(table, path)]), ["a", "b"]))
    assert problems == {1: (Status.INVALID_FEATURES, "a = 'abc' is not a number")}
    assert [row["b"] for row in features] == [1.0, 2.0, 3.0]
    assert [row["a"] for row in features] == [1.5, None, float("inf")]


def test_several_files_are_one_table(tmp_path):
    write(TABLE.slice(0, 2), tmp_path / "0.parquet")
    write(TABLE.slice(2), tmp_path / "1.csv")
    files = open_files([str(tmp_path)])
    assert rows(FileSource(files, ["a"]))[0] == ["ZTF1", "ZTF2", "ZTF3"]
    assert files.n_rows is None
    assert open_files([str(tmp_path / "*.parquet")]).n_rows == 2


def test_a_folder_is_read_in_the_order_of_names_without_its_hidden_files(tmp_path):
    for name in ("b", "a", "_metadata", ".part"):
        (tmp_path / "sub").mkdir(exist_ok=True)
        write(pa.table({"oid": [name], "a": [1.0]}), tmp_path / "sub" / f"{name}.parquet")
    assert rows(FileSource(open_files([str(tmp_path)]), ["a"]))[0] == ["a", "b"]


def test_only_columns_that_all_files_have_count(tmp_path):
    write(TABLE, tmp_path / "0.parquet")
    write(TABLE.drop_columns(["b"]), tmp_path / "1.parquet")
    assert list(open_files([str(tmp_path)]).columns) == ["oid", "a", "note"]


def test_structs_of_features_and_header_are_opened(tmp_path):
    features = pa.array([{"a": 1.0, "mwebv": 5.0}, None, {"a": None, "mwebv": 6.0}])
    header = pa.array([{"mwebv": 0.5}, {"mwebv": 0.25}, None])
    table = pa.table({"oid": ["p", "q", "r"], "features": features, "diaObject": header})
    files = open_files([write(table, tmp_path / "nested.parquet")])
    ids, values, problems = rows(FileSource(files, ["mwebv", "a"]))
    assert ids == ["p", "q", "r"]
    assert values == [
        {"mwebv": 0.5, "a": 1.0},
        {"mwebv": 0.25, "a": None},
        {"mwebv": None, "a": None},
    ]
    assert problems == {1: (Status.MISSING_FEATURES, "the object has no features")}


def test_json_objects_of_features_and_header_are_opened(tmp_path):
    path = tmp_path / "nested.jsonl"
    lines = [
        {"oid": "p", "features": {"a": 1.0, "mwebv": 5}, "diaObject": {"mwebv": 0.5}},
        {"oid": "q", "features": None, "diaObject": {"mwebv": 0.25}},
        {"oid": "r", "features": {"a": None}, "diaObject": None},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    _, values, problems = rows(FileSource(open_files([str(path)]), ["mwebv", "a"]))
    assert values == [
        {"mwebv": 0.5, "a": 1.0},
        {"mwebv": 0.25, "a": None},
        {"mwebv": None, "a": None},
    ]
    assert problems == {1: (Status.MISSING_FEATURES, "the object has no features")}


def test_a_line_that_is_no_object_costs_itself(tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_bytes(b'{"oid": "p", "a": 1}\n{"oid": "q", "a"\n\n[1]\n\xff\n{"oid": "r", "a": 2}\n')
    ids, values, problems = rows(FileSource(open_files([str(path)]), ["a"], 2))
    assert ids == ["p", None, None, None, "r"]
    assert [row["a"] for row in values] == [1.0, None, None, None, 2.0]
    assert {row: problem.reason for row, problem in problems.items()} == {
        1: "line 2 is not a JSON object",
        2: "line 4 is not a JSON object",
        3: "line 5 is not a JSON object",
    }
    assert {problem.status for problem in problems.values()} == {Status.INVALID_RECORD}


@pytest.mark.parametrize("value", [[1], {"x": 1}])
def test_a_json_value_of_another_kind_costs_its_row(tmp_path, value):
    path = tmp_path / "odd.jsonl"
    records = [{"oid": "p", "a": 1}, {"oid": "q", "a": value}, {"oid": "r", "a": True}]
    path.write_text("\n".join(map(json.dumps, records)))
    _, values, problems = rows(FileSource(open_files([str(path)]), ["a"]))
    assert [row["a"] for row in values] == [1.0, None, 1.0]
    assert problems == {1: (Status.INVALID_FEATURES, f"a = {value!r} is not a number")}


def test_json_ids_are_text_if_one_of_them_is_wherever_it_stands(tmp_path):
    path = tmp_path / "ids.jsonl"
    lines = [json.dumps({"oid": number, "a": 1}) for number in [1] * 1500 + ["x", None, [2]]]
    path.write_text("\n".join(lines))
    ids, _, problems = rows(FileSource(open_files([str(path)]), ["a"], 300))
    assert ids == ["1"] * 1500 + ["x", None, None]
    assert problems == {
        1501: (Status.INVALID_RECORD, "the object has no id"),
        1502: (Status.INVALID_RECORD, "[2] is no id"),
    }


def test_the_order_of_json_lines_changes_no_answer(tmp_path):
    records = [{"oid": 1, "a": [0]}, *({"oid": n, "a": 1.5} for n in range(2, 1500))]
    records.append({"oid": 1500, "a": 2.5, "late": 3})
    answers = []
    for name, order in (("up", records), ("down", records[::-1])):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, order)))
        ids, values, problems = rows(FileSource(open_files([str(path)]), ["a", "late"], 400))
        bad = {ids[row]: problem for row, problem in problems.items()}
        answers.append((dict(zip(ids, values, strict=True)), bad))
    assert answers[0] == answers[1]
    assert answers[0][0][1500] == {"a": 2.5, "late": 3.0}
    assert list(answers[0][1]) == [1]


def test_json_without_its_features_has_none(tmp_path):
    path = tmp_path / "nested.jsonl"
    lines = [{"oid": "p", "features": {"a": 1}}, {"oid": "q"}, {"oid": "r", "diaObject": "x"}]
    path.write_text("\n".join(map(json.dumps, lines)))
    _, _, problems = rows(FileSource(open_files([str(path)]), ["a"]))
    assert {row: problem.status for row, problem in problems.items()} == {
        1: Status.MISSING_FEATURES,
        2: Status.MISSING_FEATURES,
    }


def test_halves_of_characters_in_json_cost_their_row(tmp_path):
    path = tmp_path / "half.jsonl"
    path.write_text(
        '{"oid": "\\ud800", "a": 1}\n{"oid": "q", "a": "\\ud800"}\n{"oid": "r", "a": 2}\n'
    )
    ids, values, problems = rows(FileSource(open_files([str(path)]), ["a"]))
    assert (ids, values[2]) == ([None, "q", "r"], {"a": 2.0})
    assert sorted(problems) == [0, 1]


def test_an_object_without_an_id_is_a_problem(path):
    table = pa.table({"oid": ["p", None, "r"], "a": [1.0, 2.0, 3.0]})
    _, _, problems = rows(FileSource(open_files([write(table, path)]), ["a"]))
    assert problems == {1: (Status.INVALID_RECORD, "the object has no id")}


def test_bytes_that_are_no_utf8_cost_their_csv_row(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes(b"oid,a\np,1\nq,\xe9\n\xe9,3\ns,4\n")
    ids, values, problems = rows(FileSource(open_files([str(path)]), ["a"]))
    assert [row["a"] for row in values] == [1.0, None, 3.0, 4.0]
    assert (ids[0], ids[1], ids[3]) == ("p", "q", "s")
    assert {row: problem.status for row, problem in problems.items()} == {
        1: Status.INVALID_RECORD,
        2: Status.INVALID_RECORD,
    }


def test_a_quote_that_is_not_closed_loses_no_rows_in_silence(tmp_path):
    path = tmp_path / "quote.csv"
    path.write_text('oid,a\np,1\n"q,2\nr,3\ns,4\n')
    with pytest.raises(InputError, match="a quote is opened and not closed"):
        list(FileSource(open_files([str(path)]), ["a"]))


def test_many_csv_rows_of_another_length_come_in_batches(tmp_path):
    path = tmp_path / "short.csv"
    path.write_text("oid,a\np,1\n" + "short\n" * 1000 + "q,2\n" + "short\n" * 7)
    batches = list(FileSource(open_files([str(path)]), ["a"], 100))
    assert max(map(len, batches)) == 100
    ids = [oid for batch in batches for oid in batch.object_id.to_pylist()]
    assert [(row, oid) for row, oid in enumerate(ids) if oid] == [(0, "p"), (1001, "q")]
    assert len(ids) == 1009


def test_a_csv_of_names_alone_has_no_rows(tmp_path):
    for number, end in enumerate(("", "\n")):
        path = tmp_path / f"{number}.csv"
        path.write_text("oid,a" + end)
        assert rows(FileSource(open_files([str(path)]), ["a"])) == ([], [], {})


def test_a_csv_column_of_dates_costs_rows_not_the_file(tmp_path):
    path = tmp_path / "dates.csv"
    path.write_text("oid,a\np,2020-01-01\nq,2020-01-02\n")
    _, _, problems = rows(FileSource(open_files([str(path)]), ["a"]))
    assert sorted(problems) == [0, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("oid,a\np,1\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (b"\x1f\x8b\x08\x00\x00\x00", "is compressed; decompress it first"),
        (b"oid,a\0\n", "is not text: it holds zero bytes"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_what_is_no_text_is_one_sentence(tmp_path, content, message, suffix):
    path = tmp_path / f"f{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        open_files([str(path)])
    assert str(error.value) == f"{path} {message}"


def test_an_id_column_that_is_there_twice_is_refused(tmp_path):
    table = pa.Table.from_arrays(
        [pa.array(["p"]), pa.array(["q"]), pa.array([1.0])], ["oid", "oid", "a"]
    )
    pq.write_table(table, tmp_path / "f.parquet")
    with pytest.raises(InputError, match="column 'oid' is there twice"):
        list(FileSource(open_files([str(tmp_path / "f.parquet")]), ["a"]))


@pytest.mark.parametrize("name", ["x" * 300 + ".csv", ""])
def test_names_that_no_file_can_have_are_one_sentence(name):
    with pytest.raises(InputError):
        open_files([name])


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="is not an ordinary file"):
        open_files([str(tmp_path / "pipe.csv")])


def test_json_numbers_beyond_float64_are_infinite_or_rounded(tmp_path):
    path = tmp_path / "big.jsonl"
    path.write_text('{"oid": "p", "a": 1e999}\n{"oid": "q", "a": 123456789012345678901234567890}\n')
    _, values, problems = rows(FileSource(open_files([str(path)]), ["a"]))
    assert [row["a"] for row in values] == [float("inf"), 1.2345678901234568e29]
    assert problems == {}


@settings(deadline=None, max_examples=60)
@given(
    good=st.lists(st.booleans(), min_size=1, max_size=12),
    batch_size=st.integers(1, 5),
    quoted=st.booleans(),
)
def test_a_csv_row_of_another_length_keeps_its_place(tmp_path_factory, good, batch_size, quoted):
    path = tmp_path_factory.mktemp("csv") / "ragged.csv"
    id_ = '"z{}\nline"' if quoted else "z{}"
    lines = [
        f"{id_.format(row)},{row}.5" if is_good else f"broken{row}" + ",1,2" * (row % 2)
        for row, is_good in enumerate(good)
    ]
    path.write_text("\n".join(["oid,a", *lines]) + "\n")
    ids, values, problems = rows(FileSource(open_files([str(path)]), ["a"], batch_size))
    plain = id_.replace('"', "")
    assert ids == [plain.format(row) if is_good else None for row, is_good in enumerate(good)]
    assert [value["a"] for value in values] == [
        row + 0.5 if is_good else None for row, is_good in enumerate(good)
    ]
    assert problems == {
        row: (Status.INVALID_RECORD, f"row {row + 2} has {3 if row % 2 else 1} fields, not 2")
        for row, is_good in enumerate(good)
        if not is_good
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("f.parquet", b"oid,a\n", "{path} is not a Parquet file"),
        ("f.parquet", b"", "{path} is not a Parquet file"),
        ("f.csv", b"", "{path} is not a CSV file"),
        ("f.jsonl", b"nothing\nof\nthat", "{path} is not JSON Lines"),
        ("f.jsonl", b"", "{path} is not JSON Lines"),
        ("f.xls", b"", "{path}: cannot tell its format; known suffixes: .parquet, .pq, .csv"),
        ("f.csv", b"name,a\nx,1\n", "{path}: no object id: none of the columns oid, aid, objectId"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        open_files([str(path)])
    assert str(error.value).startswith(message.format(path=path))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError) as error:
        open_files([str(tmp_path / "no.csv")])
    assert str(error.value) == f"cannot read {tmp_path / 'no.csv'}: No such file or directory"


def test_a_folder_without_data(tmp_path):
    with pytest.raises(InputError, match="no .parquet, .pq, .csv, .jsonl, .ndjson, .avro file"):
        open_files([str(tmp_path)])


def test_a_truncated_parquet_file_is_damaged_from_there_on(tmp_path):
    path = tmp_path / "f.parquet"
    table = pa.table({"oid": list(map(str, range(5000))), "a": [i * 0.37 for i in range(5000)]})
    pq.write_table(table, path, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[4:60000] = bytes(59996)
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        list(FileSource(open_files([str(path)]), ["a"]))


def test_a_column_that_is_there_twice_cannot_be_read(tmp_path):
    table = pa.Table.from_arrays([pa.array(["p"]), *[pa.array([1.0])] * 2], ["oid", "a", "a"])
    pq.write_table(table, tmp_path / "f.parquet")
    (tmp_path / "f.csv").write_text("oid,a,a\np,1,2\n")
    for name in ("f.parquet", "f.csv"):
        with pytest.raises(InputError, match="column 'a' is there twice"):
            list(FileSource(open_files([str(tmp_path / name)]), ["a"]))


def test_ids_of_two_types_are_refused(tmp_path):
    write(pa.table({"oid": [1], "a": [1.0]}), tmp_path / "0.parquet")
    write(pa.table({"oid": ["1"], "a": [1.0]}), tmp_path / "1.parquet")
    with pytest.raises(InputError, match="column 'oid' is not of one type: int64 in"):
        open_files([str(tmp_path)])


def test_the_id_column_can_be_named(tmp_path):
    path = write(pa.table({"oid": ["p"], "name": ["q"], "a": [1.0]}), tmp_path / "f.parquet")
    [batch] = FileSource(open_files([path], "name"), ["a"])
    assert (batch.id_name, batch.object_id.to_pylist()) == ("name", ["q"])
    with pytest.raises(InputError, match="there is no column 'nope'"):
        open_files([path], "nope")


def test_the_same_column_for_two_features_is_read_once(tmp_path):
    path = write(TABLE, tmp_path / "f.parquet")
    [batch] = FileSource(open_files([path]), ["a", "a", "b"])
    assert batch.features.column_names == ["a", "b"]


def test_a_feature_that_is_called_like_a_value_of_the_header_has_two_names(tmp_path):
    record = {"oid": 1, "features": {"mwebv": 2.0, "a": 3.0}, "diaObject": {"mwebv": 4.0}}
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "a.parquet")
    (batch,) = FileSource(open_files([str(tmp_path)]), ["mwebv", "features.mwebv"])
    assert batch.features.to_pylist() == [{"mwebv": 4.0, "features.mwebv": 2.0}]


def test_a_file_set_knows_its_light_curves(tmp_path):
    write(TABLE, tmp_path / "features.csv")
    seen = pa.table({"oid": [1], "MJD": [1.0], "BAND": ["r"], "FLUXCAL": [1.0]})
    write(seen, tmp_path / "curves.parquet")
    assert open_files([str(tmp_path / "features.csv")]).light_curves is None
    form = open_files([str(tmp_path / "curves.parquet")]).light_curves
    assert (form.kind, form.zero_point, form.flux_err) == ("rows", 27.5, None)
