import io
import pickle
from pathlib import Path

import fastavro
import pytest

from lcclassify.errors import InputError
from lcclassify.sources.avro import AvroPart
from lcclassify.sources.context import CONTEXT
from lcclassify.sources.file import FileSet, FileSource, open_files
from lcclassify.sources.places import find_places
from lcclassify.status import Status

FLAT = {
    "type": "record",
    "name": "features",
    "fields": [
        {"name": "oid", "type": "string"},
        {"name": "a", "type": ["null", "double"]},
        {"name": "Power_rate_1/2", "type": "float"},
    ],
}
RECORDS = [{"oid": f"z{i}", "a": i / 3 if i % 5 else None, "Power_rate_1/2": i} for i in range(150)]
EXTRA = {"type": "map", "values": ["null", "bytes", {"type": "map", "values": "float"}]}
DETECTION = {
    "type": "record",
    "name": "detection",
    "fields": [
        {"name": "candid", "type": ["string", "long", "null"], "default": "1"},
        {"name": "tid", "type": "string", "default": "LSST"},
        {"name": "mjd", "type": ["double", "null"], "default": 60000.0},
        {"name": "has_stamp", "type": "boolean", "default": True},
        {"name": "new", "type": "boolean", "default": True},
        {"name": "extra_fields", "type": EXTRA, "default": {}},
    ],
}
FEATURES = {"type": "map", "values": ["boolean", "float", "null", "int"]}


def message_schema(features=FEATURES):
    return {
        "type": "record",
        "name": "message",
        "fields": [
            {"name": "oid", "type": "string", "default": "z"},
            {"name": "detections", "type": {"type": "array", "items": DETECTION}},
            {"name": "features", "type": ["null", features]},
        ],
    }


def write(path, schema, records, codec="null", **options):
    with path.open("wb") as file:
        fastavro.writer(file, schema, records, codec=codec, **options)
    return path


def part_of(*paths):
    return AvroPart(*[place for path in paths for place in find_places(str(path), {".avro"})])


def read(part, columns, size=5000, id_name="oid"):
    """Ids, features, problems and context of a part, numbered over its batches."""
    ids, features, problems, context = [], [], {}, []
    for batch in FileSource(FileSet((part,), id_name), columns, size):
        assert 0 < len(batch) <= size
        problems |= {len(ids) + row: problem for row, problem in batch.problems.items()}
        ids += batch.object_id.to_pylist()
        features += batch.features.to_pylist()
        context += batch.context.to_pylist()
    return ids, features, problems, context


def read_messages(folder, messages, columns=("a",)):
    return read(part_of(write(folder / "messages.avro", message_schema(), messages)), columns)


def message(*detections, **fields):
    return {"detections": list(detections), "features": {"a": 1.0}} | fields


