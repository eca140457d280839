"""Arrays of tasks without a scheduler: shares of a folder, and what ends it."""

import json
import shutil
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shards import SMALL_SHARDS, content, make_files

from lcclassify.cli import main

pytestmark = pytest.mark.usefixtures("small_shards")
N_SHARDS = 7


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Seven files; the ids of the first four are also those of the last three."""
    folder = tmp_path_factory.mktemp("night")
    make_files(folder, range(4), "{row}-{name}")
    for number in range(4, N_SHARDS):
        shutil.copy(folder / f"{number - 4}.parquet", folder / f"{number}.parquet")
    return folder


@pytest.fixture(scope="module")
def whole(night, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "whole"
    assert classify(night, folder, "-q") == 0
    return content(folder)


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main([*map(str, argv)])
    return stop.value.code


def classify(night, folder, *argv):
    return run("classify-file", night, "--to", f"{folder}/", "--workers", 1, *argv)


def test_shares_that_run_at_once_and_their_end_give_the_same_bytes(night, whole, tmp_path):
    out = tmp_path / "out"
    command = [*SMALL_SHARDS, "classify-file", str(night), "--to", f"{out}/", "--workers", "1"]
    tasks = [subprocess.Popen([*command, "-q", "--shard", f"{n}/3"]) for n in range(3)]
    assert [task.wait() for task in tasks] == [0, 0, 0]
    assert "_manifest.json" not in content(out)
    assert run("finish", out, "-q") == 0
    assert content(out) == whole


def test_a_share_says_what_it_did_and_what_comes_next(night, tmp_path, capsys):
    assert classify(night, tmp_path / "out", "--shard", "2/3") == 0
    err = capsys.readouterr().err
    assert (
        f"share 2/3 is done: 2 of 7 files; when all shares are: lcclassify finish {tmp_path}/out/"
        in err
    )
    assert [path.name for path in sorted((tmp_path / "out").glob("*.parquet"))] == [
        "part-00002.parquet",
        "part-00005.parquet",
    ]


def test_more_tasks_than_shards_have_nothing_to_do(night, tmp_path, capsys):
    assert classify(night, tmp_path / "out", "--shard", "30/31") == 0
    assert "share 30/31 is done: 0 of 7 files" in capsys.readouterr().err


def test_a_share_that_was_done_is_not_done_again(night, tmp_path, capsys):
    out = tmp_path / "out"
    assert classify(night, out, "--shard", "0/2") == 0
    before = {path: path.stat().st_ino for path in out.glob("*.parquet")}
    assert classify(night, out, "--shard", "0/2") == 0
    assert "going on: 4 of 4 files of share 0/2 are there" in capsys.readouterr().err
    assert {path: path.stat().st_ino for path in out.glob("*.parquet")} == before


def test_an_end_before_the_end_names_what_is_missing(night, whole, tmp_path, capsys):
    out = tmp_path / "out"
    assert classify(night, out, "--shard", "0/2", "-q") == 0
    assert run("finish", out) == 6
    error = capsys.readouterr().err
    assert error.startswith(
        f"lcclassify: 3 of 7 parts are not in {out}: part-00001.parquet (shard "
    )
    assert f"(shard 1: {night}/1.parquet); part-00003.parquet" in error
    assert classify(night, out, "--shard", "1/2", "-q") == 0
    (out / "part-00004.parquet").write_bytes(b"not what was written")
    assert run("finish", out) == 6
    assert "1 of 7 parts are not in" in capsys.readouterr().err
    assert classify(night, out, "-q") == 0  # without a share: all that is left, and the end
    assert content(out) == whole


def test_the_end_tells_all_that_a_run_tells(night, tmp_path, capsys):
    out = tmp_path / "out"
    assert classify(night, tmp_path / "one", "--json") == 0
    one = json.loads(capsys.readouterr().out) | {"output": ""}
    for share in ("0/2", "1/2"):
        assert classify(night, out, "--shard", share, "-q") == 0
    capsys.readouterr()
    assert run("finish", out, "--json") == 0
    assert json.loads(capsys.readouterr().out) | {"output": ""} == one
    assert one["repeated_ids"] == 900
    assert run("finish", out, "--json") == 0  # again: the same, nothing else
    assert json.loads(capsys.readouterr().out) | {"output": ""} == one


def test_shares_of_another_job_are_refused(night, tmp_path, capsys):
    assert classify(night, tmp_path / "out", "--shard", "0/2", "-q") == 0
    assert classify(night, tmp_path / "out", "--shard", "1/2", "--top", 1, "-q") == 5
    assert "was made for another job: output.top was None and is 1" in capsys.readouterr().err


@pytest.mark.parametrize("share", ["3/3", "-1/3", "1", "a/b", "1/0", "1/3/5"])
def test_what_is_no_share_is_refused(night, tmp_path, capsys, share):
    assert classify(night, tmp_path / "out", f"--shard={share}") == 2
    error = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "expected I/N, with I from 0 to N-1" in error


def test_a_folder_without_results_cannot_be_ended(tmp_path, capsys):
    assert run("finish", tmp_path / "nothing") == 3
    assert "holds no results of classify-file" in capsys.readouterr().err
    (tmp_path / "precious").touch()
    assert run("finish", tmp_path) == 5
    assert "not one of ours" in capsys.readouterr().err


def test_a_relative_job_is_understood_from_elsewhere(night, whole, tmp_path, monkeypatch):
    (tmp_path / "night").symlink_to(night)
    monkeypatch.chdir(tmp_path)
    assert classify("night", "out", "--shard", "0/1", "-q") == 0
    monkeypatch.chdir("/")
    assert run("finish", tmp_path / "out", "-q") == 0
    parts = {name: data for name, data in content(tmp_path / "out").items() if "part" in name}
    assert parts == {name: data for name, data in whole.items() if "part" in name}


def test_rounded_ids_that_two_files_share_collide_in_a_folder_as_in_one_result(tmp_path, capsys):
    night = make_files(tmp_path / "night", range(2))
    for number in range(2):
        path = night / f"{number}.parquet"
        table = pq.read_table(path)
        ids = pa.array([float(2**57 + 1024 * (row + 100 * number)) for row in range(len(table))])
        pq.write_table(table.set_column(0, "oid", ids), path)
    out = tmp_path / "out"
    told = {"rounded_id": {"oid": 600}, "colliding_id": {"oid": 200}}
    assert run("classify-file", night, "--to", tmp_path / "one.parquet", "--json") == 0
    assert json.loads(capsys.readouterr().out)["remarks"] == told
    for again in range(2):  # the second finds it done
        assert classify(night, out, "--json") == 0, again
        assert json.loads(capsys.readouterr().out)["remarks"] == told
    assert json.loads((out / "_manifest.json").read_text())["remarks"] == told
    assert not list(out.glob("_lcclassify/*.ids"))
