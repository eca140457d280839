"""How many rows a second each way of spreading a job over processes answers, beside the pool's.

All ways fill a folder from the same HATS catalogue with the embedded model: one leaf of 640,000
rows, which is a shard, linked under 12 names. A way's time is that of its whole command less that
of the same command on one row, so that starting and loading count apart. Ways that need an
environment of their own are measured where its Python is named: --spark, --lsdb, --ray.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from machine import machine
from pyarrow import fs

from lcclassify.hats.catalogue import Catalogue
from lcclassify.hats.leaf import Leaf
from lcclassify.hats.write import write_catalogue
from lcclassify.resolve import resolve_model

HERE = Path(__file__).parent
PYTHON = sys.executable
DASK = str(Path(PYTHON).with_name("dask"))
CLASSIFY = [PYTHON, "-m", "lcclassify", "classify-file", "--quiet"]
AS_DASK_SETS_IT = (
    "from lcclassify.jobs import dask_engine\ndask_engine.mend_allocator = lambda: 0\n"
)
POSITIONS = {"hats_col_ra": "ra", "hats_col_dec": "dec", "hats_col_healpix": "_healpix_29"}
Way = Callable[[Path, Path], None]  # from a folder of files into one of results


def make_catalogue(folder: Path, n_leaves: int, n_rows: int) -> Path:
    """A catalogue of made-up features of the embedded model: one leaf, and links to it."""
    names = [feature.name for feature in resolve_model("plasticc").features]
    rng = np.random.default_rng(0)
    columns = {"oid": np.arange(n_rows), "_healpix_29": np.arange(n_rows)}
    columns |= {"ra": np.full(n_rows, 45.0), "dec": np.full(n_rows, 0.1)}
    columns |= {name: rng.normal(size=n_rows).astype(np.float32) for name in names}
    leaves = [Leaf(3, number) for number in range(n_leaves)]
    first = folder / leaves[0].path()
    first.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), first, use_dictionary=False, row_group_size=n_rows)
    for leaf in leaves[1:]:
        (folder / leaf.path()).hardlink_to(first)
    files = {leaf: (leaf.path(),) for leaf in leaves}
    source = Catalogue("made-up", POSITIONS, fs.LocalFileSystem(), files)
    rows = dict.fromkeys(leaves, n_rows)
    write_catalogue(folder, "made-up", source, rows, pq.read_schema(first))
    return folder


def run(*argv: object, env: dict[str, str] | None = None) -> None:
    subprocess.run([str(arg) for arg in argv], check=True, env=os.environ | (env or {}))


def with_workers(n: int) -> Way:
    return lambda files, out: run(*CLASSIFY, files, "--to", f"{out}/", "--workers", n)


def by_shares(n: int) -> Way:
    """Tasks of an array, and their end."""

    def way(files: Path, out: Path) -> None:
        argv = [*CLASSIFY, str(files), "--to", f"{out}/", "--workers", "1", "--threads", "1"]
        tasks = [subprocess.Popen([*argv, "--shard", f"{i}/{n}"]) for i in range(n)]
        if any(task.wait() for task in tasks):
            raise SystemExit("a share failed")
        run(PYTHON, "-m", "lcclassify", "finish", out, "--quiet")

    return way


def on_local_dask(n: int) -> Way:
    argv = ["--engine", "dask", "--workers", n]
    return lambda files, out: run(*CLASSIFY, files, "--to", f"{out}/", *argv)


def on_dask(n: int, preload: str = "") -> Way:
    """A scheduler and workers from Dask's command line, of its default configuration."""

    def way(files: Path, out: Path) -> None:
        with cluster(n, out.parent, preload) as scheduler:
            argv = ["--engine", "dask", "--scheduler", scheduler]
            run(*CLASSIFY, files, "--to", f"{out}/", *argv)

    return way


@contextmanager
def cluster(n: int, folder: Path, preload: str) -> Iterator[Path]:
    file = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    local = ["--scheduler-file", str(file), "--no-dashboard"]
    argv = [[DASK, "scheduler", *local, "--host", "127.0.0.1", "--port", "0"]]
    worker = [DASK, "worker", *local, "--nthreads", "1", "--local-directory", str(folder)]
    if preload:
        (folder / "preload.py").write_text(preload)
        worker += ["--preload", str(folder / "preload.py")]
    argv += [worker] * n
    processes = [subprocess.Popen(each, **quiet) for each in argv]
    while not file.exists():
        time.sleep(0.01)
    try:
        yield file
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()
        file.unlink(missing_ok=True)


def elsewhere(python: str, script: str, n: int) -> Way:
    """A program that is told files, results and the number of processes."""
    return lambda files, out: run(python, HERE / script, files, out, n)


def measure(way: Way, files: Path, folder: Path) -> float:
    """Seconds of one run."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    way(files, out)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--rows", type=int, default=640_000, help="of each file")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    for name in ("spark", "lsdb", "ray"):
        parser.add_argument(f"--{name}", metavar="PYTHON", help="of an environment that has it")
    options = parser.parse_args()
    n = options.workers
    pool = f"process pool of {n}"
    ways: dict[str, Way] = {
        pool: with_workers(n),
        "one process": with_workers(1),
        f"{n} shares, finish": by_shares(n),
        "Dask, local cluster": on_local_dask(n),
        "Dask, workers of its command line": on_dask(n),
        "the same, allocator as Dask sets it": on_dask(n, AS_DASK_SETS_IT),
    }
    for name in ("spark", "lsdb", "ray"):
        if python := getattr(options, name):
            ways[name] = elsewhere(python, f"scale_{name}.py", n)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = make_catalogue(folder / "files", options.files, options.rows)
        single = make_catalogue(folder / "single", 1, 1)
        start_s: dict[str, list[float]] = {name: [] for name in ways}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.repeats):
            for name, way in ways.items():
                start_s[name].append(measure(way, single, folder))
                work_s = measure(way, files, folder) - start_s[name][-1]
                rates[name].append(options.files * options.rows / work_s)
    print(machine())
    print(f"{options.files} files of {options.rows:,} rows, {options.repeats} runs of each way")
    print(f"{'':40}{'start, s':>9}{'rows/s':>10}{'of the pool':>12}")
    for name in ways:
        shares = [rate / base for rate, base in zip(rates[name], rates[pool], strict=True)]
        print(
            f"{name:40}{statistics.median(start_s[name]):9.1f}"
            f"{statistics.median(rates[name]):10,.0f}{statistics.median(shares):12.0%}"
        )
    print(json.dumps({"start_s": start_s, "rows_per_s": rates}))


if __name__ == "__main__":
    main()
