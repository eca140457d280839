import io
import json
from importlib.resources import files

import fastavro
import pyarrow as pa
import pytest

from lcclassify.errors import OutputError
from lcclassify.schemas import OUTPUTS
from lcclassify.schemas.avro import read_avsc
from lcclassify.sinks import open_sink
from lcclassify.testing import SinkContract

SCHEMA = '{"type": "record", "name": "r", "fields": [{"name": "x", "type": "long"}]}'
SCRIBE_FORMS = {"scribe-hierarchy", "scribe-score", "scribe-per-class"}
METADATA = {"avro.schema": SCHEMA, "lcclassify.model_name": "toy", "other": "not ours"}


def read(path):
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        return list(reader), reader


@pytest.mark.parametrize("name", sorted(OUTPUTS.keys() - SCRIBE_FORMS))
def test_the_sample_of_each_schema_fits_it(name):
    folder = files("lcclassify") / "schemas"
    sample = json.loads((folder / f"{name}.sample.json").read_text())
    schema, buffer = fastavro.parse_schema(read_avsc(name)), io.BytesIO()
    assert fastavro.validate(sample, schema)
    assert list(sample) == [field["name"] for field in schema["fields"]]
    fastavro.schemaless_writer(buffer, schema, sample)
    buffer.seek(0)
    back = fastavro.schemaless_reader(buffer, schema, None)
    again = io.BytesIO()
    fastavro.schemaless_writer(again, schema, back)
    assert again.getvalue() == buffer.getvalue()


class TestAvro(SinkContract):
    @pytest.fixture
    def sink(self, tmp_path):
        return open_sink(str(tmp_path / "out.avro"))

    def read_back(self, tmp_path):
        return read(tmp_path / "out.avro")[0]


def test_an_id_beyond_63_bits_is_told(tmp_path):
    with pytest.raises(OutputError, match="has integers of 2\\*\\*63 or more"):  # noqa: SIM117
        with open_sink(str(tmp_path / "out.avro")) as sink:
            sink.write(pa.table({"oid": pa.array([2**64 - 1], pa.uint64())}))
    assert list(tmp_path.iterdir()) == []


def test_the_header_has_the_tables_schema_and_its_provenance(tmp_path):
    path = tmp_path / "out.avro"
    with open_sink(str(path)) as sink:
        sink.write(pa.table({"x": [1, 2]}).replace_schema_metadata(METADATA))
    rows, reader = read(path)
    assert rows == [{"x": 1}, {"x": 2}]
    assert reader.writer_schema["name"] == "r"
    assert reader.metadata["lcclassify.model_name"] == "toy"
    assert "other" not in reader.metadata


def test_the_bytes_depend_on_the_rows_alone(tmp_path):
    table = pa.table({"x": list(range(10_000))})
    for name, size in (("a", 10_000), ("b", 7)):
        with open_sink(str(tmp_path / f"{name}.avro")) as sink:
            for start in range(0, len(table), size):
                sink.write(table.slice(start, size))
    assert (tmp_path / "a.avro").read_bytes() == (tmp_path / "b.avro").read_bytes()


def test_a_table_that_names_no_schema_has_one_of_its_columns(tmp_path):
    table = pa.table(
        {
            "n": pa.array([2**53 + 1, None], pa.int64()),
            "p": [0.1, float("inf")],
            "ok": [True, None],
            "CV/Nova": pa.array(["a", None], pa.large_string()),
        }
    )
    with open_sink(str(tmp_path / "out.avro")) as sink:
        sink.write(table)
    assert read(tmp_path / "out.avro")[0] == table.to_pylist()


def test_a_column_that_has_no_kind_in_avro(tmp_path):
    with pytest.raises(OutputError) as error, open_sink(str(tmp_path / "out.avro")) as sink:
        sink.write(pa.table({"when": pa.array([1], pa.timestamp("ms"))}))
    assert str(error.value) == ("cannot write column 'when' to Avro: it holds timestamp[ms]")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_failed_is_not_there(tmp_path):
    with pytest.raises(RuntimeError), open_sink(str(tmp_path / "out.avro")) as sink:
        sink.write(pa.table({"x": [1]}))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
