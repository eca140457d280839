"""The one function that does a shard, without any engine."""

import os
import pickle
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lcclassify
from lcclassify.bundle import open_bundle
from lcclassify.errors import InputError, ModelError, WorkerError
from lcclassify.jobs import job as jobs
from lcclassify.jobs.job import prepare
from lcclassify.jobs.plan import plan_job
from lcclassify.jobs.score import attempt, describe, score_shard
from lcclassify.predictors import kept
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.table import open_table
from lcclassify.task import Output, plan_task

pytestmark = pytest.mark.usefixtures("small_shards")


@pytest.fixture
def forget():
    """Nothing is kept of earlier tests, and no later test keeps anything."""
    for keep in (kept.kept_bundle, kept._load, jobs.open_job):
        keep.cache_clear()
    yield
    for keep in (kept.kept_bundle, kept._load, jobs.open_job):
        keep.cache_clear()


@pytest.fixture
def make_job(tmp_path, model, forget):
    """Makes a job of so many small files, and its folder."""

    def make(n_files=3, folder="in", names=None):
        path = tmp_path / folder
        path.mkdir()
        rng = np.random.default_rng(0)
        for number in range(n_files):
            values = {f.name: rng.normal(size=5) for f in model.features}
            oid = [f"{number}-{row}" for row in range(5)]
            pq.write_table(pa.table({"oid": oid} | values), path / f"{number:05d}.parquet")
        table = open_table([str(path)], None, [], names)
        options = {"min_coverage": 1.0, "batch_size": 100}
        task, _ = plan_task(table, model, Output(), LightCurveOptions(), **options)
        job = plan_job(task, table, "parquet")
        prepare(job, tmp_path / "out")
        return job, tmp_path / "out"

    return make


def test_a_descriptor_is_small_whatever_the_job_is(make_job):
    job, out = make_job()
    sizes = [len(pickle.dumps(describe(job, 1, out)))]
    long = tuple(f"/a/long/path/to/a/file/that/is/one/of/many/{n:05d}.parquet" for n in range(9999))
    shards = (replace(job.shards[0], paths=long), *job.shards[1:])
    columns = tuple(f"{name}_{n}" for n in range(429) for name in job.task.columns)
    large = replace(job, shards=shards, task=replace(job.task, columns=columns))
    sizes.append(len(pickle.dumps(describe(large, 0, out))))
    assert len(large.text) > 500_000
    assert max(sizes) < 1500


def test_a_model_is_loaded_once_per_process(make_job, monkeypatch):
    loads = []
    load = kept.load_predictor
    monkeypatch.setattr(kept, "load_predictor", lambda *a, **k: loads.append(a) or load(*a, **k))
    job, out = make_job(n_files=64)
    for number in range(64):
        score_shard(describe(job, number, out))
    assert len(job.shards) == 64
    assert len(loads) == 1


def test_a_part_says_what_it_was_made_of(make_job, model):
    job, out = make_job()
    records = [score_shard(describe(job, number, out)) for number in range(3)]
    assert [record["file"] for record in records] == [f"part-0000{n}.parquet" for n in range(3)]
    assert {record["rows"] for record in records} == {5}
    assert {record["model"] for record in records} == {model.digest}
    assert len({record["source"] for record in records}) == 3
    assert len({record["options"] for record in records}) == 1


def test_a_part_that_is_there_is_not_made_again(make_job):
    """A run that was killed may have handed it out, and its worker gone on."""
    job, out = make_job()
    first = score_shard(describe(job, 1, out))
    inode = (out / first["file"]).stat().st_ino
    assert score_shard(describe(job, 1, out)) == first
    assert (out / first["file"]).stat().st_ino == inode
    (out / first["file"]).write_bytes(b"something else")
    assert score_shard(describe(job, 1, out)) == first
    assert (out / first["file"]).read_bytes() != b"something else"


def test_another_model_is_refused_before_anything_is_written(make_job, tmp_path, make_model):
    job, out = make_job()
    before = sorted(out.rglob("*"))
    other = make_model(tmp_path / "other", version="2.0")
    (tmp_path / "toy").rename(tmp_path / "gone")
    (tmp_path / "other").rename(tmp_path / "toy")
    with pytest.raises(ModelError, match=f"toy is another model now: its digest is {other.digest}"):
        attempt(describe(job, 0, out))
    assert sorted(out.rglob("*")) == before


@pytest.mark.parametrize("package", ["lcclassify", "numpy", "pyarrow"])
def test_other_packages_are_refused_before_anything_is_written(make_job, package):
    job, out = make_job()
    before = sorted(out.rglob("*"))
    told = describe(replace(job, packages={**job.packages, package: "0.0.1"}), 0, out)
    with pytest.raises(WorkerError, match=rf"{package} is [\d.]+ on .*, and 0\.0\.1 where the job"):
        attempt(told)
    assert sorted(out.rglob("*")) == before
    assert job.packages["lcclassify"] == lcclassify.__version__


def test_another_folder_is_refused(make_job):
    job, out = make_job()
    with pytest.raises(WorkerError, match="all workers must see the same folder"):
        attempt(describe(job, 0, out / "elsewhere"))
    with pytest.raises(WorkerError, match="is of another job"):
        attempt(replace(describe(job, 0, out), job_digest="0" * 64))


def test_a_file_that_was_changed_since_is_refused(make_job):
    job, out = make_job()
    os.utime(job.shards[1].paths[0])
    with pytest.raises(InputError, match=r"00001\.parquet was changed after the job was planned"):
        score_shard(describe(job, 1, out))
    outcome = attempt(describe(job, 1, out))
    assert (outcome.record, outcome.is_input) == (None, True)
    assert attempt(describe(job, 2, out)).record["objects"] == 5


def test_what_nobody_foresaw_is_told_with_its_source(make_job, monkeypatch):
    job, out = make_job()

    def stumble(*args, **kwargs):
        raise MemoryError("no room")

    monkeypatch.setattr("lcclassify.jobs.score.open_files", stumble)
    outcome = attempt(describe(job, 1, out))
    assert outcome.error == f"{job.shards[1].paths[0]}: MemoryError('no room')"
    assert not outcome.is_input


def test_a_model_of_the_job_is_opened_where_it_lies(make_job, model):
    job, _ = make_job()
    assert os.path.isabs(job.task.model)
    assert open_bundle(model.path).digest == job.task.model_digest
