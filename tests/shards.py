"""Folders of results in tests: shards that are small, and what lies in a folder."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lcclassify.resolve import resolve_model

SMALL_SHARD_S = 0.002  # so that each file is a shard, and not 5 s of work
SMALL_SHARDS = [
    sys.executable,
    "-c",
    f"from lcclassify.jobs import plan; plan.SHARD_S = {SMALL_SHARD_S}\n"
    "if __name__ == '__main__': from lcclassify.cli import main; main()",
]


def make_files(folder, names, ids="{name}-{row}", n_rows=300):
    """Small files of made-up features of the embedded model, a shard each."""
    features = [feature.name for feature in resolve_model("plasticc").features]
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for name in names:
        columns = {"oid": [ids.format(name=name, row=row) for row in range(n_rows)]}
        columns |= {one: rng.normal(size=n_rows).astype(np.float32) for one in features}
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def content(folder):
    """Every file of a folder, by its path below it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def workers_of(process):
    """The process ids of the workers of a run."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [
        int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
