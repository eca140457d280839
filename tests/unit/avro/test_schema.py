import re

import fastavro
import pytest
from avro_hostile import LINKS, chain, deep_text, depth_of_chain

from lcclassify.avro.schema import MARKS, MAX_DEPTH, bounded, shown


def record(name="r", **fields):
    made = [{"name": field, "type": kind} for field, kind in fields.items()]
    return {"type": "record", "name": name, "fields": made}


def fixed(name, size=1, **more):
    return {"type": "fixed", "name": name, "size": size, **more}


@pytest.mark.parametrize("kind", LINKS)
def test_depth_is_counted_behind_names(kind):
    deepest = max(n for n in range(1, 70) if depth_of_chain(kind, n) <= MAX_DEPTH)
    assert bounded(chain(kind, deepest)) == chain(kind, deepest)
    for links in (deepest + 1, 20_000):
        with pytest.raises(ValueError, match="its schema is too deep"):
            bounded(chain(kind, links))


@pytest.mark.parametrize("levels", [63, 400, 5000])
def test_a_deep_text_is_refused_before_it_is_followed(levels):
    assert bounded(deep_text(62)) == deep_text(62)
    with pytest.raises(ValueError, match="its schema is too deep"):
        bounded(deep_text(levels))


def test_a_tree_of_names_costs_as_much_as_its_text():
    """Each type twice in the next: values have two to the sixtieth parts, the text has 120."""
    fields = {"f0": record("R0", a="int")}
    for n in range(1, 60):
        fields[f"f{n}"] = record(f"R{n}", x=f"R{n - 1}", y=f"R{n - 1}")
    schema = record("top", **fields)
    assert bounded(schema) == schema
    for n in range(60, 63):
        fields[f"f{n}"] = record(f"R{n}", x=f"R{n - 1}", y=f"R{n - 1}")
    with pytest.raises(ValueError, match="its schema is too deep"):
        bounded(record("top", **fields))


def test_many_types_side_by_side_are_no_depth():
    schema = record("top", **{f"f{n}": record(f"R{n}", x="int") for n in range(20_000)})
    assert bounded(schema) == schema


INNER = record("n.inner", x=fixed("F"), y="F", z="n.F")
SOUND = {
    "namespaces": record("top", a=INNER, b="n.inner", c="n.F"),
    "a namespace of its own": record("top", a=fixed("F", namespace="n.m"), b="n.m.F"),
    "no namespace in one": record("top", a=record("n.x", y=fixed("F", namespace="")), b="F"),
    "a name that is a word": record("top", a=fixed("array")),
    "a word in a namespace": record("n.top", a=fixed("int"), b="n.int", c="int"),
    "unions in unions": record("top", a=[["null"], ["int", ["string"]]]),
    "an error": record("top", a=record("e") | {"type": "error"}),
    "no fields": {"type": "record", "name": "top"},
    "twice by an alias": record("top", a=fixed("F", aliases=["G"]), b=fixed("G")),
}
BAD = {
    "unknown": (record(a="F"), "no type F"),
    "before it is defined": (record(a="F", b=fixed("F")), "no type F"),
    "by its alias": (record(a=fixed("F", aliases=["G"]), b="G"), "no type G"),
    "of no namespace": (record("n.r", a=fixed("F", namespace=""), b="F"), "no type n.F"),
    "itself": (record(a=["null", "r"]), "its type r contains itself"),
    "one another": (record(a=record("b", c={"type": "map", "values": "r"})), "r contains itself"),
    "twice": (record(a=fixed("F"), b=fixed("F")), "defines type F twice"),
    "a primitive": (record(a=fixed("int")), "defines int, which Avro does"),
    "a word by name": (record(a=fixed("array"), b="array"), "array has the name of another kind"),
    "no size": (record(a=fixed("F", None)), "has no size"),
    "a size below zero": (record(a=fixed("F", -1)), "type F has no size"),
    "a size beyond all": (record(a=fixed("F", 2**63)), "type F has no size"),
    "a size that is true": (record(a=fixed("F", True)), "type F has no size"),
    "no symbols": (record(a={"type": "enum", "name": "E", "symbols": "abc"}), "has no symbols"),
    "an empty name": (record(a=fixed("")), "has no name"),
    "a namespace of 5": (record(a=fixed("F", namespace=5)), "has no name"),
    "a field without a name": ({"type": "record", "name": "r", "fields": [{}]}, "has no name"),
    "a field that is none": ({"type": "record", "name": "r", "fields": [7]}, "int is no field"),
    "a type in a type": (record(a={"type": {"type": "int"}}), "dict is no kind of type"),
    "a union of words": (record(a={"type": "error_union"}), "error_union is no kind of type"),
    "nothing": (None, "NoneType is no type"),
    "nulls": (record(a={"type": "array", "items": "null"}), "its arrays hold items of no bytes"),
    "empties by name": (
        record(a=record("e", x=fixed("F", 0)), b={"type": "array", "items": "e"}),
        "its arrays hold items of no bytes",
    ),
    "a name with an escape": (record(a="F\x1b[31m\n"), r"no type 'F\x1b[31m\n'"),
}


@pytest.mark.parametrize("case", SOUND)
def test_what_fastavro_reads_is_let_in_as_it_is(case):
    assert bounded(SOUND[case]) == {"fields": []} | SOUND[case]
    fastavro.parse_schema(SOUND[case])


@pytest.mark.parametrize("case", BAD)
def test_what_nobody_can_follow_is_told_in_one_line(case):
    schema, reason = BAD[case]
    with pytest.raises(ValueError, match=re.escape(reason)) as error:
        bounded(schema)
    assert str(error.value).isprintable()


def test_nothing_in_a_schema_is_believed_to_have_been_looked_at():
    """fastavro takes a schema with these marks as it is, and types from them."""
    schema = record(a="hidden") | {"__fastavro_parsed": True, "__named_schemas": {"hidden": 17}}
    assert fastavro.parse_schema(schema) is schema
    with pytest.raises(ValueError, match="it has no type hidden"):
        bounded(schema)
    marked = record(a="int") | dict.fromkeys(MARKS, True)
    assert bounded(marked) == record(a="int")


def test_types_from_elsewhere_stand_where_they_are_named_first():
    files = {"n.F": fixed("n.F"), "n.r": record("n.r", x="n.F", y="F")}
    found = bounded(record("top", a="n.r", b="n.F", c="n.r"), files.get)
    inner = record("n.r", x=fixed("n.F"), y="F")
    assert found == record("top", a=inner, b="n.F", c="n.r")
    fastavro.parse_schema(found)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"F": fixed("G")}, "the file of F defines another type"),
        ({"F": "int"}, "the file of F defines another type"),
        ({"F": "G", "G": "F"}, "too deep"),
        ({"F": record("F", x="G"), "G": record("G", x="F")}, "its type F contains itself"),
        ({}, "it has no type F"),
    ],
)
def test_types_from_elsewhere_that_lead_nowhere(files, reason):
    with pytest.raises(ValueError, match=reason):
        bounded(record(a="F"), files.get)


def test_a_chain_of_files_is_no_deeper_than_a_text():
    files = {f"F{n}": record(f"F{n}", x=f"F{n + 1}") for n in range(20_000)}
    with pytest.raises(ValueError, match="its schema is too deep"):
        bounded(record(a="F0"), files.get)


def test_what_is_shown_is_one_line():
    assert (shown("n.r"), shown("a\nb"), shown(["x"] * 9)) == ("n.r", r"'a\nb'", "list")
    assert len(shown("x" * 1000)) == 60
