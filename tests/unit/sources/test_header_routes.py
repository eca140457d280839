"""The same objects, whichever way their header and features come: the same status and answer."""

import io
import json
import pickle

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lcclassify
from lcclassify.network_bundle import write_transformer
from lcclassify.network_check import network_classes
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.stream.message import Message
from lcclassify.stream.settings import Client, Input, Model, Settings
from lcclassify.stream.step import open_step
from lcclassify.table import open_table
from lcclassify.task import Output, open_task, plan_task
from lcclassify.testing import ListSink, make_transformer

HEADER = {"mwebv": "MWEBV", "hostgal_mag_g": "HOSTGAL_MAG_g"}  # of an alert, of the model
FEATURES = ("Amplitude_g", "Period_band_r")
INPUTS = (*HEADER.values(), *FEATURES)
CARD = {"name": "net", "version": "1", "licence": "none", "citation": "none"}
BANDS = "ugrizY"
ZERO_POINT = 31.4  # of messages
NUMBERS = st.floats(-8, 8, width=32)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Of a header and features, and of a header alone."""
    folder = tmp_path_factory.mktemp("networks")
    classes = network_classes(19)
    return {
        kind: write_transformer(
            folder / kind.replace(" ", "_"), make_transformer(inputs=inputs, classes=classes), CARD
        )
        for kind, inputs in {"both": INPUTS, "header": tuple(HEADER.values())}.items()
    }


@pytest.fixture(scope="module")
def barney(tmp_path_factory, make_model):
    """Of a header and features, as Barney is."""
    return make_model(tmp_path_factory.mktemp("forest") / "toy", features=INPUTS)


@st.composite
def objects(draw):
    """An object: an id, observations, a header and features, in each of which all may be missing.

    None: they are not there at all.
    """
    values = st.none() | NUMBERS
    n_rows = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return {
        "mjd": rng.uniform(60000, 60100, n_rows).tolist(),
        "band": rng.choice(list(BANDS), n_rows).tolist(),
        "flux": rng.uniform(1, 9, n_rows).astype(np.float32).tolist(),
        "header": draw(st.none() | st.fixed_dictionaries(dict.fromkeys(HEADER, values))),
        "features": draw(st.none() | st.fixed_dictionaries(dict.fromkeys(FEATURES, values))),
    }


def ids(found):
    return pa.array([f"o{number}" for number in range(len(found))])


def curves(found):
    return {name: [each[name] for each in found] for name in ("mjd", "band", "flux")}


def doubles(found, kind, names):
    values = {name: [(each[kind] or {}).get(name) for each in found] for name in names}
    return {name: pa.array(column, pa.float64()) for name, column in values.items()}


def header_columns(found):
    columns = doubles(found, "header", HEADER)
    return {HEADER[name]: column for name, column in columns.items()}


def structs(found, kind, names):
    fields = pa.struct([(name, pa.float64()) for name in names])
    return pa.array([each[kind] for each in found], fields)


def flat(found):
    features = doubles(found, "features", FEATURES)
    return pa.table({"oid": ids(found)} | curves(found) | header_columns(found) | features)


def nested(found):
    both = {"diaObject": ("header", HEADER), "features": ("features", FEATURES)}
    columns = {name: structs(found, *which) for name, which in both.items()}
    return pa.table({"oid": ids(found)} | curves(found) | columns)


def long(found):
    """A row per observation."""
    table = flat(found).to_pylist()
    rows = [
        {**row, **dict(zip(("mjd", "band", "flux"), seen, strict=True))}
        for row in table
        for seen in zip(row["mjd"], row["band"], row["flux"], strict=True)
    ]
    return pa.Table.from_pylist(rows, pa.schema([(n, _kind(n)) for n in table[0]]))


def _kind(name):
    return pa.string() if name in ("oid", "band") else pa.float64()


def messages(found):
    return [
        {
            "oid": f"o{number}",
            "features": each["features"],
            "detections": [
                {"mjd": mjd, "fid": band, "mag": flux, "e_mag": 1.0, "extra_fields": extra}
                for mjd, band, flux in zip(each["mjd"], each["band"], each["flux"], strict=True)
                for extra in [{} if each["header"] is None else {"diaObject": each["header"]}]
            ],
        }
        for number, each in enumerate(found)
    ]


NULLABLE = {"type": "map", "values": ["null", "double"]}
FIELDS = {"mjd": "double", "fid": "string", "mag": "double", "e_mag": "double"}
MESSAGE = {
    "type": "record",
    "name": "message",
    "fields": [
        {"name": "oid", "type": "string"},
        {"name": "features", "type": ["null", NULLABLE]},
        {
            "name": "detections",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "detection",
                    "fields": [
                        *({"name": name, "type": kind} for name, kind in FIELDS.items()),
                        {"name": "extra_fields", "type": {"type": "map", "values": "bytes"}},
                    ],
                },
            },
        },
    ],
}


def pickled(record):
    """A message as the feature step sends it, its header being a pickle."""
    detections = [
        {
            **each,
            "extra_fields": {
                name: pickle.dumps([value]) for name, value in each["extra_fields"].items()
            },
        }
        for each in record["detections"]
    ]
    return {**record, "detections": detections}


def contain(records):
    buffer = io.BytesIO()
    fastavro.writer(buffer, fastavro.parse_schema(MESSAGE), [pickled(each) for each in records])
    return buffer.getvalue()


def through_files(bundle, path, *joins):
    table = open_table([str(path)], None, [str(join) for join in joins], None)
    how = {"min_coverage": 0.0, "batch_size": 100}
    # What messages and alerts say of their unit is the same.
    is_asked = bundle.needs_light_curves and table.files.light_curves.zero_point is None
    options = LightCurveOptions(ZERO_POINT if is_asked else None)
    task, _ = plan_task(table, bundle, Output(), options, **how)
    sink = ListSink()
    open_task(task, table.files).run(sink)
    return {row[task.id_name]: row for row in sink.rows}


def through_stream(bundle, values, **of_input):
    told = Input(Client("none:1"), "g", ("in",), **of_input)
    step = open_step(Settings(told, Model(str(bundle.path)), Output(), to="-"))
    work = step([Message("in", 0, number, value) for number, value in enumerate(values)])
    return {row["oid"]: row for row in work.table.to_pylist()}


def in_memory(bundle, table):
    unit = ZERO_POINT if bundle.needs_light_curves else None
    told = {"min_coverage": 0.0, "zero_point": unit}
    result = lcclassify.classify_table(table, str(bundle.path), **told)
    rows = result.to_pylist() if isinstance(result, pa.Table) else result.to_dict("records")
    return {row["oid"]: row for row in rows}


def write(path, table):
    pq.write_table(table, path)
    return path


def joined(bundle, folder, found, drop_missing):
    """Header and features in tables of their own; objects without are not there, or null."""
    rows = write(folder / "rows.parquet", pa.table({"oid": ids(found)} | curves(found)))
    joins = []
    for kind, columns in (
        ("header", header_columns(found)),
        ("features", doubles(found, "features", FEATURES)),
    ):
        table = pa.table({"oid": ids(found)} | columns)
        if drop_missing:
            there = [each[kind] is not None for each in found]
            table = table.filter(pa.array(there, pa.bool_()))
        joins.append(write(folder / f"{kind}.parquet", table))
    return through_files(bundle, rows, *joins)


def routes(bundle, folder, found):
    """Answers by id, by the way in which the objects came."""
    records = messages(found)
    (folder / "messages.avro").write_bytes(contain(records))
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in long(found).to_pylist())
    )
    return {
        "flat columns": through_files(bundle, write(folder / "flat.parquet", flat(found))),
        "structs": through_files(bundle, write(folder / "nested.parquet", nested(found))),
        "a row per observation": through_files(bundle, write(folder / "l.parquet", long(found))),
        "JSON Lines": through_files(bundle, folder / "rows.jsonl"),
        "joined, not there": joined(bundle, folder, found, drop_missing=True),
        "joined, null": joined(bundle, folder, found, drop_missing=False),
        "messages in a file": through_files(bundle, folder / "messages.avro"),
        "a stream of JSON": through_stream(
            bundle, [json.dumps(record).encode() for record in records], form="json"
        ),
        "a stream of Avro": through_stream(bundle, [contain([record]) for record in records]),
        "a table in memory": in_memory(bundle, flat(found)),
        "structs in memory": in_memory(bundle, nested(found)),
        "a frame": in_memory(bundle, long(found).to_pandas()),
    }


def is_empty(values):
    return values is None or all(value is None for value in values.values())


@settings(max_examples=12, deadline=None)
@given(st.lists(objects(), min_size=1, max_size=5), st.sampled_from(["both", "header"]))
def test_an_object_has_one_status_and_answer_by_whichever_route(
    networks, tmp_path_factory, found, kind
):
    answers = routes(networks[kind], tmp_path_factory.mktemp("routes"), found)
    for number, each in enumerate(found):
        is_repaired = is_empty(each["header"]) or (kind == "both" and is_empty(each["features"]))
        values = (each["header"] or {}).values()
        n_found = sum(value is not None for value in values)
        if kind == "both":
            n_found += sum(value is not None for value in (each["features"] or {}).values())
        first = answers["flat columns"][f"o{number}"]
        for route, by_id in answers.items():
            row = by_id[f"o{number}"]
            assert row["status"] == ("repaired" if is_repaired else "ok"), (route, row["reason"])
            assert isinstance(row["reason"], str) == is_repaired, (route, row["reason"])
            assert row["class"] == first["class"], route
            assert row["probability"] == pytest.approx(first["probability"], abs=1e-6), route
            assert row["features_found"] == n_found, route
            assert row["observations_used"] == len(each["mjd"]), route


ALERT_TYPES = {"midPointTai": "double", "filterName": "string", "psFlux": "double"}
ALERT = {
    "type": "record",
    "name": "elasticc.v0_9_1.alert",
    "fields": [
        {
            "name": "diaSource",
            "type": {
                "type": "record",
                "name": "diaSource",
                "fields": [
                    {"name": "diaObjectId", "type": "long"},
                    *({"name": name, "type": kind} for name, kind in ALERT_TYPES.items()),
                ],
            },
        },
        {
            "name": "prvDiaSources",
            "type": {"type": "array", "items": "elasticc.v0_9_1.diaSource"},
        },
        {
            "name": "diaObject",
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "diaObject",
                    "fields": [
                        {"name": "diaObjectId", "type": "long"},
                        *({"name": name, "type": ["null", "double"]} for name in HEADER),
                    ],
                },
            ],
        },
    ],
}


def packet(number, each):
    """An object as an alert: its first observation is the alert's own."""
    about = {"diaObjectId": number}
    first, *others = (
        about | dict(zip(ALERT_TYPES, seen, strict=True))
        for seen in zip(each["mjd"], each["band"], each["flux"], strict=True)
    )
    header = None if each["header"] is None else each["header"] | about
    return {"diaSource": first, "prvDiaSources": others, "diaObject": header}


