"""Bytes of the README's schemas, against what an encoder wrote that knows nothing of ours."""

import io
import json
from dataclasses import replace
from pathlib import Path

import fastavro
import pyarrow as pa
import pytest

from lcclassify.schemas import open_output
from lcclassify.schemas.avro import OutputOptions, read_avsc
from lcclassify.sinks.records import records
from lcclassify.stream.encoders import open_encoder
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_batch, make_prediction

README = Path(__file__).with_name("readme")
TREE = Taxonomy.from_children(
    ["Transient", "Periodic"], {"Transient": ["Ia", "II"], "Periodic": ["Cepheid", "EB"]}
)
ANSWER = [0.75, 0.25, 0.1, 0.9, 0.5, 0.5]
FEATURES = {"Amplitude_1": [0.1], "PPE": [2.5], "Autocor_length_1": [1 / 3], "g-r_max": [1e300]}
CONTEXT = {"alertId": [2**62 + 1], "diaSourceId": [25409136044802067]}


@pytest.fixture
def prediction():
    """An answer about one object."""
    answer = make_prediction(TREE, [ANSWER])
    batch = make_batch(FEATURES, ["ZTF18abcdefg"])
    return replace(answer, batch=replace(batch, context=pa.table(CONTEXT)))


def readme(name):
    return json.loads((README / name).read_text())


@pytest.mark.parametrize("schema", ["alerce", "elasticc-v0_9", "scribe"])
def test_a_record_has_the_bytes_of_the_readmes_schema(schema, prediction):
    table = open_output(schema, OutputOptions(prediction.bundle))(prediction)
    [record] = records(table)
    assert record == readme("records.json")[schema]
    expected = bytes.fromhex(readme("bytes.json")[schema])
    assert list(open_encoder(schema, "schemaless")(table)) == [expected]
    [data] = open_encoder(schema, "avro")(table)
    assert data[-16 - len(expected) : -16] == expected
    assert len(list(fastavro.reader(io.BytesIO(data)))) == 1


@pytest.mark.parametrize("schema", ["alerce", "alerce-map", "elasticc-v0_9_1", "scribe-score"])
def test_any_record_has_the_bytes_that_fastavro_gives_it(schema, prediction):
    times = {"elasticcPublishTimestamp": [5], "brokerIngestTimestamp": [None]}
    table = prediction.batch.context
    for name, values in times.items():
        table = table.append_column(name, pa.array(values, pa.int64()))
    prediction = replace(prediction, batch=replace(prediction.batch, context=table))
    output = open_output(schema, OutputOptions(prediction.bundle))
    table = output(prediction)
    parsed = fastavro.parse_schema(read_avsc(output.schema_name))
    expected = []
    for record in records(table):
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, parsed, record)
        expected.append(buffer.getvalue())
    assert list(open_encoder(output.schema_name, "schemaless")(table)) == expected
    assert list(open_encoder(output.schema_name, "schemaless")(table.slice(0, 0))) == []
