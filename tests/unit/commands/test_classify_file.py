import csv
import json
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lcclassify
from lcclassify.cli import main
from lcclassify.store import install
from lcclassify.testing import TOY_FEATURES as FEATURES

TABLE = pa.table(
    {
        "oid": ["ZTF3", "ZTF1", "ZTF2", "ZTF1"],
        "Amplitude_1": ["0.5", "abc", "0.25", "0.5"],
        "Period_fit": [0.1, 0.2, None, 0.1],
        "W1_W2": [1.0, 2.0, 3.0, 1.0],
        "rb": [0.5, 0.5, 0.5, 0.5],
        "not_a_feature": [1, 2, 3, 4],
    }
)


@pytest.fixture
def folder(tmp_path, monkeypatch, model):
    """A working folder with features.parquet, and the model toy installed."""
    install(model.path)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    pq.write_table(TABLE, "features.parquet")
    return work


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    return stop.value.code


def test_the_default_result_lies_in_the_current_folder(folder, capsys):
    assert run("classify-file", "features.parquet") == 0
    result = pq.read_table("features.toy.parquet")
    assert result["oid"].to_pylist() == TABLE["oid"].to_pylist()
    assert result["status"].to_pylist() == ["ok", "invalid_features", "ok", "ok"]
    assert result["reason"].to_pylist() == [None, "Amplitude_1 = 'abc' is not a number", None, None]
    assert result["classifier_version"].to_pylist() == ["1.0"] * 4
    assert result["lcclassify_version"].to_pylist() == [lcclassify.__version__] * 4
    out, err = capsys.readouterr()
    assert out == ""
    digest = result["model_digest"][0].as_py()[:12]
    assert err.splitlines()[0] == (
        f"model toy@1.0 ({digest}), the most demanding model that fits the input: "
        "4 of 4 features found, 2 under another name"
    )
    assert err.splitlines()[-1] == (
        "4 objects, 1 of them with a repeated id -> features.toy.parquet"
    )


def test_equal_rows_have_equal_answers_and_the_summary_counts_them(folder, capsys):
    assert run("classify-file", "features.parquet", "--json", "--to", "out.jsonl") == 0
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert {**rows[0], "oid": "ZTF1"} == rows[3]
    out, err = capsys.readouterr()
    summary = json.loads(out)
    assert summary["objects"] == 4
    assert summary["repeated_ids"] == 1
    assert summary["statuses"] == {"ok": 3, "invalid_features": 1}
    assert sum(summary["classes"].values()) == 3
    assert (summary["model"], summary["output"]) == ("toy", "out.jsonl")
    assert len(err.splitlines()) == 1


def test_standard_output_is_data_only(folder, capfd):
    assert run("classify-file", "features.parquet", "--to", "-", "--top", "1") == 0
    out, err = capfd.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["oid"] for row in rows] == TABLE["oid"].to_pylist()
    assert "class_1" in rows[0]
    assert err.splitlines()[-1] == "4 objects, 1 of them with a repeated id -> standard output"


def test_tidy_as_csv(folder):
    assert run("classify-file", "features.parquet", "--tidy", "-o", "out.csv") == 0
    rows = list(csv.DictReader((folder / "out.csv").read_text().splitlines()))
    assert len(rows) == 3 * 5 + 1
    assert [row["ranking"] for row in rows[:6]] == ["1", "2", "3", "4", "5", ""]
    assert sum(float(row["probability"]) for row in rows[:5]) == pytest.approx(1, abs=1e-14)


