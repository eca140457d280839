"""Dask: the same parts as from one machine, whatever is killed meanwhile."""

import pickle
import random
import subprocess
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clusters import Cluster, kill, wait_for
from shards import SMALL_SHARDS, content, make_files

from lcclassify.cli import main
from lcclassify.convert import write_forest
from lcclassify.jobs.job import read_job
from lcclassify.jobs.score import describe
from lcclassify.testing import TOY_CLASSES, TOY_FEATURES, make_forest

pytestmark = pytest.mark.usefixtures("small_shards")
N_SHARDS = 24
NO_FEATURES = ("--min-coverage", "0")  # of this model


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("night"), [f"{n:02d}" for n in range(N_SHARDS)])


@pytest.fixture(scope="module")
def whole(night, tmp_path_factory):
    """What one process makes of it."""
    folder = tmp_path_factory.mktemp("results") / "whole"
    assert run(night, folder, "--workers", 1) == 0
    return content(folder)


@pytest.fixture
def cluster(tmp_path):
    """A scheduler without workers; these take a moment for each shard."""
    with Cluster(tmp_path / "dask", pause_s=0.1) as cluster:
        yield cluster


def run(night, folder, *argv):
    with pytest.raises(SystemExit) as stop:
        main(["classify-file", str(night), "--to", f"{folder}/", "-q", *map(str, argv)])
    return stop.value.code


def on_dask(cluster):
    return ["--engine", "dask", "--scheduler", cluster.file]


def start(night, folder, cluster):
    """The same as a process of its own."""
    argv = [*SMALL_SHARDS, "classify-file", str(night), "--to", f"{folder}/"]
    argv += map(str, on_dask(cluster))
    options = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    return subprocess.Popen(argv, **options)


def recorded(out):
    """The parts whose records are there, and what tells them from others made later."""
    numbers = [path.stem for path in (out / "_lcclassify").glob("0*.json")]
    return {n: (out / f"part-{n}.parquet").stat().st_ino for n in numbers}


def test_a_cluster_of_this_machine_gives_the_same_bytes(night, whole, tmp_path):
    assert run(night, tmp_path / "out", "--engine", "dask", "--workers", 2) == 0
    assert content(tmp_path / "out") == whole


def test_workers_of_the_command_line_load_the_model_once_each(night, whole, tmp_path, cluster):
    for _ in range(2):
        cluster.start_worker()
    assert run(night, tmp_path / "out", *on_dask(cluster)) == 0
    assert content(tmp_path / "out") == whole
    starts = cluster.noted("start")
    assert sorted(int(number) for number, _ in starts) == list(range(N_SHARDS))
    loads = Counter(pid for _, pid in cluster.noted("load"))
    assert set(loads) == {pid for _, pid in starts}
    assert set(loads.values()) == {1}


def test_an_address_will_do_for_a_scheduler(night, whole, tmp_path, cluster):
    import json

    cluster.start_worker()
    address = json.loads(cluster.file.read_text())["address"]
    assert run(night, tmp_path / "out", "--engine", "dask", "--scheduler", address) == 0
    assert content(tmp_path / "out") == whole


def test_a_killed_worker_costs_the_shard_that_it_had(night, whole, tmp_path, cluster):
    first, _ = (cluster.start_worker(nanny=False) for _ in range(2))
    out = tmp_path / "out"
    with start(night, out, cluster) as process:
        wait_for(lambda: len(cluster.noted("start")) >= 6)
        kill(first)
        error = process.stderr.read()
    assert process.returncode == 0, error
    assert content(out) == whole
    starts = Counter(number for number, _ in cluster.noted("start"))
    assert set(map(int, starts)) == set(range(N_SHARDS))
    assert sum(count - 1 for count in starts.values()) <= 2


N_KILLS = pytest.mark.parametrize("n_kills", [1, pytest.param(10, marks=pytest.mark.long)])


def strike(cluster, process, pause):
    """Wait for a random instant at which the run is at work."""
    n_before = len(cluster.noted("start"))
    wait_for(lambda: len(cluster.noted("start")) > n_before)
    time.sleep(pause.uniform(0, 1))
    assert process.poll() is None


@N_KILLS
def test_killed_workers_cost_no_finished_shard(night, whole, tmp_path, cluster, n_kills):
    out, pause = tmp_path / "out", random.Random(n_kills)
    cluster.pause_s = 0.1 if n_kills == 1 else 1.2  # so that all strike before the work is done
    workers = [cluster.start_worker() for _ in range(2)]
    there = {}
    with start(night, out, cluster) as process:
        for _ in range(n_kills):
            strike(cluster, process, pause)
            kill(workers.pop(0))
            workers.append(cluster.start_worker())
            now = recorded(out)
            assert there.items() <= now.items()
            there = now
        error = process.stderr.read()
    assert process.returncode == 0, error
    assert content(out) == whole  # nothing is left of killed writers
    assert there.items() <= recorded(out).items()


@N_KILLS
@pytest.mark.parametrize("victim", ["driver", "scheduler"])
def test_killed_runs_go_on_where_they_were(night, whole, tmp_path, cluster, victim, n_kills):
    out, pause = tmp_path / "out", random.Random(victim)
    cluster.pause_s = 0.1 if n_kills == 1 else 2.0
    workers = [cluster.start_worker() for _ in range(2)]
    there = {}
    for _ in range(n_kills):
        with start(night, out, cluster) as process:
            strike(cluster, process, pause)
            if victim == "driver":
                process.kill()
            else:
                for each in (cluster.scheduler, *workers):
                    kill(each)
            error = process.stderr.read()
        assert "Traceback" not in error
        if victim == "scheduler":
            assert process.returncode == 6
            told = f"lcclassify: the Dask scheduler {cluster.file} has gone"
            assert error.splitlines()[-1].startswith(told)
            cluster.scheduler = cluster.start_scheduler()
            workers = [cluster.start_worker() for _ in range(2)]
        now = recorded(out)
        assert there.items() <= now.items()
        there = now
    assert run(night, out, *on_dask(cluster)) == 0
    assert content(out) == whole
    assert there.items() <= recorded(out).items()


