"""The stream's step with Balto and Messi: the reference's answers, and file mode's to the bit."""

import io
import json

import fastavro
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lcclassify.convert import convert
from lcclassify.features import match_features
from lcclassify.predictors import load_predictor
from lcclassify.sources.avro import AvroPart
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSet, FileSource
from lcclassify.sources.places import find_places
from lcclassify.stream.message import Message
from lcclassify.stream.settings import Client, Input, Model, Settings
from lcclassify.stream.step import open_step
from lcclassify.task import Output

MODELS = {"balto": "balto/EncoderHeader.pt", "messi": "messi"}
MESSAGES = {"2023-11": "aid", "newest": "oid"}  # and what they are keyed by
CASES = [("balto", "2023-11"), ("messi", "2023-11"), ("balto", "newest")]
N_OBJECTS = 151


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "golden" / "transformers"


@pytest.fixture(scope="module")
def models(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    return {name: convert(folder / source, place / name) for name, source in MODELS.items()}


@pytest.fixture(scope="module")
def aids(folder):
    objects = pq.read_table(folder / "inputs" / "objects.parquet")
    return dict(zip(objects["aid"].to_pylist(), objects["oid"].to_pylist(), strict=True))


def read(folder, age):
    """The writer's schema and all messages of an age."""
    with (folder / "inputs" / f"messages_{age}.avro").open("rb") as file:
        reader = fastavro.reader(file)
        return reader.writer_schema, list(reader)


def containers(schema, records):
    for offset, record in enumerate(records):
        buffer = io.BytesIO()
        fastavro.writer(buffer, schema, [record])
        yield Message("in", 3, offset, buffer.getvalue())


def open_flat(model, **of_input):
    client = Client("none:1")
    told = Input(client, "g", ("in",), **of_input)
    return open_step(Settings(told, Model(str(model.path), reference_nulls=True), Output(), to="-"))


def expected_rows(folder, model):
    """Object -> the row that its answer must equal."""
    rows = {}
    for kind in ("expected", "suggested"):
        table = pq.read_table(folder / "expected" / f"{kind}_{model}.parquet")
        for row in table.filter(pc.equal(table["flux_column"], "mag")).to_pylist():
            rows[row["oid"]] = row
    return rows


def check(answers, rows):
    for answer in answers:
        row = {k: v for k, v in rows[answer["oid"]].items() if k in answer and k != "oid"}
        assert len(row) >= 19
        assert max(abs(answer[name] - value) for name, value in row.items()) < 1e-5
        assert answer["class"] == max(row, key=row.get)


@pytest.mark.parametrize(("model", "age"), CASES)
def test_messages_are_answered_as_by_the_reference_and_in_files(model, age, folder, models, aids):
    work = open_flat(models[model])(list(containers(*read(folder, age))))
    table = work.table
    assert table.num_rows == N_OBJECTS
    assert table.schema.names[:4] == ["topic", "partition", "offset", "oid"]
    assert table.schema.types[:3] == [pa.string(), pa.int32(), pa.int64()]
    assert table["offset"].to_pylist() == list(range(N_OBJECTS))
    answers = table.to_pylist()
    for answer in answers:
        answer["oid"] = aids.get(answer["oid"], answer["oid"])
    check(answers, expected_rows(folder, model))

    part = AvroPart(*find_places(str(folder / "inputs" / f"messages_{age}.avro"), {".avro"}))
    predictor = load_predictor(models[model], reference_nulls=True)
    names = match_features(predictor.bundle.features, tuple(part.columns)).used
    files = FileSet((part,), MESSAGES[age])
    [batch] = FileSource(files, names, light_curves=LightCurveOptions())
    in_files = Output().open(models[model])(predictor.predict(batch))
    assert table["oid"].to_pylist() == in_files[MESSAGES[age]].to_pylist()
    for name in in_files.column_names[1:]:
        assert table[name].equals(in_files[name]), name


def test_messi_answers_the_newest_messages_without_features(folder, models):
    """They have none of its features: no object is refused, and each says so."""
    work = open_flat(models["messi"])(list(containers(*read(folder, "newest"))))
    assert work.statuses == {"repaired": N_OBJECTS}
    assert work.n_skipped == 0
    assert all(
        "the object has no features" in reason for reason in work.table["reason"].to_pylist()
    )


def test_schemaless_messages_are_the_same(folder, models, tmp_path):
    schema, records = read(folder, "newest")
    (tmp_path / "newest.avsc").write_text(json.dumps(schema))
    step = open_flat(models["balto"], form="schemaless", schema=str(tmp_path / "newest.avsc"))
    files = sorted((folder / "inputs" / "schemaless_newest").glob("*.bin"))
    assert len(files) == 6
    found = step([Message("in", 0, n, file.read_bytes()) for n, file in enumerate(files)]).table
    ids = [file.stem for file in files]
    assert found["oid"].to_pylist() == ids
    check(found.to_pylist(), expected_rows(folder, "balto"))
    by_id = {record["oid"]: record for record in records}
    same = open_flat(models["balto"])(list(containers(schema, [by_id[i] for i in ids]))).table
    assert found.drop_columns(["partition"]).equals(same.drop_columns(["partition"]))
