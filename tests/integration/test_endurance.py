"""Many rows and many kills: a short form of each always, the long one by make test-long."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.resolve import resolve_model

COMMAND = [sys.executable, "-m", "lcclassify", "classify-file", "--model", "plasticc", "--quiet"]
CHUNK = 50_000
long = pytest.mark.long


def write_features(path, n_rows):
    """Random features of the embedded model, in row groups of 50,000."""
    names = [feature.name for feature in resolve_model("plasticc").features]
    schema = pa.schema([("oid", pa.int64()), *((name, pa.float64()) for name in names)])
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for start in range(0, n_rows, CHUNK):
            size = min(CHUNK, n_rows - start)
            columns = [pa.array(np.arange(start, start + size))]
            columns += [pa.array(column) for column in rng.normal(size=(len(names), size))]
            writer.write_table(pa.table(columns, schema=schema))


def peak_mib(argv):
    """Peak memory of a command that succeeds."""
    process = subprocess.Popen(argv)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss / 1024


@pytest.mark.parametrize(
    ("few", "many", "limit_mib"),
    [(50_000, 200_000, 100), pytest.param(50_000, 1_000_000, 250, marks=long)],
)
def test_memory_does_not_grow_with_the_file(tmp_path, few, many, limit_mib):
    """Ids' hashes and the allocator's pools aside; the rows more are 218 MiB, or 1.4 GiB."""
    peaks = []
    for n_rows in (few, many):
        write_features(tmp_path / "features.parquet", n_rows)
        argv = [*COMMAND, str(tmp_path / "features.parquet"), "--force"]
        peaks.append(peak_mib([*argv, "--to", str(tmp_path / "out.parquet")]))
        assert pq.read_metadata(tmp_path / "out.parquet").num_rows == n_rows
    assert peaks[1] - peaks[0] < limit_mib, peaks


@pytest.mark.parametrize("n_kills", [3, pytest.param(40, marks=long)])
def test_a_killed_run_leaves_a_whole_result_or_none(tmp_path, n_kills):
    write_features(tmp_path / "features.parquet", 30_000)
    argv = [*COMMAND, str(tmp_path / "features.parquet"), "--to"]
    start = time.monotonic()
    subprocess.run([*argv, str(tmp_path / "whole.jsonl")], check=True)
    whole, took = (tmp_path / "whole.jsonl").read_bytes(), time.monotonic() - start
    assert len(whole.splitlines()) == 30_000
    pause = random.Random(0)
    for number in range(n_kills):
        out = tmp_path / f"{number}.jsonl"
        process = subprocess.Popen([*argv, str(out)])
        time.sleep(pause.uniform(0, 1.1 * took))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if out.exists():
            assert out.read_bytes() == whole
        subprocess.run([*argv, str(out), "--force"], check=True)
        assert out.read_bytes() == whole
    assert json.loads(whole.splitlines()[0])["oid"] == 0
