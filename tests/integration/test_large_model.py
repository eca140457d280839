"""Converting one large pickle: memory, and the answers of the bundle."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lcclassify.bundle import open_bundle
from lcclassify.predictors import load_predictor
from lcclassify.testing import make_batch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "make_large_forest.py"

# A process of its own, where the peak is that of the conversion. The peak of ru_maxrss would start
# with what the parent had at the fork.
MEASURE = """
import json, sys
from pathlib import Path
from lcclassify.convert import convert, write_forest
from lcclassify.testing import make_forest

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

source, folder = map(Path, sys.argv[1:])
card = dict.fromkeys(("name", "version", "licence", "citation"), "toy")
write_forest(folder / "toy", make_forest("xy", {"a": "bc"}), "xy", card)  # imports and compiles
before = memory("VmRSS")
convert(source, folder / "large")
print(json.dumps({"before": before, "peak": memory("VmHWM")}))
"""


def convert_apart(path, folder):
    """Convert in another process; its memory in bytes, just before and at the most."""
    command = [sys.executable, "-c", MEASURE, path, folder]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def assert_answers(bundle, model, n_rows):
    """Rows, some of them with missing and huge values, answered as by scikit-learn."""
    features = model["feature_list"]
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(n_rows, len(features)))
    special = rng.choice([np.nan, np.inf, -np.inf, 1e33, -1e33, -0.0], size=rows.shape)
    rows[::2] = np.where(rng.random(rows.shape) < 0.1, special, rows)[::2]
    prepared = np.where(np.isfinite(rows), rows, -999.0)
    top = model["model"]["top"]
    expected = {}
    for node, share in zip(top.classes_, top.predict_proba(prepared).T, strict=True):
        child = model["model"][node]
        shares = child.predict_proba(prepared).T * share
        expected |= dict(zip(child.classes_, shares, strict=True))

    columns = {name: rows[:, i].tolist() for i, name in enumerate(features)}
    found = load_predictor(bundle).predict(make_batch(columns, list(range(n_rows))))
    assert bundle.taxonomy.classes == tuple(model["list_of_classes"])
    for name, column in zip(bundle.taxonomy.classes, found.leaf_probability.T, strict=True):
        assert column.tolist() == expected[name].tolist(), name


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("megabytes", [30, pytest.param(500, marks=pytest.mark.long)])
def test_a_large_pickle_takes_less_memory_than_twice_its_size(tmp_path, megabytes, capsys):
    path = tmp_path / "large.pkl"
    subprocess.run([sys.executable, SCRIPT, path, "--mb", str(megabytes)], check=True)
    size = path.stat().st_size
    assert size >= megabytes * 10**6
    memory = convert_apart(path, tmp_path)
    with capsys.disabled():
        print(
            f"\n{size / 1e6:.0f} MB: peak {memory['peak'] / 1e6:.0f} MB, of which "
            f"{memory['before'] / 1e6:.0f} MB were there before"
        )
    assert memory["peak"] - memory["before"] < 2 * size
    if megabytes >= 500:  # less than that weighs no more than Python and its packages
        assert memory["peak"] < 2 * size
    model = pickle.loads(path.read_bytes())
    path.unlink()  # pytest would keep it
    assert_answers(open_bundle(tmp_path / "large"), model, n_rows=200)
