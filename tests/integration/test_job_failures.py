"""What ends a large job: its finished shards stay, and the same command goes on."""

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from shards import SMALL_SHARDS, content, workers_of

from lcclassify.cli import main
from lcclassify.jobs.job import BOOKS
from lcclassify.resolve import resolve_model

pytestmark = pytest.mark.usefixtures("small_shards")
COMMAND = [*SMALL_SHARDS, "classify-file"]
SIZES = (2000, 40_000, 2000)
LIMIT = 1 << 18  # bytes; more than the small results, less than the large one


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Three files, each of one shard; the result of the second is the largest."""
    folder = tmp_path_factory.mktemp("night")
    names = [feature.name for feature in resolve_model("plasticc").features]
    rng = np.random.default_rng(0)
    for number, n_rows in enumerate(SIZES):
        columns = {"oid": [f"{number}-{row}" for row in range(n_rows)]}
        columns |= {name: rng.normal(size=n_rows).astype(np.float32) for name in names}
        pq.write_table(pa.table(columns), folder / f"{number}.parquet", use_dictionary=["oid"])
    return folder


@pytest.fixture(scope="module")
def whole(night, tmp_path_factory):
    """The result of work that nothing ended."""
    folder = tmp_path_factory.mktemp("results") / "whole"
    assert go_on(night, folder) == 0
    return content(folder)


def start(night, folder, *argv, **options):
    command = [*COMMAND, str(night), "--to", f"{folder}/", *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def go_on(night, folder):
    """The same command again, in this process: the exit code."""
    with pytest.raises(SystemExit) as stop:
        main(["classify-file", str(night), "--to", f"{folder}/", "--workers", "1", "-q"])
    return stop.value.code


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_disk_without_room(night, whole, tmp_path, workers):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))

    out = tmp_path / "out"
    failed = start(night, out, "--workers", workers, preexec_fn=limit)
    assert failed.returncode == 5
    message = f"lcclassify: cannot write {out}/part-00001.parquet: File too large"
    assert failed.stderr.splitlines()[-1] == message
    assert "files are done; the same command goes on" in failed.stderr
    assert "_lcclassify/00000.json" in content(out)
    assert not [name for name in content(out) if "/." in f"/{name}"]
    assert go_on(night, out) == 0
    assert content(out) == whole


def test_a_damaged_file_among_others(night, whole, tmp_path):
    path, out = night / "1.parquet", tmp_path / "out"
    sound, stat = path.read_bytes(), path.stat()
    middle = len(sound) // 2
    path.write_bytes(sound[:middle] + bytes(1 << 16) + sound[middle + (1 << 16) :])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    try:
        failed = start(night, out, "--workers", "2")
    finally:
        path.write_bytes(sound)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert failed.returncode == 3
    last = failed.stderr.splitlines()[-1]
    told = f"lcclassify: 1 of 3 shards failed, the others are done: {path} is damaged: "
    assert last.startswith(told)
    assert "2 of 3 files are done; the same command goes on" in failed.stderr
    assert {"_lcclassify/00000.json", "_lcclassify/00002.json"} <= content(out).keys()
    assert "_manifest.json" not in content(out)
    assert go_on(night, out) == 0
    assert content(out) == whole


def await_work(process, out):
    """The workers of a run, once they have begun."""
    while not list(out.glob(".part-*")):
        assert process.poll() is None
        time.sleep(0.01)
    return workers_of(process)


def await_end(pids):
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "workers are left"
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc, of Linux")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_at_once(night, whole, tmp_path, number, code):
    out = tmp_path / "out"
    argv = [*COMMAND, str(night), "--to", f"{out}/", "--workers", "2"]
    options = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(argv, **options) as process:
        pids = await_work(process, out)
        if number == signal.SIGINT:  # the keyboard reaches the workers as well
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        error = process.stderr.read()
    assert process.returncode == code
    assert len(pids) == 2
    await_end(pids)
    assert "Traceback" not in error
    stopped = f"lcclassify: stopped by {number.name}; nothing unfinished is kept"
    assert stopped in error.splitlines()
    assert not list(out.glob(".part-*"))
    assert go_on(night, out) == 0
    assert content(out) == whole


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc, of Linux")
def test_no_worker_outlives_a_run_that_was_killed(night, whole, tmp_path):
    out = tmp_path / "out"
    argv = [*COMMAND, str(night), "--to", f"{out}/", "--workers", "2", "-q"]
    with subprocess.Popen(argv) as process:
        pids = await_work(process, out)
        process.kill()
    assert len(pids) == 2
    await_end(pids)
    assert go_on(night, out) == 0
    assert content(out) == whole


def test_a_damaged_manifest_is_told(night, tmp_path, capsys):
    out = tmp_path / "out"
    assert go_on(night, out) == 0
    (out / "_manifest.json").write_text("[]")
    assert go_on(night, out) == 5
    error = capsys.readouterr().err
    assert error.startswith(f"lcclassify: {out}/_manifest.json is damaged: ")
    assert error.endswith("; remove the folder\n")


def copy(whole, out):
    """A folder of results with these files."""
    (out / BOOKS).mkdir(parents=True)
    for name, data in whole.items():
        (out / name).write_bytes(data)


@pytest.mark.parametrize("damaged", ["_lcclassify/00001.json", "part-00001.parquet"])
def test_a_part_that_is_not_what_was_written_is_made_again(night, whole, tmp_path, damaged):
    out = tmp_path / "out"
    copy(whole, out)
    (out / "_manifest.json").unlink()
    for number in range(3):  # as they are until all parts are there
        (out / BOOKS / f"{number:05d}.ids").touch()
    (out / damaged).write_bytes(whole[damaged][:-1] + b"{")
    before = {path: path.stat().st_ino for path in out.glob("part-*")}
    assert go_on(night, out) == 0
    assert {name: data for name, data in content(out).items() if name != "_manifest.json"} == {
        name: data for name, data in whole.items() if name != "_manifest.json"
    }
    after = {path: path.stat().st_ino for path in out.glob("part-*")}
    assert [path.name for path in before if before[path] != after[path]] == ["part-00001.parquet"]


def test_two_runs_on_one_folder_do_not_disturb_each_other(night, whole, tmp_path, capsys):
    out = tmp_path / "out"
    assert go_on(night, out) == 0
    (out / "_manifest.json").unlink()
    for record in (out / BOOKS).glob("0*.json"):
        record.unlink()
    with FileLock(out / BOOKS / "lock"):  # as the other run holds it
        assert go_on(night, out) == 5
        err = capsys.readouterr().err
        assert f"another run is working on {out}; wait until it has ended" in err
    assert go_on(night, out) == 0
    assert content(out) == whole
