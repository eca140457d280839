"""A catalogue classified inside LSDB: scale_lsdb.py CATALOGUE RESULTS PROCESSES."""

import sys

import lsdb
from dask.distributed import Client

from lcclassify.adapters.lsdb import PartitionClassifier


def main(source: str, out: str, n: int) -> None:
    with Client(n_workers=n, threads_per_worker=1, dashboard_address=None):
        classes = lsdb.open_catalog(source).map_partitions(PartitionClassifier.of("plasticc"))
        classes.write_catalog(out, catalog_name="classes", as_collection=False, progress_bar=False)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
