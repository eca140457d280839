"""Many small files: a few shards of them, in bounded memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.resolve import resolve_model

N_ROWS = 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("n_files", [600, pytest.param(20_000, marks=pytest.mark.long)])
def test_tiny_files_are_put_together(tmp_path, n_files, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    columns = {"oid": np.arange(N_ROWS)}
    columns |= {f.name: np.zeros(N_ROWS, np.float32) for f in resolve_model("plasticc").features}
    first = folder / "00000.parquet"
    pq.write_table(pa.table(columns), first)
    for number in range(1, n_files):
        (folder / f"{number:05d}.parquet").hardlink_to(first)
    program = (  # the peak of ru_maxrss would start with what this process had at the fork
        "from lcclassify.cli import main\ntry: main()\n"
        "finally: print(*(l for l in open('/proc/self/status') if l.startswith('VmHWM')))"
    )
    argv = [sys.executable, "-c", program, "classify-file", str(folder), "--to", "out/", "-q"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    n_shards, peak_mb = len(manifest["shards"]), int(done.stdout.split()[1]) / 1024
    with capsys.disabled():
        print(f"\n{n_files} files: {n_shards} shards, {peak_mb:.0f} MB at most in the run itself")
    assert manifest["objects"] == n_files * N_ROWS
    assert 1 <= n_shards <= n_files / 500
    assert peak_mb < 500
