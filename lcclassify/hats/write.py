"""What makes a HATS catalogue of a folder that has its Parquet files already.

The same files give the same bytes: nothing that is written tells a time.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lcclassify import __version__
from lcclassify.errors import OutputError
from lcclassify.hats.catalogue import PARTITIONS, PROPERTIES, Catalogue
from lcclassify.hats.leaf import Leaf
from lcclassify.hats.properties import format_properties
from lcclassify.sinks.folders import write_whole

VERSION = "v1.0"  # of HATS
COMMON = "dataset/_common_metadata"  # no _metadata beside it: with many leaves it breaks readers
OF_SOURCE = ("hats_col_ra", "hats_col_dec", "hats_col_healpix", "hats_col_healpix_order")


def write_catalogue(
    folder: Path, name: str, source: Catalogue, rows: Mapping[Leaf, int], schema: pa.Schema
) -> None:
    """Write all but the leaves, which lie at ``leaf.path()`` with so many rows of this schema.

    A row is an object, with the position columns of the source. A leaf may have no rows, but has
    a file. OutputError if the source has no positions, OSError.
    """
    rows = {leaf: rows[leaf] for leaf in source.leaves if leaf in rows}
    if not source.ra or not source.dec:
        raise OutputError(
            f"{folder}: {source.name} does not say hats_col_ra and hats_col_dec, and a HATS "
            "catalogue has to"
        )
    write_whole(folder / COMMON, _metadata(schema))
    write_whole(folder / PARTITIONS, _partitions(rows))
    properties = format_properties(_properties(name, source, rows))
    for file in reversed(PROPERTIES):  # what tells a catalogue comes last
        write_whole(folder / file, properties.encode())


def _metadata(schema: pa.Schema) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_metadata(schema, sink)
    return bytes(sink.getvalue())


def _partitions(leaves: Iterable[Leaf]) -> bytes:
    lines = [f"{leaf.order},{leaf.pixel}\n" for leaf in leaves]
    return "".join(["Norder,Npix\n", *lines]).encode()


def _properties(name: str, source: Catalogue, rows: Mapping[Leaf, int]) -> dict[str, object]:
    columns = {key: source.properties[key] for key in OF_SOURCE if key in source.properties}
    return {
        "obs_collection": name,
        "dataproduct_type": "object",
        "hats_nrows": sum(rows.values()),
        **columns,
        "hats_npix_suffix": ".parquet",
        "hats_order": max((leaf.order for leaf in rows), default=0),
        "hats_max_rows": max(rows.values(), default=0),
        "hats_builder": f"lcclassify {__version__}",
        "hats_version": VERSION,
    }
