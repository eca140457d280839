"""Light curves in messages: what is left out of them is what a file's reader leaves out."""

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.network_bundle import write_transformer
from lcclassify.remarks import as_plain
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSource, in_memory
from lcclassify.stream.batches import Batches
from lcclassify.stream.settings import Client, Input, Model, Settings
from lcclassify.stream.step import open_step
from lcclassify.task import Output
from lcclassify.testing import make_transformer

CARD = {"name": "net", "version": "1", "licence": "none", "citation": "none"}
DETECTION = st.fixed_dictionaries(
    {
        "tid": st.just("LSST"),
        "mjd": st.sampled_from([60000.0, 60004.5, 2460000.5, None]),
        "fid": st.sampled_from(["r", "lsstg", "R", "x9", "2.0", "y", None, 1, 2.0]),
        "mag": st.sampled_from([5.0, -3.0, 0.0, None]),
        "e_mag": st.sampled_from([0.5, None]),
        "isdiffpos": st.sampled_from([1, -1, None, "t", "f", True, False]),
    }
)
OBJECTS = st.lists(st.lists(DETECTION, min_size=1, max_size=5), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    model = make_transformer(table="none", widths=(12, 8))
    return write_transformer(tmp_path_factory.mktemp("net") / "net", model, CARD)


def as_table(objects):
    """The same observations, a row each."""
    rows = [(number, seen) for number, curve in enumerate(objects) for seen in curve]
    texts = {
        name: pa.array([None if s[name] is None else str(s[name]) for _, s in rows], pa.string())
        for name in ("fid", "isdiffpos")
    }
    numbers = {
        name: pa.array([seen[old] for _, seen in rows], pa.float64())
        for name, old in (("mjd", "mjd"), ("psfFlux", "mag"), ("psfFluxErr", "e_mag"))
    }
    return pa.table({"oid": pa.array([str(n) for n, _ in rows])} | numbers | texts)


@settings(deadline=None, max_examples=80)
@given(OBJECTS)
def test_messages_and_tables_leave_out_the_same_for_the_same_reasons(bundle, objects):
    batches = Batches(bundle, [], Model(str(bundle.path)), None)
    records = [{"oid": str(n), "detections": curve} for n, curve in enumerate(objects)]
    batch = batches(json.loads(json.dumps(records)), {})
    (other,) = FileSource(in_memory(as_table(objects)), [], light_curves=LightCurveOptions())
    for name in ("offsets", "mjd", "band", "flux", "flux_err"):
        found, expected = (getattr(each.light_curves, name) for each in (batch, other))
        assert found.tolist() == pytest.approx(expected.tolist(), nan_ok=True)
    assert batch.problems == other.problems == {}
    said = {row: text.replace(" mag", " psfFlux") for row, text in batch.repairs.items()}
    assert said == other.repairs
    plain = json.loads(json.dumps(as_plain(batch.remarks)).replace('"mag"', '"psfFlux"'))
    assert plain == as_plain(other.remarks)


@pytest.mark.parametrize("value", ["5.5", " 5.5 "])
def test_a_number_of_a_message_may_be_text_and_what_is_none_costs_its_observation(bundle, value):
    detections = [
        {"tid": "LSST", "mjd": "60000.5", "fid": "g", "mag": value, "e_mag": 1},
        {"tid": "LSST", "mjd": 60001.5, "fid": "g", "mag": "much", "e_mag": 1},
        {"tid": "LSST", "mjd": 60002.5, "fid": ["g"], "mag": 1.0, "e_mag": {}},
        None,
    ]
    batch = Batches(bundle, [], Model(str(bundle.path)), None)(
        [{"oid": "a", "detections": detections}], {}
    )
    assert batch.light_curves.flux.tolist()[0] == 5.5
    assert batch.light_curves.mjd.tolist()[0] == 60000.5
    assert batch.light_curves.band.tolist() == [1, -1, -1, -1]
    assert batch.repairs == {
        0: "3 of 4 observations are left out: 1 in band '(none)', 1 without a usable mjd, "
        "1 without a usable mag"
    }


def test_what_is_left_out_of_a_batch_is_one_warning_a_kind_with_the_first_place(
    bundle, messages, caplog
):
    client = Client("nowhere:9092")
    told = Settings(
        Input(client, "g", ("in",), form="json"), Model(str(bundle.path)), Output(), to="-"
    )
    good = {"tid": "LSST", "mjd": 60000.0, "fid": "g", "mag": 1.0, "e_mag": 1.0}
    curves = [[good], [good, good | {"fid": "R"}], [good | {"fid": "x9"}, good | {"mjd": None}]]
    records = [{"oid": str(n), "detections": curve} for n, curve in enumerate(curves)]
    step = open_step(told)
    with caplog.at_level("WARNING", "lcclassify.stream"):
        work = step(messages([json.dumps(record).encode() for record in records]))
    assert [record.message for record in caplog.records] == [
        "2 observations left out, the band is not known: 'R' 1, 'x9' 1; the first in in [0] at "
        "offset 1",
        "1 observation left out, the time is missing or none: 'mjd' 1; the first in in [0] at "
        "offset 2",
    ]
    assert work.statuses == {"ok": 1, "repaired": 1, "too_few_observations": 1}
    assert as_plain(work.remarks) == {"unknown_band": {"R": 1, "x9": 1}, "bad_time": {"mjd": 1}}
    assert work.table["observations_used"].to_pylist() == [1, 1, 0]


def test_what_is_usual_in_light_curves_is_no_warning(bundle, messages, caplog):
    of_input = Input(Client("nowhere:9092"), "g", ("in",), form="json")
    step = open_step(Settings(of_input, Model(str(bundle.path)), Output(), to="-"))
    curve = [
        {"tid": "LSST", "mjd": mjd, "fid": fid, "mag": mag, "e_mag": 1.0}
        for mjd, fid, mag in ((60000.0, "y", 1.0), (2460000.5, "g", 1.0), (60001.0, "g", 0.0))
    ]
    with caplog.at_level("INFO", "lcclassify.stream"):
        work = step(messages([json.dumps({"oid": "a", "detections": curve}).encode()]))
    assert set(as_plain(work.remarks)) == {"zero_flux", "julian_date", "lower_y"}
    said = [record for record in caplog.records if "observation" in record.message]
    assert {record.levelname for record in said} == {"INFO"}
    assert len(said) == 3
