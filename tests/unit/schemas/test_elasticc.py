from dataclasses import replace
from datetime import UTC, datetime

import fastavro
import pyarrow as pa
import pytest

from lcclassify.errors import InputError
from lcclassify.schemas import open_output
from lcclassify.schemas.avro import OutputOptions, read_avsc
from lcclassify.schemas.elasticc import class_ids
from lcclassify.sinks import open_sink
from lcclassify.sinks.records import records
from lcclassify.status import Problem, Status
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_prediction

TREE = Taxonomy.from_children(["P", "T"], {"T": ["Ia", "II"], "P": ["RR Lyrae"]})
ROWS = [[0.4, 0.6, 0.75, 0.25, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0], [0.5, 0.5, 1.0, 0.0, 1.0]]
PROBLEMS = {1: Problem(Status.MISSING_FEATURES, "no features")}
CONTEXT = {
    "alertId": [2**53 + 1, 25409136044802067, 3],
    "diaSourceId": [-1, 2**63 - 1, 4],
    "elasticcPublishTimestamp": [1690352222208, 0, 5],
    "brokerIngestTimestamp": [1690352223501, None, 6],
}


def predict(**changes):
    prediction = make_prediction(TREE, ROWS, PROBLEMS)
    context = {name: column for name, column in (CONTEXT | changes).items() if column is not None}
    return replace(prediction, batch=replace(prediction.batch, context=pa.table(context)))


def write(name="elasticc-v0_9_1", *, prediction, **options):
    schema = open_output(name, OutputOptions(prediction.bundle, **options))
    return records(schema(prediction)), schema


def probabilities(row):
    return {item["classId"]: item["probability"] for item in row["classifications"]}


def test_the_list_has_32_classes_in_order():
    ids = class_ids()
    assert len(ids) == 32
    assert list(ids.values()) == sorted(ids.values())
    assert (ids["Ia"], ids["NotClassified"], ids["Residual"], ids["AGN"]) == (2222, 300, 200, 2332)


def test_every_class_is_there_the_models_first_then_not_classified():
    rows, _ = write(prediction=predict())
    order = [item["classId"] for item in rows[0]["classifications"]]
    assert order[:4] == [2222, 2224, 2323, 300]
    assert order[4:] == [number for number in class_ids().values() if number not in order[:4]]
    given = {2222: 0.6 * 0.75, 2224: 0.15, 2323: 0.4}
    assert probabilities(rows[0]) == dict.fromkeys(class_ids().values(), 0.0) | given


def test_an_object_without_an_answer_is_not_classified():
    rows, schema = write(prediction=predict())
    assert probabilities(rows[1]) == dict.fromkeys(class_ids().values(), 0.0) | {300: 1.0}
    assert not schema.left_out


def test_ids_and_times_are_exact_and_the_time_of_ingestion_may_be_null():
    rows, _ = write(prediction=predict())
    assert {name: [row[name] for row in rows] for name in CONTEXT} == CONTEXT
    rows, _ = write(prediction=predict(brokerIngestTimestamp=None))
    assert [row["brokerIngestTimestamp"] for row in rows] == [None] * 3


def test_who_speaks():
    names = ("brokerName", "brokerVersion", "classifierName", "classifierParams")
    [row, *_], _ = write(prediction=predict())
    assert [row[name] for name in names] == ["ALeRCE", "1.0", "toy", "1.0"]
    options = {"classifier_name": "n", "classifier_version": "v", "broker_name": "b"}
    [row, *_], _ = write(prediction=predict(), **options)
    assert [row[name] for name in names] == ["b", "v", "n", "v"]


def test_the_older_form_has_no_times_and_needs_none():
    prediction = predict(elasticcPublishTimestamp=None, brokerIngestTimestamp=None)
    rows, _ = write("elasticc-v0_9", prediction=prediction)
    assert list(rows[0]) == [field["name"] for field in read_avsc("elasticc-v0_9")["fields"]]


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        (
            "alertId",
            "the input has no column alertId, which every elasticc-v0_9_1 record must have",
        ),
        (
            "elasticcPublishTimestamp",
            "the input has no column elasticcPublishTimestamp, which every elasticc-v0_9_1 "
            "record must have",
        ),
    ],
)
def test_a_column_that_every_record_needs(missing, text):
    with pytest.raises(InputError) as error:
        write(prediction=predict(**{missing: None}))
    assert str(error.value) == text


def test_an_alert_without_ids_is_left_out_and_counted():
    rows, schema = write(prediction=predict(alertId=[1, None, 3], diaSourceId=[None, None, 6]))
    assert [row["alertId"] for row in rows] == [3]
    assert schema.left_out == {"no alertId": 1, "no diaSourceId": 1}


def test_a_model_of_other_classes_is_refused_before_work_starts():
    bundle = make_prediction(Taxonomy.from_children(["Ia", "CEP"], {}), []).bundle
    with pytest.raises(InputError) as error:
        open_output("elasticc-v0_9", OutputOptions(bundle))
    assert str(error.value) == "elasticc-v0_9 has no class CEP, which toy@1.0 answers with"


def test_the_file_is_what_the_desc_reads(tmp_path):
    prediction = predict()
    schema = open_output("elasticc-v0_9_1", OutputOptions(prediction.bundle))
    with open_sink(str(tmp_path / "out.avro")) as sink:
        sink.write(schema(prediction))
    with (tmp_path / "out.avro").open("rb") as file:
        reader = fastavro.reader(file)
        rows = list(reader)
    assert reader.writer_schema["name"] == "elasticc.v0_9_1.brokerClassfication"
    published = datetime(2023, 7, 26, 6, 17, 2, 208000, UTC)
    assert rows[0]["elasticcPublishTimestamp"] == published
    assert rows[1]["brokerIngestTimestamp"] is None
    assert rows[1]["diaSourceId"] == 2**63 - 1


def test_no_objects_no_records():
    prediction = make_prediction(TREE, [])
    context = pa.table({name: pa.array([], pa.int64()) for name in CONTEXT})
    empty = replace(prediction, batch=replace(prediction.batch, context=context))
    assert write(prediction=empty)[0] == []