def test_quiet_says_nothing(folder, capfd):
    assert run("classify-file", "features.parquet", "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_a_dry_run_writes_nothing(folder, capsys):
    assert run("classify-file", "features.parquet", "--dry-run") == 0
    assert capsys.readouterr().err.splitlines()[-1] == "dry run: would write features.toy.parquet"
    assert sorted(path.name for path in folder.iterdir()) == ["features.parquet"]


def test_several_inputs_and_formats_are_one_result(folder):
    TABLE.to_pandas().to_csv("more.csv", index=False)
    assert run("classify-file", "features.parquet", "more.csv", "-o", "out.parquet") == 0
    result = pq.read_table("out.parquet")
    assert result["oid"].to_pylist() == TABLE["oid"].to_pylist() * 2
    assert result.slice(0, 4).to_pylist() == result.slice(4).to_pylist()


@pytest.mark.parametrize("batch_size", ["1", "3"])
def test_the_batch_size_changes_nothing(folder, batch_size):
    assert run("classify-file", "features.parquet") == 0
    assert (
        run("classify-file", "features.parquet", "-o", "o.parquet", "--batch-size", batch_size) == 0
    )
    assert pq.read_table("o.parquet").equals(pq.read_table("features.toy.parquet"))


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["no.parquet"], 3, "cannot read no.parquet: No such file or directory"),
        (["features.parquet", "--model", "balto"], 4, "there is no model 'balto'"),
        (["features.parquet", "-o", "out.xls"], 5, "cannot write to 'out.xls': choose a suffix"),
        (
            ["features.parquet", "-o", "no/out.csv"],
            5,
            "cannot write no/out.csv: there is no folder no",
        ),
        (["features.parquet", "--id", "name"], 3, "features.parquet: there is no column 'name'"),
        (
            ["features.parquet", "--model", "plasticc"],
            3,
            "plasticc@1.0.0 needs ",
        ),
        (["nothing.txt"], 3, "nothing.txt: cannot tell its format"),
    ],
)
def test_an_error_is_one_line_and_a_code(folder, capsys, argv, code, message):
    assert run("classify-file", *argv, "--quiet") == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"lcclassify: {message}")
    assert err.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == ["features.parquet"]


@pytest.mark.parametrize("name", ["features.parquet", "link.parquet", "more.parquet"])
def test_no_result_replaces_what_is_read(folder, capsys, name):
    (folder / "link.parquet").symlink_to("features.parquet")
    pq.write_table(pa.table({"oid": ["ZTF1"], "z": [0.5]}), "more.parquet")
    before = (folder / name).read_bytes()
    argv = ["features.parquet", "--join", "more.parquet", "--to", name, "--force"]
    assert run("classify-file", *argv) == 5
    text = f"lcclassify: {name} is an input, which no result replaces; choose another name\n"
    assert capsys.readouterr().err == text
    assert (folder / name).read_bytes() == before


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--classifier-name", "mine"], "--classifier-name and"),
        (["--classifier-version", "2"], "--classifier-name and"),
        (["--sid", "0"], "--scribe-ids and --sid are for"),
        (["--scribe-ids", "x.csv", "--output-schema", "scribe"], "--scribe-ids and --sid are for"),
        (["--shards", "avro"], "--shards is for a folder"),
    ],
)
def test_an_option_that_nobody_would_look_at_is_refused(folder, capsys, argv, text):
    assert run("classify-file", "features.parquet", *argv) == 2
    assert text in capsys.readouterr().err


def test_the_help_names_the_table_of_columns(capsys):
    assert run("classify-file", "--help") == 0
    assert "[columns]" in capsys.readouterr().out


def test_an_existing_result_is_replaced_only_by_force(folder, capsys):
    assert run("classify-file", "features.parquet") == 0
    assert run("classify-file", "features.parquet") == 5
    assert "features.toy.parquet exists already; --force replaces it" in capsys.readouterr().err
    assert run("classify-file", "features.parquet", "--force") == 0


def test_options_that_contradict_each_other_are_wrong_usage(folder):
    assert run("classify-file", "features.parquet", "--tidy", "--hierarchy") == 2
    assert run("classify-file", "features.parquet", "--json", "--to", "-") == 2


def test_a_missing_column_is_filled_only_when_asked(folder, capsys):
    pq.write_table(TABLE.drop_columns(["rb"]), "less.parquet")
    argv = ["classify-file", "less.parquet", "--model", "toy"]
    assert run(*argv) == 3
    assert "needs 4 features and the input gives 3; missing: rb." in capsys.readouterr().err
    assert run(*argv, "--min-coverage", "0.75") == 0
    assert "1 filled as not computed" in capsys.readouterr().err


