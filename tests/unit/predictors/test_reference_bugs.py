"""What the reference gets wrong in batches of light curves, and here goes right."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.network_bundle import write_transformer
from lcclassify.network_check import network_classes
from lcclassify.predictors import load_predictor
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSource
from lcclassify.table import open_table
from lcclassify.task import Output, open_task, plan_task
from lcclassify.testing import make_transformer

CARD = {"name": "net", "version": "1", "licence": "none", "citation": "none"}
IDS = ["30", "7", "100", "2"]  # unsorted, as numbers and as text
N_ROWS = [4, 1, 3, 2]


@pytest.fixture
def bundle(tmp_path):
    model = make_transformer(inputs=("MWEBV", "Amplitude_g"), classes=network_classes(19))
    return write_transformer(tmp_path / "net", model, CARD)


@pytest.fixture
def tables(tmp_path):
    """Observations; and a header and features, each in another order."""
    rng = np.random.default_rng(0)
    n = sum(N_ROWS)
    rows = {
        "oid": np.repeat(IDS, N_ROWS),
        "mjd": rng.uniform(60000, 60100, n),
        "band": rng.choice(list("ugrizY"), n),
        "FLUXCAL": rng.normal(100, 50, n),
    }
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet")
    pq.write_table(pa.table({"oid": IDS[::-1], "MWEBV": [0.4, 0.3, 0.2, 0.1]}), tmp_path / "h.pq")
    features = {"oid": sorted(IDS), "Amplitude_g": [3.0, 4.0, 1.0, 2.0]}
    pq.write_table(pa.table(features), tmp_path / "f.pq")
    return tmp_path


def answers(bundle, folder, joins=("h.pq", "f.pq"), coverage=1.0, batch_size=100):
    joined = [str(folder / name) for name in joins]
    table = open_table([str(folder / "rows.parquet")], None, joined, None)
    options = {"min_coverage": coverage, "batch_size": batch_size}
    task, _ = plan_task(table, bundle, Output(), LightCurveOptions(), **options)
    opened = open_task(task, table.files)
    found = {}
    for batch in opened.source:
        prediction = opened.predictor.predict(batch)
        assert len(prediction.conditional) == len(batch)
        for row, object_id in enumerate(batch.object_id.to_pylist()):
            assert object_id not in found
            found[object_id] = prediction.conditional[row], prediction.repairs.get(row)
    return found


def alone(bundle, folder):
    """Each object by itself, its inputs put together by hand."""
    curves = FileSource(
        open_table([str(folder / "rows.parquet")], None, [], None).files,
        [],
        batch_size=1,
        light_curves=LightCurveOptions(),
    )
    header = dict(zip(IDS[::-1], [0.4, 0.3, 0.2, 0.1], strict=True))
    amplitude = dict(zip(sorted(IDS), [3.0, 4.0, 1.0, 2.0], strict=True))
    predictor = load_predictor(bundle)
    for batch in curves:
        [object_id] = batch.object_id.to_pylist()
        values = {"MWEBV": [header[object_id]], "Amplitude_g": [amplitude[object_id]]}
        whole = type(batch)(
            batch.object_id, "oid", pa.table(values), light_curves=batch.light_curves
        )
        yield object_id, predictor.predict(whole).conditional[0]


def test_b1_and_b4_every_answer_is_of_its_own_light_curve_header_and_features(bundle, tables):
    found = answers(bundle, tables)
    assert list(found) == IDS
    for object_id, expected in alone(bundle, tables):
        np.testing.assert_allclose(found[object_id][0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_b2_and_b3_an_object_of_several_observations_has_one_answer(bundle, tables, batch_size):
    found = answers(bundle, tables, batch_size=batch_size)
    assert list(found) == IDS
    whole = answers(bundle, tables)
    for object_id, (answer, _) in found.items():
        np.testing.assert_allclose(answer, whole[object_id][0], rtol=0, atol=1e-6)


def test_an_object_without_a_header_costs_nobody_else(bundle, tables):
    before = answers(bundle, tables)
    pq.write_table(pq.read_table(tables / "h.pq").slice(1), tables / "h.pq")  # without object 2
    after = answers(bundle, tables)
    for object_id in IDS[:-1]:
        np.testing.assert_allclose(after[object_id][0], before[object_id][0], rtol=0, atol=1e-6)
        assert after[object_id][1] is None
    assert after["2"][1] == f"it is not in {tables / 'h.pq'}; its header is missing"
    assert after["2"][0].sum() == pytest.approx(1)


def test_an_object_of_3000_observations_and_one_of_1_share_a_batch(bundle, tmp_path):
    n = 3000
    rng = np.random.default_rng(1)
    rows = {
        "oid": ["long"] * n + ["short"],
        "mjd": rng.uniform(60000, 61000, n + 1),
        "band": rng.choice(list("ugrizY"), n + 1),
        "FLUXCAL": rng.normal(100, 50, n + 1),
        "MWEBV": np.repeat([0.1, 0.2], [n, 1]),
        "Amplitude_g": np.repeat([1.0, 2.0], [n, 1]),
    }
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet")
    together = answers(bundle, tmp_path, joins=())
    apart = answers(bundle, tmp_path, joins=(), batch_size=1)
    assert list(together) == ["long", "short"]
    for object_id, (answer, repair) in together.items():
        assert repair is None
        np.testing.assert_allclose(answer, apart[object_id][0], rtol=0, atol=1e-6)
