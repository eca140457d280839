"""Small HATS catalogues, made with pyarrow alone."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.hats.leaf import Leaf

LEAVES = (Leaf(1, 16), Leaf(2, 68), Leaf(9, 123_456), Leaf(1, 3))  # as no sorting would have them
PROPERTIES = {
    "obs_collection": "toy",
    "dataproduct_type": "object",
    "hats_col_ra": "ra",
    "hats_col_dec": "dec",
    "hats_col_healpix": "_healpix_29",
}


def rows(number, n_rows=3):
    """Objects of one leaf."""
    ids = [f"{number}-{row}" for row in range(n_rows)]
    degrees = [float(number)] * n_rows
    healpix = pa.array([number] * n_rows, pa.int64())
    return pa.table(
        {"oid": ids, "a": degrees, "ra": degrees, "dec": degrees, "_healpix_29": healpix}
    )


@pytest.fixture
def make_catalogue():
    """make(folder, leaves=..., **properties): a catalogue; the id tells its leaf's number."""

    def make(folder, leaves=LEAVES, **properties):
        values = PROPERTIES | properties
        suffix = values.get("hats_npix_suffix", ".parquet")
        for number, leaf in enumerate(leaves):
            path = folder / leaf.path(suffix)
            if suffix == "/":
                path = path / "part0.snappy.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(rows(number), path)
        lines = [f"{leaf.order},{leaf.pixel}" for leaf in leaves]
        (folder / "partition_info.csv").write_text("\n".join(["Norder,Npix", *lines]) + "\n")
        text = "".join(f"{key}={value}\n" for key, value in values.items())
        (folder / "hats.properties").write_text("#HATS catalog\n" + text)
        (folder / "properties").write_text(text)
        pq.write_metadata(rows(0).schema, folder / "dataset" / "_common_metadata")
        pq.write_metadata(rows(0).schema, folder / "dataset" / "_metadata")
        pq.write_table(rows(0), folder / "per_partition_statistics.parquet")
        return folder

    return make


@pytest.fixture
def collection(tmp_path, make_catalogue):
    """A primary table and a margin that repeats objects of it."""
    folder = tmp_path / "collection"
    make_catalogue(folder / "toy")
    make_catalogue(folder / "toy_10arcs", LEAVES[:2], dataproduct_type="margin")
    (folder / "collection.properties").write_text(
        "#HATS Collection\nobs_collection=toy\nhats_primary_table_url=toy\nall_margins=toy_10arcs\n"
    )
    return folder
