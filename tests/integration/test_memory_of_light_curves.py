"""Reading and classifying light curves takes little memory, however large a row group is."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.network_bundle import write_transformer
from lcclassify.testing import make_transformer

LENGTH = 250  # observations of an object
OBJECTS = 10_000  # made once, and written as often as it takes

# Runs alone, so that its peak is its own: what is loaded first, and what reading adds to that.
SCRIPT = """
import json, sys
from pathlib import Path

from lcclassify import load
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSource, in_memory, open_files
from lcclassify.sources.names import read_names
import pyarrow as pa

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

names = read_names(Path("rubin-object"))
predictor = load(sys.argv[2]) if len(sys.argv) > 2 else None
item = {"band": ["r"], "psfFlux": [1.0], "psfFluxErr": [1.0], "psfFlux_flag": [False]}
first = {"objectId": [1], "objectForcedSource": [item | {"midpointMjdTai": [60000.0]}]}

def classify(files):
    n_objects = n_observations = 0
    for batch in FileSource(files, [], light_curves=LightCurveOptions()):
        n_objects += len(batch)
        n_observations += int(batch.light_curves.offsets[-1])
        if predictor is not None:
            predictor.predict(batch)
    return n_objects, n_observations

classify(in_memory(pa.table(first), names=names))
before = peak()
counts = classify(open_files([sys.argv[1]], names=names))
print(json.dumps([peak() - before, *counts]))
"""


def write_row_group(path, n_objects):
    """Objects of ``LENGTH`` observations each, as Rubin's, in one row group."""
    rng = np.random.default_rng(0)
    n = OBJECTS * LENGTH
    offsets = pa.array(np.arange(0, n + 1, LENGTH, dtype=np.int32))
    bands = pa.DictionaryArray.from_arrays(rng.integers(0, 6, n).astype(np.int32), list("ugrizy"))
    values = {
        "band": bands.cast(pa.string()),
        "psfFlux": pa.array(rng.normal(300, 400, n).astype(np.float32)),
        "psfFluxErr": pa.array(rng.uniform(10, 90, n).astype(np.float32)),
        "psfFlux_flag": pa.array(np.arange(n) % 50 == 0),
        "midpointMjdTai": pa.array(rng.uniform(60000, 63650, n)),
        "psfMag": pa.array(rng.uniform(17, 25, n).astype(np.float32)),  # which nobody asks for
    }
    lists = {name: pa.ListArray.from_arrays(offsets, column) for name, column in values.items()}
    sources = pa.StructArray.from_arrays(list(lists.values()), list(lists))
    ids = np.arange(n_objects).reshape(-1, OBJECTS)
    table = pa.table(
        {
            "objectId": pa.chunked_array(list(ids)),
            "objectForcedSource": pa.chunked_array([sources] * len(ids)),
        }
    )
    pq.write_table(table, path, row_group_size=n_objects, compression="zstd")
    assert pq.read_metadata(path).num_row_groups == 1


def measure(*arguments):
    """What reading adds to the memory of a process, in MB; the objects and observations it saw."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    card = {"name": "net", "version": "1", "licence": "none", "citation": "none"}
    model = make_transformer(table="none", widths=(6, 4), heads=(2, 2), n_layers=1)
    return write_transformer(tmp_path_factory.mktemp("models") / "net", model, card).path


def test_5_million_observations_in_one_row_group_take_100_mb(tmp_path):
    write_row_group(tmp_path / "curves.parquet", 20_000)
    used, *counts = measure(tmp_path / "curves.parquet")
    assert counts == [20_000, 4_900_000]
    assert used < 100


@pytest.mark.long
def test_50_million_observations_in_one_row_group_take_no_more(tmp_path, network):
    write_row_group(tmp_path / "curves.parquet", 200_000)
    for limit, *model in ((100,), (150, network)):
        used, *counts = measure(tmp_path / "curves.parquet", *model)
        assert counts == [200_000, 49_000_000]
        assert used < limit
