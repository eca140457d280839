"""A program that may die or wait for ever, run in a child that is watched."""

import json
import os
import subprocess
import sys
from pathlib import Path

PATIENCE_S = (
    240  # beyond its budget: to import, to compile, and for its last case on a busy machine
)


def run_watched(program, *arguments, budget_s, folder, **environment):
    """The counts that a program of the tests printed; if it failed, the case that it was at.

    It takes its arguments, then its budget and the file to name each case in.
    """
    seen = folder / "seen"
    command = [sys.executable, Path(__file__).with_name(program), *arguments, str(budget_s), seen]
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"PYTHONPATH": os.pathsep.join(paths), **environment}
    try:
        done = subprocess.run(
            command,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=budget_s + PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        raise AssertionError(f"no end of {program} at: {seen.read_text()}") from None
    last = seen.read_text() if seen.exists() else "its start"
    assert done.returncode == 0, f"{program} ended with {done.returncode} at {last}: {done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def tell(counts, what, record_property, capsys):
    """Say how many cases ran: in the report, and on the screen."""
    n_cases = sum(counts.values())
    record_property("cases", n_cases)
    with capsys.disabled():
        print(f"\n{what}: {n_cases} cases: {counts}")