@settings(max_examples=12, deadline=None)
@given(st.lists(objects(), min_size=1, max_size=4))
def test_alert_packets_have_the_same_as_columns(networks, tmp_path_factory, found):
    bundle, path = networks["header"], tmp_path_factory.mktemp("alerts") / "a.avro"
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(ALERT), [*map(packet, range(1, 10), found)])
    answers, expected = through_files(bundle, path), in_memory(bundle, flat(found))
    for number in range(len(found)):
        row, other = answers[number + 1], expected[f"o{number}"]  # 0 is no object
        assert (row["status"], row["class"]) == (other["status"], other["class"]), row["reason"]
        assert row["probability"] == pytest.approx(other["probability"], abs=1e-6)
        assert row["features_found"] == other["features_found"]


@settings(max_examples=25, deadline=None)
@given(st.lists(objects().filter(lambda each: each["features"] is not None), min_size=1))
def test_a_forest_takes_a_missing_header_as_missing_features(barney, tmp_path_factory, found):
    """By whichever route; ``ok``, unless nothing else is there."""
    folder = tmp_path_factory.mktemp("forest")
    for route, by_id in routes(barney, folder, found).items():
        for row, each in enumerate(found):
            values = [*each["features"].values(), *(each["header"] or {}).values()]
            n_found = sum(value is not None for value in values)
            answer = by_id[f"o{row}"]
            expected = "ok" if n_found else "missing_features"
            assert (answer["status"], answer["features_found"]) == (expected, n_found), route


