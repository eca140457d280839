"""Folders of results: any number of workers, interrupted or not, the same bytes."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shards import SMALL_SHARDS, content, workers_of

from lcclassify.cli import main
from lcclassify.jobs.job import BOOKS, JOB
from lcclassify.resolve import resolve_model

pytestmark = pytest.mark.usefixtures("small_shards")
COMMAND = [*SMALL_SHARDS, "classify-file"]


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main(["classify-file", *map(str, argv)])
    return stop.value.code


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Three files, the first of two shards; in earnest they would be one, being small."""
    folder = tmp_path_factory.mktemp("night")
    names = [feature.name for feature in resolve_model("plasticc").features]
    rng = np.random.default_rng(0)
    for number, n_rows in enumerate((260_000, 3000, 2000)):
        columns = {"oid": [f"{number}-{row}" for row in range(n_rows)]}
        columns |= {name: rng.normal(size=n_rows).astype(np.float32) for name in names}
        path = folder / f"{number}.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=130_000, use_dictionary=["oid"])
    return folder


@pytest.fixture(scope="module")
def whole(night, tmp_path_factory):
    """The result of one worker, never interrupted."""
    folder = tmp_path_factory.mktemp("results") / "whole"
    assert run(night, "--to", f"{folder}/", "--workers", 1, "-q") == 0
    return folder


def test_the_shards_hold_every_row_in_order(night, whole):
    manifest = json.loads((whole / "_manifest.json").read_text())
    assert [shard["objects"] for shard in manifest["shards"]] == [130_000, 130_000, 3000, 2000]
    assert manifest["objects"] == 265_000
    assert manifest["job"]["task"]["model_digest"] == resolve_model("plasticc").digest
    ids = [
        oid for shard in manifest["shards"] for oid in pq.read_table(whole / shard["file"])["oid"]
    ]
    expected = [oid for n in range(3) for oid in pq.read_table(night / f"{n}.parquet")["oid"]]
    assert ids == expected


def test_the_answers_are_those_of_a_single_file(night, whole, tmp_path):
    assert run(night / "2.parquet", "--to", tmp_path / "out.parquet", "-q") == 0
    assert pq.read_table(whole / "part-00003.parquet").equals(
        pq.read_table(tmp_path / "out.parquet")
    )


def test_a_folder_is_one_table_to_those_who_read_tables(whole):
    parts = [pq.read_table(path) for path in sorted(whole.glob("*.parquet"))]
    assert pq.read_table(whole).equals(pa.concat_tables(parts))


def test_two_workers_give_the_same_bytes(night, whole, tmp_path):
    assert run(night, "--to", f"{tmp_path}/two/", "--workers", 2, "-q") == 0
    assert content(tmp_path / "two") == content(whole)


@pytest.mark.parametrize("n_kills", [2, pytest.param(20, marks=pytest.mark.long)])
def test_killed_work_goes_on_and_gives_the_same_bytes(night, whole, tmp_path, n_kills):
    out = tmp_path / "out"
    argv = [*COMMAND, str(night), "--to", f"{out}/", "--workers", "2", "-q"]
    pause = random.Random(1)
    for _ in range(n_kills):
        process = subprocess.Popen(argv, start_new_session=True)
        time.sleep(pause.uniform(0.5, 6))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert subprocess.run(argv, check=False).returncode == 0
    assert content(out) == content(whole)  # nothing is left of killed writers


def test_finished_work_is_not_done_again(night, whole, capsys):
    before = content(whole)
    assert run(night, "--to", f"{whole}/") == 0
    assert "is finished: 4 files, nothing to do" in capsys.readouterr().err
    assert content(whole) == before


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--top", "2"], "output.top was None and is 2. "),
        (["--batch-size", "100"], "batch_size was 5000 and is 100"),
    ],
)
def test_another_job_is_refused(night, whole, capsys, argv, message):
    assert run(night, "--to", f"{whole}/", *argv) == 5
    error = capsys.readouterr().err
    assert "was made for another job: " in error
    assert message in error


def test_a_changed_input_is_refused(night, whole, tmp_path, capsys):
    assert run(night / "2.parquet", "--to", f"{tmp_path}/out/", "-q") == 0
    os.utime(night / "2.parquet")
    try:
        assert run(night / "2.parquet", "--to", f"{tmp_path}/out/", "-q") == 5
    finally:
        stat = json.loads((whole / BOOKS / JOB).read_text())["inputs"][2][2]
        os.utime(night / "2.parquet", ns=(stat, stat))
    assert "inputs was" in capsys.readouterr().err


def test_a_folder_of_other_things_is_left_alone(night, tmp_path, capsys):
    (tmp_path / "precious.txt").write_text("x")
    assert run(night / "2.parquet", "--to", f"{tmp_path}/", "-q") == 5
    assert "is not empty and holds no _lcclassify/job.json" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc, of Linux")
def test_the_work_of_a_killed_worker_is_done_by_others(night, whole, tmp_path):
    out = tmp_path / "out"
    argv = [*COMMAND, str(night), "--to", f"{out}/", "--workers", "2", "-q"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        while not list(out.glob(".part-*")):
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(workers_of(process)[0], signal.SIGKILL)
        error = process.stderr.read()
    assert (process.returncode, error) == (0, "")
    assert content(out) == content(whole)


def test_messages_and_text_go_into_a_folder_too(golden, tmp_path):
    argv = ["--model", golden / "ztf_hrf_1.1", "-q"]
    assert run(golden / "messages_ztf", *argv, "--to", f"{tmp_path}/out/") == 0
    assert run(golden / "messages_ztf", *argv, "--to", tmp_path / "out.parquet") == 0
    one = pq.read_table(tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out").equals(one)
