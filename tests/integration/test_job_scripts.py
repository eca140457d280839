"""The scripts for schedulers: what of them can be tried without one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
HERE = Path(sys.executable).parent
FEATURES = str(EXAMPLES / "plasticc_features.parquet")


@pytest.mark.parametrize("script", sorted(path.name for path in EXAMPLES.glob("*.sh")))
def test_shellcheck_has_nothing_to_say(script):
    command = [str(HERE / "shellcheck"), str(EXAMPLES / script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_there_are_as_many_shares_as_tasks():
    array = (EXAMPLES / "slurm_array.sh").read_text("utf-8")
    (last,) = re.findall(r"^#SBATCH --array=0-(\d+)$", array, re.MULTILINE)
    assert re.findall(r"^shares=(\d+)", array, re.MULTILINE) == [str(int(last) + 1)]
    condor = (EXAMPLES / "htcondor.sub").read_text("utf-8")
    assert "--shard $(Process)/$(shares) " in condor
    assert condor.endswith("\nqueue $(shares)\n")


def test_tasks_of_an_array_make_a_folder_that_can_be_finished(tmp_path):
    environment = dict(os.environ, PATH=f"{HERE}:{os.environ['PATH']}", SLURM_CPUS_PER_TASK="1")
    arguments = [FEATURES, "--model", "plasticc", "--to", "results/"]
    for task in ("0", "15"):  # the input is one shard: the first has work, the last has none
        command = ["bash", str(EXAMPLES / "slurm_array.sh"), *arguments]
        environment["SLURM_ARRAY_TASK_ID"] = task
        subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    finish = [str(HERE / "lcclassify"), "finish", "results/", "--quiet"]
    subprocess.run(finish, cwd=tmp_path, env=environment, check=True)
    whole = [str(HERE / "lcclassify"), "classify-file", *arguments[:-1], "whole.parquet", "--quiet"]
    subprocess.run(whole, cwd=tmp_path, env=environment, check=True)
    (part,) = (tmp_path / "results").glob("part-*.parquet")
    assert pq.read_table(part).equals(pq.read_table(tmp_path / "whole.parquet"))