BAD = st.sampled_from(["bad", "1.2.3", "-", "(1)"])
VALUES = st.none() | NUMBERS.map(lambda value: repr(float(value))) | BAD


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(objects(), st.lists(VALUES, min_size=4, max_size=4)), min_size=1, max_size=4)
)
def test_a_text_that_is_no_number_costs_its_object_alone_joined_or_not(
    networks, barney, tmp_path_factory, found
):
    folder = tmp_path_factory.mktemp("texts")
    seen = pa.table({"oid": ids(found)} | curves([each for each, _ in found]))
    texts = pa.table(
        {name: pa.array([t[n] for _, t in found], pa.string()) for n, name in enumerate(INPUTS)}
    )
    whole = seen
    for name in INPUTS:
        whole = whole.append_column(name, texts[name])
    nobody = pa.table(
        {"oid": pa.array([None, ""], pa.string())} | {name: ["?", "1"] for name in INPUTS}
    )
    joined = pa.concat_tables([texts.add_column(0, "oid", ids(found)), nobody])
    files = [
        write(folder / f"{name}.parquet", table)
        for name, table in {"whole": whole, "seen": seen, "joined": joined}.items()
    ]
    for bundle in (networks["both"], barney):
        expected = through_files(bundle, files[0])
        assert through_files(bundle, *files[1:]) == expected
        for number, (_, values) in enumerate(found):
            is_bad = any(value and not _is_number(value) for value in values)
            assert (expected[f"o{number}"]["status"] == "invalid_features") == is_bad


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