@pytest.mark.parametrize("codec", ["null", "deflate"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_flat_records_come_in_order(tmp_path, codec, size):
    path = write(tmp_path / "f.avro", FLAT, RECORDS, codec, sync_interval=500)
    files = open_files([str(path)])
    assert list(files.columns) == ["oid", "a", "Power_rate_1/2"]
    assert [str(kind) for kind in files.columns.values()] == ["string", "double", "double"]
    ids, features, problems, _ = read(files.parts[0], ["a", "Power_rate_1/2"], size)
    assert ids == [record["oid"] for record in RECORDS]
    assert features == [{k: v for k, v in record.items() if k != "oid"} for record in RECORDS]
    assert problems == {}


def test_several_files_are_one_table_of_the_names_that_any_has(tmp_path):
    contents = [None, {"a": 1.0}, {"b": True, "c": 3}]
    paths = [
        write(tmp_path / f"{i}.avro", message_schema(), [message(features=features)])
        for i, features in enumerate(contents)
    ]
    part = part_of(*paths)
    [batch] = part.batches("oid", ["a", "b", "c"], 100)
    assert batch.features.to_pylist() == [
        {"a": None, "b": None, "c": None},
        {"a": 1.0, "b": None, "c": None},
        {"a": None, "b": 1.0, "c": 3.0},
    ]
    assert batch.problems == {0: (Status.MISSING_FEATURES, "the object has no features")}
    assert [len(batch) for batch in part.batches("oid", ["a"], 2)] == [2, 1]


def test_a_file_without_records_has_the_columns_of_its_schema(tmp_path):
    features = {"type": "record", "name": "f", "fields": [{"name": "W1-W2", "type": "float"}]}
    path = write(tmp_path / "f.avro", message_schema(features), [])
    files = open_files([str(path)])
    assert list(files.columns) == ["oid", "detections", "W1-W2"]
    [batch] = FileSource(files, ["W1-W2"])
    assert (len(batch), batch.features.column_names) == (0, ["W1-W2"])


def test_features_may_be_a_named_record_or_of_odd_types(tmp_path):
    fields = [
        {"name": "a", "type": ["null", "int", "double"]},
        {"name": "text", "type": ["string", "float"]},
        {"name": "blob", "type": "bytes"},
        {"name": "list", "type": {"type": "array", "items": "float"}},
    ]
    schema = message_schema("f")
    other = {"name": "other", "type": {"type": "record", "name": "f", "fields": fields}}
    schema["fields"].insert(0, other)
    values = {"a": 2, "text": "1.5", "blob": b"", "list": []}
    records = [message(other=values, features=values | {"text": text}) for text in ("1.5", "x")]
    part = part_of(write(tmp_path / "f.avro", schema, records))
    _, features, problems, _ = read(part, ["a", "text"])
    assert features == [{"a": 2.0, "text": 1.5}, {"a": 2.0, "text": None}]
    assert problems == {1: (Status.INVALID_FEATURES, "text = 'x' is not a number")}
    with pytest.raises(InputError, match="column 'list' holds .*, not numbers"):
        read(part, ["list"])
    assert read(part, ["blob"])[1] == [{"blob": None}] * 2  # no text, so nothing


IDS = {
    "long": ([2**62, 2**62 + 1], [2**62, 2**62 + 1], "int64"),
    "string": (["x"], ["x"], "string"),
    ("long", "string", "null"): ([5, "x", None], ["5", "x", None], "string"),
    ("null", "long"): ([5, None], [5, None], "int64"),
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_are_exact(tmp_path, kind):
    written, expected, name = IDS[kind]
    schema = {"type": list(kind) if isinstance(kind, tuple) else kind, "name": "aid"}
    field = {"name": "a", "type": "float"}
    schema = {"type": "record", "name": "f", "fields": [schema, field]}
    path = write(tmp_path / "f.avro", schema, [{"aid": id_, "a": 1.0} for id_ in written])
    part = part_of(path)
    ids, _, problems, _ = read(part, ["a"], id_name="aid")
    assert (ids, part.id_type("aid")) == (expected, name)
    assert problems == {
        row: (Status.INVALID_RECORD, "the object has no id")
        for row, id_ in enumerate(expected)
        if id_ is None
    }


def test_a_number_that_is_not_whole_is_no_id(tmp_path):
    part = part_of(write(tmp_path / "f.avro", FLAT, RECORDS))
    ids, _, problems, _ = read(part, [], id_name="a")
    assert ids[:7] == [None, None, None, 1, None, None, 2]
    assert problems[1] == (Status.INVALID_RECORD, "0.3333333333333333 is no id")
    assert problems[0] == (Status.INVALID_RECORD, "the object has no id")  # null


class Runs:
    def __reduce__(self):
        return Path.touch, (Path("PWNED"),)


@pytest.mark.parametrize("value", [pickle.dumps([{"mwebv": 0.5}]), {"mwebv": 0.5}])
def test_the_header_is_columns_of_its_own_names(tmp_path, value):
    detection = {"extra_fields": {"diaObject": value, "prvDiaSources": pickle.dumps(Runs())}}
    messages = [message(detection), message(), message(features={"a": 2.0, "mwebv": 7.0})]
    _, features, problems, _ = read_messages(tmp_path, messages, ["a", "mwebv"])
    assert [tuple(row.values()) for row in features] == [(1.0, 0.5), (1.0, None), (2.0, 7.0)]
    assert problems == {}


def test_a_refused_header_costs_its_message_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    headers = [[{"mwebv": 0.5}], [Runs()], [{"mwebv": Runs()}], [{"mwebv": 0.25}]]
    messages = [
        message({"extra_fields": {"diaObject": pickle.dumps(header)}}) for header in headers
    ]
    _, features, problems, _ = read_messages(tmp_path, messages, ["a", "mwebv"])
    assert [features[0]["mwebv"], features[3]["mwebv"]] == [0.5, 0.25]
    assert [(row, problem.status) for row, problem in problems.items()] == [
        (1, Status.INVALID_RECORD),
        (2, Status.INVALID_RECORD),
    ]
    assert problems[1].reason.startswith(
        "the header of the message cannot be read: it names pathlib"
    )
    assert not Path("PWNED").exists()


def test_messages_have_a_context_and_flat_records_none(tmp_path):
    *_, context = read_messages(tmp_path, [message({"candid": "12", "tid": "ztf"}), message()])
    nothing = dict.fromkeys(CONTEXT.names)
    found = {"alertId": 12, "diaSourceId": 12, "lastmjd": 60000.0}
    assert context == [nothing | found, nothing]
    part = part_of(write(tmp_path / "flat.avro", FLAT, RECORDS))
    assert [batch.context.num_columns for batch in part.batches("oid", ["a"], 100)] == [0, 0]


def test_invalid_text_does_not_stop_a_file(tmp_path):
    path = write(tmp_path / "f.avro", FLAT, [{"oid": "zzz", "a": 1.0, "Power_rate_1/2": 2.0}])
    path.write_bytes(path.read_bytes().replace(b"zzz", b"z\xffz"))
    assert read(part_of(path), ["a"])[0] == ["z\N{REPLACEMENT CHARACTER}z"]


def test_a_file_cut_anywhere_is_an_error_or_ends_between_blocks(tmp_path):
    path = write(tmp_path / "f.avro", FLAT, RECORDS, sync_interval=1500)
    data = path.read_bytes()
    sync = data[-16:]
    ends = {n for n in range(len(data)) if data[:n].endswith(sync)}
    assert len(ends) == 2  # the header's, the first of two blocks
    for length in range(len(data)):
        path.write_bytes(data[:length])
        if length in ends:
            part_of(path)
        else:
            with pytest.raises(InputError):
                part_of(path)


def damaged(change):
    file = io.BytesIO()
    fastavro.writer(file, FLAT, RECORDS[:3], codec="deflate")
    return change(file.getvalue())


RECURSIVE = {"type": "record", "name": "N", "fields": [{"name": "next", "type": ["null", "N"]}]}


DEEP = {"type": "record", "name": "N", "fields": [{"name": "oid", "type": "string"}]}
for _ in range(70):
    DEEP["fields"][0]["type"] = {"type": "array", "items": DEEP["fields"][0]["type"]}


def container(schema):
    file = io.BytesIO()
    fastavro.writer(file, schema, [])
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not an Avro file"),
        (b"oid,a\n", "is not an Avro file"),
        (b"Obj\x01", "is not an Avro file: its header is damaged: it ends"),
        (damaged(lambda data: b"Obj\x02" + data[4:]), "is not an Avro file"),
        (damaged(lambda data: data[:-16] + bytes(16)), "cannot be read from record 4 on: "),
        (damaged(lambda data: data.replace(b"deflate", b"unknown")), "record 1 on: Unrecognized"),
        (damaged(lambda data: data.replace(b"\x0edeflate", b"\x0csnappy")), r"\('cramjam',\)"),
        (
            damaged(lambda data: data.replace(b'"double"', b'"doodle"')),
            "it has no type doodle",
        ),
        (container(RECURSIVE), "its type N contains itself"),
        (container(DEEP), "its schema is too deep"),
        (container("string"), "holds no records, but string"),
        (container([FLAT, "null"]), "holds no records, but a union"),
    ],
    ids=range(12),  # the bytes hold a random marker
)
def test_an_unreadable_file_is_one_sentence(tmp_path, content, reason):
    path = tmp_path / "f.avro"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as error:
        open_files([str(path)])
    assert str(error.value).startswith(str(path))


def test_damage_beyond_the_sample_comes_up_where_it_is(tmp_path):
    records = [{"oid": f"z{i}", "a": 1.0, "Power_rate_1/2": 1.0} for i in range(1500)]
    path = write(tmp_path / "f.avro", FLAT, records, sync_interval=1000)
    path.write_bytes(path.read_bytes()[:-1])
    batches = part_of(path).batches("oid", ["a"], 1000)
    assert len(next(batches)) == 1000
    with pytest.raises(InputError, match="cannot be read from record 1501 on: "):
        next(batches)


def test_files_beyond_the_sample_are_looked_at_when_they_come(tmp_path):
    paths = [write(tmp_path / f"{i}.avro", FLAT, RECORDS * 10) for i in range(2)]
    part = part_of(*paths)
    paths[1].write_bytes(container(RECURSIVE))
    with pytest.raises(InputError, match="1.avro cannot be read: its type N contains itself"):
        read(part, ["a"])
    paths[1].unlink()
    with pytest.raises(InputError, match="cannot read .*1.avro: No such file or directory"):
        read(part, ["a"])


def test_the_folder_can_be_the_id_of_avro_files(tmp_path):
    fields = [{"name": "a", "type": "float"}]
    schema = {"type": "record", "name": "r", "fields": fields}
    for name in ("007", "8"):
        (tmp_path / f"oid={name}").mkdir()
        write(tmp_path / f"oid={name}" / "f.avro", schema, [{"a": 1.0}, {"a": 2.0}])
    files = open_files([str(tmp_path)])
    ids = [i for batch in FileSource(files, ["a"]) for i in batch.object_id.to_pylist()]
    assert ids == ["007", "007", "8", "8"]


def nothing(kind, **more):
    return {"type": "array", "items": {"type": kind, "name": "empty", **more}}


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "array", "items": "null"},
        nothing("fixed", size=0),
        nothing("record", fields=[{"name": "n", "type": "null"}]),
        nothing("record", fields=[{"name": "e", "type": {"type": "null"}}]),
    ],
)
def test_arrays_of_nothing_are_refused_before_they_are_read(tmp_path, kind):
    schema = {"type": "record", "name": "r", "fields": [{"name": "a", "type": kind}]}
    path = write(tmp_path / "f.avro", schema, [])
    with pytest.raises(InputError, match="cannot be read: its arrays hold items of no bytes"):
        part_of(path)
