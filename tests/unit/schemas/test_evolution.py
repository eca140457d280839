import io
import json
import random

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lcclassify.schemas.avsc import parse_schema
from lcclassify.schemas.evolution import Effect, differences, worst

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]


NAMED = ("record", "enum", "fixed")


def record(*fields, name="r", **more):
    """A record; a type alone is that of field x."""
    made = [
        part
        if isinstance(part, dict) and "name" in part and part["type"] not in NAMED
        else field("x", part)
        for part in fields
    ]
    return {"type": "record", "name": name, "fields": made, **more}


def field(name, kind, **more):
    return {"name": name, "type": kind, **more}


def enum(*symbols, **more):
    return {"type": "enum", "name": "e", "symbols": list(symbols), **more}


def fixed(size, name="f"):
    return {"type": "fixed", "name": name, "size": size}


def array(items):
    return {"type": "array", "items": items}


def map_of(values):
    return {"type": "map", "values": values}


def timestamp(unit):
    return {"type": "long", "logicalType": f"timestamp-{unit}"}


def compare(writer, reader, **options):
    parsed = [parse_schema(json.dumps(schema)) for schema in (writer, reader)]
    return differences(*parsed, **options)


def effect(writer, reader):
    return worst(compare(writer, reader))


def sentences(writer, reader):
    return [
        (d.path, d.state, str(d.effect), d.written, d.wanted, d.note)
        for d in compare(writer, reader)
    ]


# writer, reader, what it does; each is held against what fastavro does
TABLE = [
    (record("int"), record("int"), "none"),
    (record("long"), record("double"), "loses"),
    (record("float"), record("int"), "fails"),
    (record("bytes"), record("string"), "may fail"),
    (record("int"), record(["null", "int"]), "none"),
    (record(["null", "int"]), record("int"), "may fail"),
    (record(["null", "int"]), record("string"), "fails"),
    (record(["string", "bytes"]), record(["string", "bytes"]), "may fail"),
    (record(["null"]), record("null"), "none"),
    (record(field("a", "int")), record(field("a", "int"), field("b", "int")), "fails"),
    (record(field("a", "int")), record(field("a", "int"), field("b", "int", default=3)), "none"),
    (record(field("a", "int"), field("b", "int")), record(field("a", "int")), "loses"),
    (record(field("a", "int")), record(field("b", "long", aliases=["a"])), "none"),
    (record("int", name="q"), record("int", name="r"), "fails"),
    (record("int", name="q"), record("int", name="r", aliases=["q"]), "none"),
    (record("int", name="a.r"), record("int", name="b.r"), "none"),
    (record(enum("a", "b")), record(enum("a", "b", "c")), "none"),
    (record(enum("a", "b")), record(enum("a")), "may fail"),
    (record(enum("a", "b")), record(enum("a", default="a")), "loses"),
    (record(fixed(2)), record(fixed(2)), "none"),
    (record(fixed(2)), record(fixed(3)), "fails"),
    (record(fixed(2)), record(fixed(2, "g")), "fails"),
    (record(array("int")), record(array("long")), "none"),
    (record(array("int")), record(array("string")), "may fail"),
    (record(map_of("float")), record(map_of("int")), "may fail"),
    (record(map_of("float")), record(array("float")), "fails"),
    (record(array(["null", "int"])), record(array("int")), "may fail"),
    (record(timestamp("millis")), record(timestamp("micros")), "loses"),
    (record(field("s", record("int", name="in"))), record(field("s", "string")), "fails"),
    (record(field("a", enum("a")), field("b", "e")), record(field("b", enum("a"))), "loses"),
    (
        record(field("b", enum("a"))),
        record(field("b", enum("a")), field("c", "e", default="a")),
        "none",
    ),
    (
        record(field("a", enum("a")), field("b", "e")),
        record(field("a", enum("b")), field("b", "e")),
        "may fail",
    ),
    (record(field("a", enum("a")), field("b", "e")), record(field("b", "string")), "fails"),
    (
        record(field("a", record("int", name="in")), field("b", array("in"))),
        record(field("b", array(record("long", name="in")))),
        "loses",
    ),
]


@pytest.mark.parametrize(("writer", "reader", "expected"), TABLE)
def test_what_a_pair_of_schemas_does(writer, reader, expected):
    assert effect(writer, reader) == expected
    assert read_all(writer, reader) == (expected in ("none", "loses"))


