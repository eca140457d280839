"""Alert packets and feature messages as light curves."""

import math
import pickle
from datetime import UTC, datetime

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.errors import InputError
from lcclassify.sources import avro
from lcclassify.sources.context import CONTEXT
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSource, open_files
from lcclassify.status import Status

NO_HEADER = "the object has no diaObject: its header is missing"


def record(name, **types):
    fields = [{"name": field, "type": kind} for field, kind in types.items()]
    return {"type": "record", "name": name, "fields": fields}


MEASURES = {
    "midPointTai": "double",
    "filterName": "string",
    "psFlux": "float",
    "psFluxErr": "float",
}
EXACT = 2**53 + 1
SOURCE = {"diaSourceId": "long", "diaObjectId": ["null", "long"], **MEASURES}


def source(number, mjd, **fields):
    return {
        "diaSourceId": number,
        "diaObjectId": EXACT,
        "midPointTai": mjd,
        "filterName": "r",
        "psFlux": 8.0,
        "psFluxErr": 0.5,
        **fields,
    }


def alert_schema(version):
    return record(
        f"elasticc.{version}.alert",
        alertId="long",
        diaSource=record(f"elasticc.{version}.diaSource", **SOURCE),
        prvDiaSources=["null", {"type": "array", "items": f"elasticc.{version}.diaSource"}],
        prvDiaForcedSources=[
            "null",
            {
                "type": "array",
                "items": record(
                    f"elasticc.{version}.diaForcedSource",
                    observed={"type": "long", "logicalType": "timestamp-millis"},
                    **MEASURES,
                ),
            },
        ],
        diaObject=[
            "null",
            record(f"elasticc.{version}.diaObject", diaObjectId="long", mwebv="float"),
        ],
    )


FORCED = {
    "observed": datetime(2023, 1, 1, tzinfo=UTC),
    "midPointTai": 2.5,
    "filterName": "y",
    "psFlux": -1.0,
    "psFluxErr": 0.5,
}
HEADER = {"diaObjectId": EXACT, "mwebv": 0.25}
ALERTS = [
    {
        "alertId": EXACT + 1,
        "diaSource": source(EXACT + 2, 3.0),
        "prvDiaSources": [source(1, 1.0, filterName="g"), source(2, 2.0)],
        "prvDiaForcedSources": [FORCED],
        "diaObject": HEADER,
    },
    {
        "alertId": 5,
        "diaSource": source(6, 4.0, psFlux=math.nan),
        "prvDiaSources": None,
        "prvDiaForcedSources": [],
        "diaObject": None,
    },
    {
        "alertId": 7,
        "diaSource": source(8, 5.0, diaObjectId=None),
        "prvDiaSources": [source(1, 1.0)],
        "prvDiaForcedSources": None,
        "diaObject": HEADER | {"diaObjectId": 77},
    },
]
SEEN = [
    (
        EXACT,
        [
            ("3.0", "r", "8.0", "0.5"),
            ("1.0", "g", "8.0", "0.5"),
            ("2.0", "r", "8.0", "0.5"),
            ("2.5", "Y", "-1.0", "0.5"),
        ],
        {"mwebv": 0.25},
        "1 observations in band y are read as Y",
    ),
    (
        EXACT,
        [("4.0", None, "nan", "0.5")],
        {"mwebv": None},
        f"{NO_HEADER}; 1 of 1 observations are left out: 1 without a usable psFlux",
    ),
    (77, [("5.0", "r", "8.0", "0.5"), ("1.0", "r", "8.0", "0.5")], {"mwebv": 0.25}, None),
]


def write_avro(path, schema, records):
    with path.open("wb") as file:
        fastavro.writer(file, schema, records)
    return path


def batches(path, columns=(), **options):
    files = open_files([str(path)])
    curves = LightCurveOptions(**options)
    return list(FileSource(files, columns, context=CONTEXT.names, light_curves=curves))


@pytest.mark.parametrize(("version", "zero_point"), [("v0_9", 27.5), ("v0_9_1", 31.4)])
def test_every_alert_is_answered_with_its_own_history(read, tmp_path, version, zero_point):
    path = write_avro(tmp_path / "alerts.avro", alert_schema(version), ALERTS)
    assert read([path], ["mwebv"]) == SEEN
    assert read([path], ["mwebv"], size=1) == SEEN
    (batch,) = batches(path, ["mwebv"])
    assert batch.light_curves.zero_point == zero_point
    assert batch.id_name == "diaObjectId"
    assert batch.context.to_pydict() == {
        "alertId": [EXACT + 1, 5, 7],
        "diaSourceId": [EXACT + 2, 6, 8],
    }


