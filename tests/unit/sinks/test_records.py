import pyarrow as pa

from lcclassify.sinks.records import records


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