def test_findings_name_the_field_and_say_what_becomes_of_it():
    detection = record(field("id", "long"), field("W1_W2", "float"), name="d")
    wanted = record(
        field("id", "double"),
        field("W1-W2", "float"),
        field("band", enum("g"), default="g"),
        name="d",
    )
    writer = record(field("oid", "string"), field("list", array(detection)), field("g-r", "int"))
    reader = record(field("list", array(wanted)), field("oid", ["null", "string"]))
    assert sentences(writer, reader) == [
        ("oid", "other type", "none", "string", "null or string", "null is taken too"),
        ("list[].id", "other type", "loses", "long", "double", "integers above 2**53 are rounded"),
        ("list[].W1-W2", "alias", "may fail", "float", "float", "called W1_W2 here"),
        ("list[].band", "missing", "none", "", "enum e", "the default is taken"),
        ("g-r", "illegal name", "none", "int", "", ""),
        ("g-r", "extra", "loses", "int", "", ""),
        ("", "other order", "none", "record r", "record r", "only names matter to Avro files"),
    ]


def test_a_record_of_another_name_in_a_union_is_still_compared_field_by_field():
    writer = record(["null", record(field("a", "int"), name="old")])
    reader = record(["null", record(field("b", "int"), name="new")])
    assert sentences(writer, reader) == [
        ("x", "other name", "may fail", "record old", "record new", ""),
        ("x.b", "missing", "may fail", "", "int", ""),
        ("x.a", "extra", "loses", "int", "", ""),
    ]


def test_a_type_is_first_of_all_itself_if_that_is_asked():
    schema = record(["string", "bytes", "float", "int"])
    assert compare(schema, schema, same_first=True) == []
    assert [d.written for d in compare(schema, schema)] == ["bytes", "int"]


def test_of_two_fields_for_one_the_name_wins_over_the_alias():
    reader = record(field("a", "int", aliases=["b"]))
    assert sentences(record(field("b", "int"), field("a", "int")), reader) == [
        ("b", "extra", "loses", "int", "", "")
    ]  # fastavro raises KeyError where the alias comes second


def test_types_that_contain_each_other_many_times_are_compared_once():
    """As text 60 records, as a tree 2**60."""
    schema = record("int", name="r0")
    for level in range(1, 30):
        schema = record(field("a", schema), field("b", f"r{level - 1}"), name=f"r{level}")
    assert compare(schema, schema) == []


# writer, reader, what we say, whether fastavro reads it all the same
DIFFERENT = {
    "a field by its alias beside one by its name: KeyError": (
        record(field("a", "int"), field("b", "int")),
        record(field("a", "int", aliases=["b"])),
        "loses",
        False,
    ),
    "a fixed and an enum of one name are one to it": (
        record({"type": "fixed", "name": "e", "size": 1}),
        record(enum("a")),
        "fails",
        True,
    ),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_where_fastavro_does_otherwise(case):
    writer, reader, ours, fastavro_reads = DIFFERENT[case]
    assert effect(writer, reader) == ours
    assert read_all(writer, reader) == fastavro_reads


DEFAULTS = {"null": None, "boolean": True, "int": 5, "long": 5, "double": 0.1, "string": "t"}
WIDER = {
    "int": ("int", "long", "float", "double"),
    "long": ("long", "double"),
    "float": ("float", "double"),
    "string": ("string", "bytes"),
    "bytes": ("bytes", "string"),
}
NAMES = {"record": ["r1", "r2"], "enum": ["e1"], "fixed": ["f1", "f2"]}


def schemas(depth=2):
    leaf = st.sampled_from(PRIMITIVES)
    enums = st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)
    leaf |= enums.map(lambda symbols: {**enum(*symbols), "name": "e1"})
    leaf |= st.builds(fixed, st.integers(1, 2), st.sampled_from(NAMES["fixed"]))
    if depth == 0:
        return leaf
    inner = schemas(depth - 1)
    unions = st.lists(inner, min_size=1, max_size=3, unique_by=branch_key)
    fields = st.lists(
        st.builds(plain_field, st.sampled_from("xyz"), inner, st.booleans()),
        max_size=3,
        unique_by=lambda f: f["name"],
    )
    records = st.builds(
        lambda fields, name: record(*fields, name=name), fields, st.sampled_from(NAMES["record"])
    )
    return leaf | inner.map(array) | inner.map(map_of) | records | unions.filter(flat)


