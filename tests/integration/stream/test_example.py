"""The example that takes a cluster's address: objects in, answers out, each once."""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "stream.py"


def test_the_example_runs(kafka, tmp_path):
    argv = [sys.executable, str(EXAMPLE), kafka.bootstrap]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    command, _, *classes, last = done.stdout.splitlines()
    assert command.startswith("$ lcclassify stream --model plasticc ")
    assert classes[0].split() == ["Ia", "27"]
    assert sum(int(line.split()[-1]) for line in classes) == 201
    assert last == "201 alerts, each answered once"
