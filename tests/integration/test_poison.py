"""Shards that kill the processes which work on them."""

import subprocess
import sys

import pytest
from shards import SMALL_SHARD_S, make_files

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
    names = [f"{n}-poison" if n in (1, 6) else f"{n}" for n in range(9)]
    return make_files(tmp_path / "night", names)


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
