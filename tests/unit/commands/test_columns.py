from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.cli import main
from lcclassify.store import install

EXAMPLE = Path(__file__).parents[3] / "examples" / "plasticc_features.parquet"
WIDE = pa.table(
    {
        "oid": ["p", "q"],
        "Amplitude_1": [0.5, 0.25],
        "PPE": [0.1, 0.2],
        "W1-W2": [1.0, 2.0],
        "rb": [0.5, 0.75],
    }
)
LONG = [
    (row["oid"], name, band, row[column])
    for row in WIDE.to_pylist()
    for column, name, band in (
        ("Amplitude_1", "Amplitude", 1),
        ("PPE", "PPE", 12),
        ("W1-W2", "W1-W2", 0),
        ("rb", "rb", 0),
    )
]


@pytest.fixture
def folder(tmp_path, monkeypatch, model):
    """A working folder with the same objects in several shapes, and the answers to them."""
    install(model.path)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    pq.write_table(WIDE, "wide.parquet")
    columns = map(list, zip(*LONG, strict=True))
    pq.write_table(
        pa.table(dict(zip(["oid", "name", "fid", "value"], columns, strict=True))), "long.parquet"
    )
    renamed = {"oid": "star", "rb": "quality", "PPE": "period"}
    pq.write_table(WIDE.rename_columns(renamed), "renamed.parquet")
    lines = [f'{name} = "{column}"' for name, column in renamed.items()]
    (work / "names.toml").write_text("\n".join(["[columns]", *lines]))
    assert run("classify-file", "wide.parquet", "--to", "wide.csv") == 0
    return work


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    return stop.value.code


@pytest.mark.parametrize(
    "argv",
    [
        ("long.parquet",),
        ("renamed.parquet", "--columns", "names.toml"),
        ("renamed.parquet", "--columns", "names.toml", "--join", "long.parquet"),
        ("long.parquet", "--columns", "names.toml", "--join", "renamed.parquet"),
    ],
    ids=" ".join,
)
def test_equal_objects_have_equal_answers_in_any_shape(folder, argv):
    assert run("classify-file", *argv, "--model", "toy", "--to", "out.csv") == 0
    assert (folder / "out.csv").read_text() == (folder / "wide.csv").read_text()


@pytest.mark.parametrize(
    "argv", [("long.parquet",), ("renamed.parquet", "--columns", "names.toml")], ids=" ".join
)
def test_folders_of_results_take_them_too(folder, argv):
    assert run("classify-file", *argv, "--model", "toy", "--to", "results/") == 0
    assert run("classify-file", "wide.parquet", "--model", "toy", "--to", "wide/") == 0
    results = [pq.read_table(f"{name}/part-00000.parquet") for name in ("results", "wide")]
    assert results[0].equals(results[1])


def test_a_result_for_other_names_is_another_job(folder, capsys):
    argv = ("classify-file", "renamed.parquet", "--model", "toy", "--to", "results/")
    assert run(*argv, "--columns", "names.toml") == 0
    text = (folder / "names.toml").read_text().replace("quality", "period")
    (folder / "names.toml").write_text(text)
    assert run(*argv, "--columns", "names.toml") == 5
    assert (
        "results was made for another job: names.columns.rb was 'quality' and is"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("argv", "verdict"),
    [
        (("long.parquet",), "toy@1.0: satisfied (3 present, 1 alias); object id: oid"),
        (
            ("renamed.parquet", "--columns", "names.toml"),
            "toy@1.0: satisfied (4 present); object id: oid",
        ),
    ],
)
def test_validate_schema_sees_the_columns_that_are_classified(folder, capsys, argv, verdict):
    assert run("validate-schema", *argv, "--model", "toy") == 0
    assert capsys.readouterr().err.splitlines()[-1] == verdict


def test_a_column_that_is_not_there_is_told_by_both_commands(folder, capsys):
    (folder / "names.toml").write_text('[columns]\nrb = "nope"\n')
    for command in ("classify-file", "validate-schema"):
        assert run(command, "wide.parquet", "--model", "toy", "--columns", "names.toml") == 3
        message = "lcclassify: names.toml: the input has no column nope"
        assert capsys.readouterr().err.splitlines()[-1] == message


def test_a_flat_table_gives_what_an_output_schema_needs(folder, capsys):
    features = pq.read_table(EXAMPLE).slice(0, 3)
    ids = pa.array([2**62 + 1, None, 2**62 + 3])
    times = pa.array([1_672_531_200_123] * 3, pa.timestamp("ms"))
    table = features.append_column("alertId", ids).append_column("source", ids)
    pq.write_table(table.append_column("elasticcPublishTimestamp", times), "flat.parquet")
    (folder / "names.toml").write_text('[columns]\ndiaSourceId = "source"\n')
    schema = ("--model", "plasticc", "--output-schema", "elasticc-v0_9_1", "--to", "out.parquet")
    assert run("classify-file", "flat.parquet", "--columns", "names.toml", *schema) == 0
    records = pq.read_table("out.parquet")
    assert records["alertId"].to_pylist() == [2**62 + 1, 2**62 + 3]
    assert records["diaSourceId"].to_pylist() == [2**62 + 1, 2**62 + 3]
    assert records["elasticcPublishTimestamp"].cast(pa.int64()).to_pylist() == [1672531200123] * 2
    assert capsys.readouterr().err.splitlines()[-1] == "no record for 1 objects: no alertId"
