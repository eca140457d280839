import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.errors import InputError
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