COMMAND = [sys.executable, "-m", "lcclassify", "classify-file"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_an_interrupted_run_leaves_no_result(folder, number, code):
    line = json.dumps(dict.fromkeys(FEATURES, 0.5) | {"oid": "x"}) + "\n"
    (folder / "long.jsonl").write_text(line * 100_000)  # seconds of work
    argv = [*COMMAND, "long.jsonl", "--model", "toy", "-o", "out.jsonl", "-q"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        while not list(folder.glob(".out.jsonl.*")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(60) == code
        error = process.stderr.read()
    assert error == f"lcclassify: stopped by {number.name}; nothing unfinished is kept\n"
    assert sorted(path.name for path in folder.iterdir()) == ["features.parquet", "long.jsonl"]


def test_a_reader_that_goes_away_is_no_error(folder):
    table = pa.table(
        {"oid": list(map(str, range(20_000)))} | {name: [0.5] * 20_000 for name in FEATURES}
    )
    pq.write_table(table, "many.parquet")
    argv = [*COMMAND, "many.parquet", "--to", "-", "-q"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("name", ["class", "status", "SNIa", "model_digest"])
def test_an_id_that_bears_the_name_of_a_result_is_refused(folder, capsys, name):
    pq.write_table(TABLE.append_column(name, TABLE["oid"]), "clash.parquet")
    assert run("classify-file", "clash.parquet", "--id", name, "-q") == 3
    assert f"the result would have two columns '{name}'" in capsys.readouterr().err
    assert not list(folder.glob("*toy*"))


def test_a_result_that_appears_meanwhile_is_not_replaced(folder):
    line = json.dumps(dict.fromkeys(FEATURES, 0.5) | {"oid": "x"}) + "\n"
    (folder / "long.jsonl").write_text(line * 100_000)
    argv = [*COMMAND, "long.jsonl", "--model", "toy", "-o", "out.jsonl", "-q"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        while not list(folder.glob(".out.jsonl.*")):
            assert process.poll() is None
            time.sleep(0.02)
        (folder / "out.jsonl").write_text("precious")
        assert "exists already" in process.stderr.read()
    assert process.returncode == 5
    assert (folder / "out.jsonl").read_text() == "precious"
    assert not list(folder.glob(".out.jsonl.*"))


def test_a_link_is_followed_not_replaced(folder):
    (folder / "real.csv").write_text("old")
    (folder / "link.csv").symlink_to("real.csv")
    assert run("classify-file", "features.parquet", "-o", "link.csv", "--force", "-q") == 0
    assert (folder / "link.csv").is_symlink()
    assert (folder / "real.csv").read_text().startswith('"oid"')


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["-o", "no/out.csv"], 5),
        (["-o", "folder.csv", "--force"], 5),
        (["--batch-size", "9" * 30], 2),
        (["--id", ""], 3),
        (["-o", ""], 5),
    ],
)
def test_a_dry_run_finds_what_the_run_would_find(folder, options, code):
    (folder / "folder.csv").mkdir()
    assert run("classify-file", "features.parquet", "--dry-run", *options) == code


def test_the_result_of_a_glob_is_named_after_its_folder(folder):
    (folder / "night").mkdir()
    pq.write_table(TABLE, "night/a.parquet")
    assert run("classify-file", "night/*.parquet", "-q") == 0
    assert (folder / "night.toy.parquet").exists()


def test_ids_that_only_hash_alike_are_not_repeats(folder, capsys):
    table = pa.table({"oid": [-1, -2, 2**61 - 1, 0]} | {name: [0.5] * 4 for name in FEATURES})
    pq.write_table(table, "ints.parquet")
    assert run("classify-file", "ints.parquet", "--json") == 0
    assert json.loads(capsys.readouterr().out)["repeated_ids"] == 0


@pytest.mark.parametrize("options", [["--to", "-"], ["--json"]])
def test_a_full_or_closed_standard_output_is_one_line(folder, options):
    argv = [*COMMAND, "features.parquet", "-q", *options]
    for redirect in (">/dev/full", ">&-"):
        command = f"{' '.join(argv)} {redirect}"
        done = subprocess.run(command, shell=True, capture_output=True, text=True)
        assert done.returncode == 5, redirect
        assert done.stderr.startswith("lcclassify: ")
        assert done.stderr.count("\n") == 1
        (folder / "features.toy.parquet").unlink(missing_ok=True)
