"""The light curves in ``examples``: the first objects of each class in the table of the truth.

    python training/plasticc_light_curves.py LIGHT_CURVES TRUTH OUT

LIGHT_CURVES is a Parquet file with the columns object_id, mjd (d), passband (0-5 = u g r i z Y),
flux and flux_err (FLUXCAL: AB zero point 27.5); TRUTH is ``examples/plasticc_truth.csv``. OUT gets
every observation of these objects, object by object in the order of the truth, in order of time.
"""

import argparse
import csv
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lcclassify.batch import BANDS

N_EACH = 2  # objects of a class


def main() -> None:
    """Write OUT."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("light_curves", "truth", "out"):
        parser.add_argument(name, type=Path)
    paths = parser.parse_args()
    seen: Counter[str] = Counter()
    chosen: list[int] = []
    for row in csv.DictReader(paths.truth.read_text("utf-8").splitlines()):
        seen[row["class"]] += 1
        if seen[row["class"]] <= N_EACH:
            chosen.append(int(row["object_id"]))
    ids = pa.array(chosen, pa.int32())
    table = pq.read_table(paths.light_curves, filters=pc.field("object_id").isin(ids))
    order = pa.table({"place": pc.index_in(table["object_id"], ids), "mjd": table["mjd"]})
    table = table.take(pc.sort_indices(order, [("place", "ascending"), ("mjd", "ascending")]))
    out = pa.table(
        {
            "object_id": table["object_id"].cast(pa.int64()),
            "mjd": table["mjd"],
            "band": pa.array(BANDS).take(table["passband"].combine_chunks().cast(pa.int64())),
            "FLUXCAL": table["flux"].cast(pa.float32()),
            "FLUXCALERR": table["flux_err"].cast(pa.float32()),
        }
    )
    pq.write_table(out, paths.out, compression="zstd")


if __name__ == "__main__":
    main()