def test_alerts_in_parquet_are_read_alike(read, tmp_path):
    when = datetime(2023, 8, 2, 3, 57, 41, 500000, tzinfo=UTC)
    table = pa.Table.from_pylist([alert | {"brokerIngestTimestamp": when} for alert in ALERTS])
    path = tmp_path / "alerts.parquet"
    pq.write_table(table, path)
    assert read([path], ["mwebv"]) == SEEN
    (batch,) = batches(path)
    assert batch.light_curves.zero_point == 31.4
    assert batch.context.to_pydict() == {
        "alertId": [EXACT + 1, 5, 7],
        "brokerIngestTimestamp": [1690948661500] * 3,
        "diaSourceId": [EXACT + 2, 6, 8],
    }
    assert batch.repairs == {  # no header was asked for
        0: "1 observations in band y are read as Y",
        1: "1 of 1 observations are left out: 1 without a usable psFlux",
    }


def test_alerts_of_an_unknown_schema_need_a_zero_point(read, tmp_path):
    path = write_avro(tmp_path / "alerts.avro", alert_schema("v7"), ALERTS)
    with pytest.raises(InputError) as error:
        batches(path)
    assert str(error.value) == (
        f"{path}: 'psFlux' does not say its unit; give --zero-point, the AB magnitude of flux 1: "
        "31.4 for nJy, 27.5 for SNANA's FLUXCAL"
    )
    assert read([path], ["mwebv"], zero_point=31.4) == SEEN


def test_alerts_of_two_schemas_in_a_folder_are_refused(tmp_path):
    write_avro(tmp_path / "a.avro", alert_schema("v0_9"), ALERTS)
    write_avro(tmp_path / "b.avro", alert_schema("v0_9_1"), ALERTS)
    with pytest.raises(InputError) as error:
        open_files([str(tmp_path)])
    assert str(error.value) == (
        f"{tmp_path}/b.avro holds elasticc.v0_9_1.alert, and {tmp_path}/a.avro "
        "elasticc.v0_9.alert: classify them apart"
    )


def test_alerts_of_another_schema_are_refused_when_they_are_come_upon(tmp_path, monkeypatch):
    monkeypatch.setattr(avro, "SAMPLE", 1)
    write_avro(tmp_path / "a.avro", alert_schema("v0_9"), ALERTS)
    write_avro(tmp_path / "b.avro", alert_schema("v0_9_1"), ALERTS)
    source = FileSource(open_files([str(tmp_path)]), [], 3, light_curves=LightCurveOptions())
    with pytest.raises(InputError, match=r"b\.avro holds elasticc\.v0_9_1\.alert, and .*a\.avro"):
        list(source)


VALUES = ["null", "int", "float", "string", "bytes", "boolean"]
DETECTION = record(
    "detection",
    candid="string",
    tid="string",
    mjd="double",
    fid=["string", "int"],
    mag=["float", "null"],
    e_mag="float",
    has_stamp="boolean",
    new="boolean",
    extra_fields={"type": "map", "values": VALUES},
)
MESSAGE = record(
    "message",
    oid="string",
    detections={"type": "array", "items": DETECTION},
    features=["null", {"type": "map", "values": ["null", "double"]}],
)


def detection(mjd, header=None, **fields):
    extra = {} if header is None else {"diaObject": header}
    flags = {"has_stamp": True, "new": True, "extra_fields": extra}
    seen = {"candid": "17", "tid": "LSST", "mjd": mjd, "fid": "r", "mag": 8.0, "e_mag": 0.5}
    return seen | flags | fields


def pickled(**header):
    return pickle.dumps([header])


def message(oid, *detections, features=None):
    return {"oid": oid, "detections": list(detections), "features": features}


def notes(tmp_path, columns, *detections, features=None):
    """The values, problem and repair of one message, between two good ones."""
    good = [message(oid, detection(1.0, pickled(mwebv=0.5, z_final=1.0))) for oid in ("a", "c")]
    odd = message("b", *detections, features=features)
    path = write_avro(tmp_path / "messages.avro", MESSAGE, [good[0], odd, good[1]])
    (batch,) = batches(path, columns)
    assert set(batch.problems) | set(batch.repairs) <= {0, 1, 2} - ({0, 2} if columns else set())
    assert batch.light_curves.offsets.tolist() == [0, 1, 1 + len(detections), 2 + len(detections)]
    problem = batch.problems.get(1)
    return batch.features.to_pylist()[1], problem, batch.repairs.get(1)