@pytest.fixture
def spoilt(night, tmp_path):
    """Two sound files of the night and, between them, whatever a test makes of the third."""
    folder = tmp_path / "spoilt"
    folder.mkdir()
    for name in ("00", "02"):
        (folder / f"{name}.parquet").write_bytes((night / f"{name}.parquet").read_bytes())
    return folder


@pytest.mark.parametrize("engine", ["dask", "local"])
def test_a_damaged_file_leaves_the_others(night, spoilt, tmp_path, cluster, capsys, engine):
    sound = (night / "01.parquet").read_bytes()
    middle = len(sound) // 2
    (spoilt / "01.parquet").write_bytes(sound[:middle] + bytes(9999) + sound[middle + 9999 :])
    cluster.start_worker()
    argv = on_dask(cluster) if engine == "dask" else ["--workers", 2]
    assert run(spoilt, tmp_path / "out", *argv) == 3
    told = f"1 of 3 shards failed, the others are done: {spoilt}/01.parquet is damaged: "
    assert told in capsys.readouterr().err
    assert recorded(tmp_path / "out").keys() == {"00000", "00002"}


def test_a_shard_that_kills_its_workers_is_told(night, spoilt, tmp_path, cluster, capsys):
    (spoilt / "01-poison.parquet").write_bytes((night / "01.parquet").read_bytes())
    for _ in range(2):
        cluster.start_worker()
    assert run(spoilt, tmp_path / "out", *on_dask(cluster)) == 6
    error = capsys.readouterr().err
    assert "1 of 3 shards failed, the others are done: " in error
    assert f"{spoilt}/01-poison.parquet: its workers were killed" in error
    assert recorded(tmp_path / "out").keys() == {"00000", "00002"}
    assert not list((tmp_path / "out").glob(".*"))


def test_a_worker_with_other_packages_is_refused(night, tmp_path, cluster, capsys):
    cluster.start_worker()
    cluster.start_worker(preload="import lcclassify\nlcclassify.__version__ = '0.0.9'\n")
    import distributed

    with distributed.Client(scheduler_file=str(cluster.file)) as client:
        client.wait_for_workers(2, timeout=60)
    assert run(night, tmp_path / "out", *on_dask(cluster)) == 6
    error = capsys.readouterr().err
    assert "cannot do this job (1 of 2 workers)" not in error
    assert "lcclassify is 0.0.9 on " in error
    assert recorded(tmp_path / "out") == {}


@pytest.mark.parametrize("scheduler", ["tcp://127.0.0.1:9", "there-is-no-such-file.json"])
def test_a_scheduler_that_is_not_there_is_one_line(night, tmp_path, capsys, monkeypatch, scheduler):
    from lcclassify.jobs import dask_engine

    monkeypatch.setattr(dask_engine, "TIMEOUT_S", 1)
    assert run(night, tmp_path / "out", "--engine", "dask", "--scheduler", scheduler) == 6
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"no Dask scheduler answers at {scheduler}" in error


def test_a_scheduler_without_workers_is_told(night, tmp_path, cluster, capsys, monkeypatch):
    from lcclassify.jobs import dask_engine

    monkeypatch.setattr(dask_engine, "TIMEOUT_S", 2)
    assert run(night, tmp_path / "out", *on_dask(cluster)) == 6
    assert "has no workers after 2 s; start some" in capsys.readouterr().err


def anonymous_mb(pid):
    """Memory of a process that is not mapped from files."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_model_of_200_mb_travels_as_its_path(tmp_path, cluster, capsys):
    """Two workers map it; neither it nor a copy is handed to them, and neither has one."""
    small = make_forest(TOY_FEATURES, TOY_CLASSES, depth=14, n_trees=2)
    n_nodes = sum(len(tree.left) for tree in small.root.trees)
    trees = small.root.trees * (27_000_000 // n_nodes)  # 8 bytes a node
    large = replace(small, root=replace(small.root, trees=trees))
    card = dict.fromkeys(("name", "version", "licence", "citation"), "large")
    bundle = write_forest(tmp_path / "large", large, TOY_FEATURES, card)
    size_mb = sum(path.stat().st_size for path in bundle.path.iterdir()) / 1e6
    assert size_mb > 200
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(8):
        columns = {f.name: np.zeros(500, np.float32) for f in bundle.features}
        table = pa.table({"oid": np.arange(500)} | columns)
        pq.write_table(table, folder / f"{number}.parquet")
    for _ in range(2):
        cluster.start_worker()
    assert run(folder, tmp_path / "small", *on_dask(cluster), "-m", "plasticc", *NO_FEATURES) == 0
    pids = {pid for _, pid in cluster.noted("start")}
    before = {pid: anonymous_mb(pid) for pid in pids}
    assert run(folder, tmp_path / "out", *on_dask(cluster), "-m", bundle.path) == 0
    grown = {pid: anonymous_mb(pid) - before[pid] for pid in pids}
    size = len(pickle.dumps(describe(read_job(tmp_path / "out"), 7, tmp_path / "out")))
    with capsys.disabled():
        print(f"\nmodel {size_mb:.0f} MB, descriptor {size} bytes, workers grew by {grown} MB")
    assert len(grown) == 2
    assert max(grown.values()) < size_mb / 4
    assert size < 4096