def plain_field(name, kind, has_default):
    with_default = has_default and isinstance(kind, str) and kind in DEFAULTS
    return field(name, kind, **({"default": DEFAULTS[kind]} if with_default else {}))


def changed(schema, rng):
    """A schema that is like another."""
    if rng.random() < 0.1:
        return rng.choice(PRIMITIVES)
    if rng.random() < 0.2 and not isinstance(schema, list) and schema != "null":
        union = [schema, "null"] if rng.random() < 0.7 else [schema]
        return rng.sample(union, len(union))
    if isinstance(schema, list):
        parts = [part for part in schema if rng.random() < 0.8] or schema
        return rng.choice(parts) if rng.random() < 0.2 else rng.sample(parts, len(parts))
    if isinstance(schema, str):
        return rng.choice(WIDER.get(schema, (schema,)))
    made = dict(schema)
    for key in ("items", "values"):
        if key in made:
            made[key] = changed(made[key], rng)
    if "symbols" in made:
        made["symbols"] = rng.sample("abc", rng.randint(1, 3))
    if "fields" in made:
        fields = [f | {"type": changed(f["type"], rng)} for f in made["fields"]]
        made["fields"] = [plain_field(f["name"], f["type"], rng.random() < 0.5) for f in fields]
        made["fields"] = [f for f in made["fields"] if rng.random() < 0.8]
    return made


def branch_key(schema):
    return (
        schema
        if isinstance(schema, str)
        else repr(schema)
        if type(schema) is list
        else (schema.get("name") or schema["type"])
    )


def flat(union):
    return not any(isinstance(branch, list) for branch in union)


def unique_names(schema, level=0):
    """The same schema, where no name is defined twice."""
    counter = iter(range(10**6))

    def walk(part):
        if isinstance(part, list):
            return [walk(branch) for branch in part]
        if not isinstance(part, dict):
            return part
        made = dict(part)
        for key in ("items", "values"):
            if key in made:
                made[key] = walk(made[key])
        if "fields" in made:
            made["fields"] = [f | {"type": walk(f["type"])} for f in made["fields"]]
        if "name" in made:  # another namespace, which names are compared without
            made["namespace"] = f"n{next(counter)}"
        return made

    return walk(schema)


def name_of(schema):
    if isinstance(schema, str):
        return schema
    return f"{schema['namespace']}.{schema['name']}" if "name" in schema else schema["type"]


def value(schema, rng):
    if isinstance(schema, list):
        branch = rng.choice(schema)
        return name_of(branch), value(branch, rng)  # or fastavro would choose
    if isinstance(schema, dict):
        kind = schema["type"]
        if kind == "record":
            return {f["name"]: value(f["type"], rng) for f in schema["fields"]}
        if kind == "array":
            return [value(schema["items"], rng) for _ in range(6)]
        if kind == "map":
            return {str(i): value(schema["values"], rng) for i in range(6)}
        if kind == "enum":
            return rng.choice(schema["symbols"])
        if kind == "fixed":
            return b"\xff" * schema["size"]
        return value(kind, rng)
    return {
        "null": None,
        "boolean": True,
        "int": 5,
        "long": 2**40,
        "float": 0.5,
        "double": 0.1,
        "bytes": b"\xff",
        "string": "text",
        "e": "a",  # by their names
        "in": {"x": 5},
    }[schema]


def read_all(writer, reader):
    """Whether fastavro reads every value of a schema with another."""
    rng = random.Random(0)
    rows = [value(writer, rng) for _ in range(40)]
    written = fastavro.parse_schema(writer)
    for row in rows:
        one = io.BytesIO()
        fastavro.writer(one, written, [row])
        one.seek(0)
        try:
            list(fastavro.reader(one, reader))
        except Exception:
            return False
    return True


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schemas(), schemas(), st.one_of(st.none(), st.integers(0, 10**6)))
def test_what_is_called_readable_fastavro_reads_and_nothing_else(writer, other, seed):
    reader = other if seed is None else changed(writer, random.Random(seed))
    writer, reader = (unique_names(record(field("x", s), name="top")) for s in (writer, reader))
    readable = effect(writer, reader) in (Effect.NONE, Effect.LOSES)
    assert read_all(writer, reader) == readable