@pytest.mark.parametrize("nothing", [None, pickle.dumps([]), pickle.dumps([None])])
def test_the_header_of_a_light_curve_is_that_of_the_first_row_that_has_one(tmp_path, nothing):
    rows = (
        detection(9.0, nothing),
        detection(8.0, pickled(mwebv=0.75, z_final=2.0)),
        detection(1.0, pickled(mwebv=0.25, z_final=1.0)),
    )
    values, problem, repair = notes(tmp_path, ["mwebv", "z_final"], *rows)
    assert (values, problem, repair) == ({"mwebv": 0.75, "z_final": 2.0}, None, None)


@pytest.mark.parametrize("rows", [0, 2])
@pytest.mark.parametrize("nothing", [None, pickle.dumps([]), pickle.dumps([None])])
def test_a_message_without_a_header_is_repaired(tmp_path, nothing, rows):
    values, problem, repair = notes(tmp_path, ["mwebv"], *[detection(1.0, nothing)] * rows)
    assert (values, problem, repair) == ({"mwebv": None}, None, NO_HEADER)


def test_a_header_without_some_keys_is_repaired(tmp_path):
    values, problem, repair = notes(
        tmp_path, ["mwebv", "z_final"], detection(1.0, pickled(z_final=1.0))
    )
    assert (values, problem) == ({"mwebv": None, "z_final": 1.0}, None)
    assert repair == "diaObject lacks 1 of 2 values"


@pytest.mark.parametrize(
    "data", [b"", b"garbage", pickle.dumps([print]), pickle.dumps({"mwebv": 1})]
)
def test_a_hostile_header_costs_its_message_alone(tmp_path, data):
    _, problem, repair = notes(tmp_path, ["mwebv"], detection(1.0, data), detection(2.0))
    assert problem.status is Status.INVALID_RECORD
    assert problem.reason.startswith("the header of the message cannot be read: ")
    assert repair is None


def test_magnitudes_of_ztf_are_not_taken_for_fluxes(tmp_path):
    _, problem, _ = notes(tmp_path, ["mwebv"], detection(1.0, tid="ZTF"))
    reason = "its detections are of ZTF: what they call mag is a magnitude, not a flux"
    assert problem == (Status.INVALID_RECORD, reason)


def test_a_message_without_features_is_repaired_if_they_are_asked_for(tmp_path):
    messages = [
        message("a", detection(1.0, pickled(mwebv=0.5)), features={"SPM_A_u": 1.0}),
        message("b", detection(1.0, pickled(mwebv=0.5))),
    ]
    path = write_avro(tmp_path / "messages.avro", MESSAGE, messages)
    (batch,) = batches(path, ["mwebv", "SPM_A_u"])
    assert (batch.problems, batch.repairs) == ({}, {1: "the object has no features"})
    assert batch.features["SPM_A_u"].to_pylist() == [1.0, None]
    (batch,) = batches(path, ["mwebv"])
    assert (batch.problems, batch.repairs) == ({}, {})


def test_rows_of_a_message_stay_as_they_came(read, tmp_path):
    rows = (
        detection(2.0, fid="1"),
        detection(1.0, fid="y", mag=None),
        detection(1.0, fid="y", mag=None),
        detection(math.nan, fid="q", e_mag=math.nan),
    )
    path = write_avro(tmp_path / "messages.avro", MESSAGE, [message("a", *rows)])
    y = ("1.0", None, "nan", "0.5")
    seen = [("2.0", "g", "8.0", "0.5"), y, y, ("nan", None, "8.0", "nan")]
    left_out = "1 without a usable mjd, 2 without a usable mag"
    note = f"3 of 4 observations are left out: {left_out}"
    assert read([path]) == [("a", seen, {}, note)]


def test_a_message_with_a_value_of_another_type_costs_itself_alone(tmp_path):
    messages = [message("a", detection(1.0, fid=1)), message("b", detection(1.0))]
    (batch,) = batches(write_avro(tmp_path / "messages.avro", MESSAGE, messages))
    reason = "detections: Expected bytes, got a 'int' object"
    assert batch.problems == {0: (Status.INVALID_RECORD, reason)}
    assert batch.light_curves.offsets.tolist() == [0, 0, 1]


def test_a_message_of_no_detections_has_an_empty_light_curve(read, tmp_path):
    path = write_avro(tmp_path / "messages.avro", MESSAGE, [message("a")])
    assert read([path], ["mwebv"]) == [("a", [], {"mwebv": None}, NO_HEADER)]
