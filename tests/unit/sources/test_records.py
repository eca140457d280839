import pyarrow as pa
import pytest

from lcclassify.sources.columns import number_table
from lcclassify.sources.ids import add_strange, read_values
from lcclassify.sources.records import flatten, lacks_features, number_array
from lcclassify.status import Status


def test_the_header_wins_over_the_record_and_that_over_the_features():
    features = {"a": 1, "b": 1, "c": 1}
    record = {"oid": "x", "features": features, "b": 2, "c": 2, "diaObject": {"c": 3}}
    assert flatten(record) == {"oid": "x", "a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("value", [None, 5, "text", [1]])
def test_what_is_no_dict_holds_neither_features_nor_header(value):
    record = {"oid": "x", "features": value, "diaObject": value}
    assert flatten(record) == {"oid": "x"}
    assert lacks_features(record) == (Status.MISSING_FEATURES, "the object has no features")


def test_a_record_without_a_place_for_features_lacks_none():
    assert lacks_features({"oid": "x", "a": 1}) is None
    assert lacks_features({"oid": "x", "features": {}}) is None


def test_numbers_of_any_kind_are_read_and_others_cost_their_row():
    values = [1, 2.5, True, None, "3", "x", [1], b"4 ", 10**400, "\ud800", float("inf"), b"\xff"]
    problems = {}
    array = number_array("a", values, problems)
    numbers = number_table({"a": array}, problems, len(values))["a"].to_pylist()
    inf = float("inf")
    assert numbers == [1.0, 2.5, 1.0, None, 3.0, None, None, 4.0, inf, None, inf, None]
    assert {row: problem.reason for row, problem in problems.items()} == {
        5: "a = 'x' is not a number",
        6: "a = [1] is not a number",
        9: "a = '\\ud800' is not a number",
        11: "a = b'\\xff' is not a number",
    }


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.int64(), [1, None, None, None, None, None, None]),
        (pa.string(), ["1", "9223372036854775808", "x", None, None, None, None]),
    ],
)
def test_ids_of_another_kind_cost_their_row(kind, expected):
    problems = {}
    ids = read_values("oid", [1, 2**63, "x", True, None, 1.5, "\ud800"], kind)
    add_strange(ids, problems)
    assert ids.values.to_pylist() == expected
    told = [row for row, id_ in enumerate(expected) if id_ is None and row != 4]  # 4: was None
    assert sorted(problems) == told
    assert problems[3] == (Status.INVALID_RECORD, "True is no id")


def test_a_feature_that_is_called_like_a_value_of_the_header_has_two_names():
    record = {"oid": 1, "features": {"mwebv": 2.0, "a": 3.0}, "diaObject": {"mwebv": 4.0}}
    values = {"oid": 1, "mwebv": 4.0, "a": 3.0, "features.mwebv": 2.0}
    assert flatten(record) == values
    assert flatten({**record, "diaObject": None}) == values | {"mwebv": 2.0}
