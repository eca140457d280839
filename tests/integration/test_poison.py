"""Shards that kill the processes which work on them."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shards import SMALL_SHARD_S

from lcclassify.resolve import resolve_model

# Spawned workers run this file too, under another name: so they die as well.
PROGRAM = f"""
import os, signal
from lcclassify.jobs import plan, score

plan.SHARD_S = {SMALL_SHARD_S}

def score_shard(descriptor, score_shard=score.score_shard):
    with open("starts", "a") as file:
        file.write(f"{{descriptor.number}}\\n")
    if "poison" in descriptor.source:
        os.kill(os.getpid(), signal.SIGKILL)
    return score_shard(descriptor)

score.score_shard = score_shard

if __name__ == "__main__":
    from lcclassify.cli import main
    main()
"""


@pytest.fixture
def night(tmp_path):
    """Nine files, two of which kill."""
    folder = tmp_path / "night"
    folder.mkdir()
    names = [feature.name for feature in resolve_model("plasticc").features]
    columns = {"oid": [f"{row}" for row in range(300)]}
    columns |= {name: np.zeros(300, np.float32) for name in names}
    for number in range(9):
        name = f"{number}-poison" if number in (1, 6) else f"{number}"
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def test_what_kills_its_worker_is_told_and_the_others_are_done(night, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    argv = [sys.executable, "program.py", "classify-file", str(night), "--to", "out/"]
    done = subprocess.run(
        [*argv, "--workers", "2"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 6
    last = done.stderr.splitlines()[-1]
    assert last.startswith("lcclassify: 2 of 9 shards failed, the others are done: ")
    for number in (1, 6):
        assert f"{night}/{number}-poison.parquet: its worker was killed" in last
    assert "7 of 9 files are done; the same command goes on" in done.stderr
    out = tmp_path / "out"
    assert len(list(out.glob("part-*.parquet"))) == 7
    assert not list(out.glob(".*"))  # nothing is left of killed writers
    starts = (tmp_path / "starts").read_text().split()
    assert {starts.count(str(number)) for number in (1, 6)} == {2}
