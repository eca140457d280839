import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from lcclassify.errors import InputError
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSource, open_files
from lcclassify.sources.names import Names, check_names, read_names

TABLE = pa.table({"object": ["p", "q"], "PPE": [1.0, 2.0], "col": [3.0, 4.0], "rest": [5.0, 6.0]})


@pytest.fixture(params=[".parquet", ".csv"])
def path(request, tmp_path):
    path = tmp_path / f"f{request.param}"
    if request.param == ".csv":
        TABLE.to_pandas().to_csv(path, index=False)
    else:
        pq.write_table(TABLE, path)
    return str(path)


def read(path, names, columns):
    [batch] = FileSource(open_files([path], names=Names(names)), columns)
    assert batch.features.column_names == columns
    return batch.id_name, batch.object_id.to_pylist(), batch.features.to_pydict()


def test_columns_go_by_their_new_names_alone(path):
    files = open_files([path], names=Names({"oid": "object", "rb": "col"}))
    assert list(files.columns) == ["PPE", "rest", "oid", "rb"]
    assert (files.id_name, files.renamed) == ("oid", {"oid", "rb"})
    values = {"rb": [3.0, 4.0], "rest": [5.0, 6.0]}
    assert read(path, {"oid": "object", "rb": "col"}, ["rb", "rest"]) == ("oid", ["p", "q"], values)


def test_a_name_hides_a_column_of_any_of_its_spellings(path):
    names = {"oid": "object", "Period_fit": "col"}
    assert list(open_files([path], names=Names(names)).columns) == ["rest", "oid", "Period_fit"]


def test_one_column_may_have_two_names_and_two_columns_may_be_swapped(path):
    names = {"oid": "object", "a": "col", "b": "col", "rest": "PPE", "PPE": "rest"}
    _, _, values = read(path, names, ["a", "rest", "b", "PPE"])
    assert values == {"a": [3.0, 4.0], "b": [3.0, 4.0], "rest": [1.0, 2.0], "PPE": [5.0, 6.0]}


def test_a_file_without_the_column_keeps_its_own(tmp_path):
    pq.write_table(TABLE, tmp_path / "0.parquet")
    other = TABLE.rename_columns({"object": "oid", "col": "rb"})
    pq.write_table(other, tmp_path / "1.parquet")
    files = open_files([str(tmp_path)], names=Names({"oid": "object", "rb": "col"}))
    batches = list(FileSource(files, ["rb"]))
    assert [batch.object_id.to_pylist() for batch in batches] == [["p", "q"]] * 2
    assert [batch.features["rb"].to_pylist() for batch in batches] == [[3.0, 4.0]] * 2


def test_context_columns_are_renamed_too(path):
    files = open_files([path], names=Names({"oid": "object", "alertId": "rest", "lastmjd": "rest"}))
    [batch] = FileSource(files, [], context=["alertId", "lastmjd"])
    assert batch.context.to_pydict() == {"alertId": [5, 6], "lastmjd": [5.0, 6.0]}
    assert len(batch) == 2


def test_the_table_of_names(tmp_path):
    (tmp_path / "m.toml").write_text('[columns]\noid = "my id"\n"W1-W2" = "w12"\n')
    assert read_names(tmp_path / "m.toml") == Names({"oid": "my id", "W1-W2": "w12"})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"columns = 3", "{path}: expected a table [columns], [light_curves] or both"),
        (b"", "{path}: expected a table [columns], [light_curves] or both"),
        (
            b'[columns]\n[more]\na = "b"',
            "{path}: expected a table [columns], [light_curves] or both, not more",
        ),
        (b"[columns]\nrb = 3", "{path}: rb is 3; expected the name of a column in quotes"),
        (b"[columns]\na.b = 'c'", "{path}: a is {{'b': 'c'}}; expected the name of a column in"),
        (b"[columns", "{path} is not TOML: Expected ']' at the end of a table declaration"),
        (b"\xff", "{path} is not TOML: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_a_wrong_table_of_names_is_one_sentence(tmp_path, content, reason):
    path = tmp_path / "m.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_names(path)
    assert str(error.value).startswith(reason.format(path=path))


def test_a_table_of_names_that_is_not_there(tmp_path):
    with pytest.raises(InputError) as error:
        read_names(tmp_path / "m.toml")
    assert str(error.value) == f"cannot read {tmp_path / 'm.toml'}: No such file or directory"


def test_columns_that_no_table_has_are_refused(path, tmp_path):
    names = {"oid": "object", "rb": "nope", "PPE": "neither"}
    files = open_files([path], names=Names(names))
    with pytest.raises(InputError) as error:
        check_names(tmp_path / "m.toml", names, files.renamed)
    assert str(error.value) == f"{tmp_path / 'm.toml'}: the input has no column nope, neither"
    check_names(tmp_path / "m.toml", names, files.renamed | {"rb", "PPE"})


CURVES = {"mjd": [60000.0, 60001.0], "band": ["g", "r"], "flux": [1.0, 2.0], "flux_err": [0.1, 0.1]}


def write_stars(path, columns):
    table = pa.table(columns)
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    return str(path)


def objects_of(path, names, light_curves=None):
    """Id, and whether it is said to have none, of each object."""
    source = FileSource(open_files([path], names=Names(names)), [], light_curves=light_curves)
    return [
        ("none" if oid in (None, "") else str(oid), row in batch.problems)
        for batch in source
        for row, oid in enumerate(batch.object_id.to_pylist())
    ]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64(), pa.float64(), pa.string()])
def test_whether_0_is_an_object_goes_by_the_new_name(tmp_path, suffix, kind):
    columns = {"star": pa.array([0, 7, None, 0], pa.int64()).cast(kind), "x": [1, 2, 3, 4]}
    path = write_stars(tmp_path / f"s{suffix}", columns)
    missing = ("none", True)
    assert objects_of(path, {"diaObjectId": "star"}) == [missing, ("7", False), missing, missing]
    of_oid = objects_of(path, {"oid": "star"})
    assert [(oid, bad) for oid, bad in of_oid if not bad] == [
        (oid, False) for oid in ("0", "7", "0")
    ]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("ids", [[0, 0, 7, 7], [0, 7, 0, 7]])
def test_observations_of_object_0_are_of_no_object_by_the_new_name(tmp_path, suffix, ids):
    """A row each, as those without an id are."""
    columns = {"star": pa.array(ids)} | {name: 2 * values for name, values in CURVES.items()}
    path = write_stars(tmp_path / f"s{suffix}", columns)
    options = LightCurveOptions(31.4)
    by_new_name = objects_of(path, {"diaObjectId": "star"}, options)
    assert sorted(by_new_name) == [("7", False), ("none", True), ("none", True)]
    assert sorted(objects_of(path, {"oid": "star"}, options)) == [("0", False), ("7", False)]
