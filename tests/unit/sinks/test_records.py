import re

import pyarrow as pa
import pytest

from lcclassify.errors import OutputError
from lcclassify.sinks.records import records, signed


def test_records_are_plain_values_at_every_depth():
    maps = pa.map_(pa.string(), pa.map_(pa.string(), pa.float64()))
    table = pa.table(
        {
            "maps": pa.array([[("a", [("b", 0.5), ("c", None)])], [], None], maps),
            "structs": [{"x": 1, "y": [0.1, 0.2]}, None, {"x": None, "y": None}],
            "numbers": [1.5, None, float("-inf")],
        }
    )
    rows = [
        {"maps": {"a": {"b": 0.5, "c": None}}, "structs": {"x": 1, "y": [0.1, 0.2]}}
        | {"numbers": 1.5},
        {"maps": {}, "structs": None, "numbers": None},
        {"maps": None, "structs": {"x": None, "y": None}, "numbers": float("-inf")},
    ]
    assert records(table) == rows
    assert records(table.slice(1)) == rows[1:]
    assert records(pa.concat_tables([table.slice(2), table.slice(0, 1)])) == [rows[2], rows[0]]
    assert records(table.slice(0, 0)) == []


@pytest.mark.parametrize("kind", [pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()])
def test_unsigned_integers_become_signed(kind):
    table = pa.table({"diaObjectId": pa.array([200, None], kind), "x": [1.5, 2.5]})
    assert signed(table).schema.types == [pa.int64(), pa.float64()]
    assert signed(table).to_pylist() == table.to_pylist()


def test_an_integer_beyond_63_bits_is_not_rounded():
    table = pa.table({"diaObjectId": pa.array([2**63 - 1, 2**63], pa.uint64())})
    text = (
        "column 'diaObjectId' has integers of 2**63 or more, which do not fit into 64 bits with a "
        "sign; write Parquet, CSV or JSON Lines"
    )
    with pytest.raises(OutputError, match=f"^{re.escape(text)}$"):
        signed(table)
