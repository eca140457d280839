"""Balto, Messi and their variants against the reference's own numbers."""

import csv
import runpy
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from lcclassify.batch import BANDS, Batch, LightCurves
from lcclassify.convert import NetworkOptions, convert
from lcclassify.network_bundle import read_transformer
from lcclassify.predictors import load_predictor
from lcclassify.predictors.light_curves import sequences
from lcclassify.predictors.network import Network, Observations
from lcclassify.predictors.tabular import QuantileTransform, fill_missing

PLAIN = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "padded_network.py"))
# name -> file of weights, and where its quantiles are if not beside it
MODELS = {
    "balto": ("balto/EncoderHeader.pt", "balto/HeaderNorm1QT"),
    "messi": ("messi/EncoderFeat.pt", None),
    "balto_gen_b": ("balto_gen_b/balto_state_prod.pth", "balto_gen_b/md_fold_0.joblib"),
    "noise": ("variants/noise.pt", "balto/HeaderNorm1QT"),
    "light_curve_only": ("variants/light_curve_only.pt", None),
    "combined": ("variants/combined.pt", "balto/HeaderNorm1QT"),
}
PUBLISHED = ("balto", "messi", "balto_gen_b")
Y = BANDS.index("Y")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads that share small matrices mostly wait for each other, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "golden" / "transformers"


@pytest.fixture(scope="module", params=MODELS)
def name(request):
    return request.param


@pytest.fixture(scope="module", params=PUBLISHED)
def published(request):
    return request.param


@pytest.fixture(scope="module")
def bundles(folder, tmp_path_factory):
    """Converts each model once: bundles(name)."""
    made = {}

    def bundle(name):
        if name not in made:
            weights, quantiles = MODELS[name]
            options = NetworkOptions(quantiles=[folder / quantiles] if quantiles else [])
            dest = tmp_path_factory.mktemp("bundles") / name
            made[name] = convert(folder / weights, dest, options=options)
        return made[name]

    return bundle


@pytest.fixture(scope="module")
def inputs(folder):
    """Detections of each object in message order, and its header and features by input name."""
    detections = pq.read_table(folder / "inputs" / "detections.parquet").sort_by("row")
    header = pq.read_table(folder / "inputs" / "headers.parquet")
    with (files("lcclassify") / "catalogue" / "header.csv").open() as file:
        model = {row["diaobject"]: row["model"] for row in csv.DictReader(file)}
    header = header.rename_columns([model.get(column, column) for column in header.column_names])
    features = pq.read_table(folder / "inputs" / "features.parquet")
    return detections, header, features


def matrix_of(inputs, oids, names):
    """(N, F) float64; NaN where the object or the value is missing."""
    columns = {}
    for table in inputs[1:]:
        at = pc.index_in(pa.array(oids), table["oid"].combine_chunks())
        columns |= {c: table[c] for c in table.column_names if c in names}
        columns |= {c: columns[c].take(at) for c in table.column_names if c in names}
    taken = [pc.fill_null(columns[each].cast(pa.float64()), np.nan).to_numpy() for each in names]
    return np.stack(taken, 1) if taken else np.empty((len(oids), 0))


def batch_of(inputs, oids, flux_column, bundle, lower_case_y=-1):
    """These objects as a source gives them."""
    table = inputs[0]
    rows = {oid: [] for oid in oids}
    for row, oid in enumerate(table["oid"].to_pylist()):
        if oid in rows:
            rows[oid].append(row)
    table = table.take(pa.array([row for oid in oids for row in rows[oid]], pa.int64()))
    codes = {band: code for code, band in enumerate(BANDS)} | {"y": lower_case_y}
    values = [
        pc.fill_null(table[column], np.nan).to_numpy()
        for column in ("mjd", flux_column, f"e_{flux_column}")
    ]
    names = tuple(feature.accepts[0] for feature in bundle.features)
    matrix = matrix_of(inputs, oids, tuple(feature.name for feature in bundle.features))
    return Batch(
        object_id=pa.array(oids),
        id_name="oid",
        features=pa.table(dict(zip(names, matrix.T, strict=True)))
        if names
        else pa.table({"nothing": pa.nulls(len(oids))}),
        light_curves=LightCurves(
            offsets=np.cumsum([0, *(len(rows[oid]) for oid in oids)]),
            mjd=values[0],
            band=np.array([codes.get(band, -1) for band in table["fid"].to_pylist()], np.int8),
            flux=values[1],
            flux_err=values[2],
            zero_point=31.4,  # as the model's: mag_corr goes in unscaled, as in the reference
        ),
    )


def expected_rows(folder, name, kind="expected"):
    """oid, flux column and probabilities of each row of a golden file."""
    place = folder / ("expected" if name in PUBLISHED else "variants")
    table = pq.read_table(place / f"{kind}_{name}.parquet")
    keys = ("oid", "flux_column", "repair")
    classes = [column for column in table.column_names if column not in keys]
    probability = np.stack([table[each].to_numpy() for each in classes], 1)
    return np.array(table["oid"]), np.array(table["flux_column"]), probability, tuple(classes)


def compare(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found.argmax(1), expected.argmax(1))


@pytest.mark.parametrize("flux_column", ["mag", "mag_corr"])
def test_probabilities_equal_the_reference(folder, inputs, bundles, name, flux_column):
    oids, columns, expected, classes = expected_rows(folder, name)
    here = columns == flux_column
    predictor = load_predictor(bundles(name), reference_nulls=True, threads=2)
    assert predictor.bundle.taxonomy.classes == classes
    found = predictor.predict(batch_of(inputs, oids[here].tolist(), flux_column, predictor.bundle))
    assert found.problems == {}
    assert here.sum() >= 24
    compare(found.leaf_probability, expected[here])


@pytest.mark.parametrize("flux_column", ["mag", "mag_corr"])
def test_repaired_objects_are_answered_as_suggested(
    folder, inputs, bundles, published, flux_column
):
    oids, columns, expected, _ = expected_rows(folder, published, "suggested")
    here = columns == flux_column
    predictor = load_predictor(bundles(published), reference_nulls=True)
    given = batch_of(inputs, oids[here].tolist(), flux_column, predictor.bundle, lower_case_y=Y)
    found = predictor.predict(given)
    assert found.problems == {}
    compare(found.leaf_probability, expected[here])
    by_oid = {oids[here][row]: text for row, text in found.repairs.items()}
    assert by_oid["107706"].endswith("is infinite and counts as missing")
    text = "1 of 15 observations are left out: their mjd or flux is not finite"
    assert by_oid["231443"] == text


def test_tabular_inputs_equal_the_reference(folder, inputs, bundles, published):
    table = pq.read_table(folder / "expected" / f"tabular_{published}.parquet")
    model = read_transformer(bundles(published))
    names = tuple(name.removeprefix("feature:") for name in table.column_names[1:])
    assert names == model.inputs
    matrix, _ = fill_missing(matrix_of(inputs, table["oid"].to_pylist(), names), names)
    expected = np.stack([column.to_numpy() for column in table.columns[1:]], 1)
    found = QuantileTransform(model.quantiles)(matrix).float().numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_every_layer_equals_the_reference(folder, inputs, bundles, published):
    bundle = bundles(published)
    model = read_transformer(bundle)
    network = Network(model, torch.device("cpu"))
    paths = sorted((folder / "expected" / "intermediate" / published).glob("*.npz"))
    assert len(paths) == 10
    for path in paths:
        oid, _, flux_column = path.stem.partition("_")
        golden = np.load(path)
        batch = batch_of(inputs, [oid], flux_column, bundle)
        seen = sequences(batch.light_curves, 31.4, 1)
        columns = map(torch.from_numpy, (seen.band, seen.time, seen.value))
        observations = Observations(seen.counts, *columns)
        given = torch.from_numpy(golden["tabular_feat"][:, :, 0])

        x, spans = network.light_curve_tokens(observations, given)
        real = golden["mask_sorted"] == 1
        check_tokens(x[1 : 1 + real.sum()], seen.time, golden["tokens_sorted"][real])
        for tower, tokens in (("lc", (x, spans)), ("tab", network.table_tokens(given))):
            x, spans = tokens
            for layer, block in enumerate(getattr(network, TOWERS[tower]).blocks):
                x = block(x, spans)
                expected = golden[f"{tower}_token_after_layer_{layer}"]
                np.testing.assert_allclose(x[0], expected, rtol=0, atol=1e-4)
            np.testing.assert_allclose(x[0], golden[f"{tower}_embedding"], rtol=0, atol=1e-4)
        logits = network(observations, given)[0]
        np.testing.assert_allclose(logits, golden["logits_mix"], rtol=0, atol=1e-4)


TOWERS = {"lc": "light_curve", "tab": "table"}


def check_tokens(found, time, expected):
    """The same tokens, whatever their order; errors relative to the largest value of each."""
    assert len(found) == len(expected) == len(time)
    found = found.numpy()
    for row in expected:
        error = np.abs(found - row).max(1) / np.abs(row).max()
        assert error.min() < 1e-5


@pytest.mark.parametrize("name", ["balto", "balto_gen_b", "noise", "light_curve_only", "combined"])
def test_the_baseline_of_the_benchmark_equals_the_reference(folder, inputs, bundles, name):
    oids, columns, expected, _ = expected_rows(folder, name)
    some = np.flatnonzero(columns == "mag")[:12]
    bundle = bundles(name)
    model = read_transformer(bundle)
    batch = batch_of(inputs, oids[some].tolist(), "mag", bundle)
    n_values = model.tensors["modulator.value.weight"].shape[1]
    grid = PLAIN["padded"](sequences(batch.light_curves, 31.4, n_values), len(some))
    matrix, _ = fill_missing(matrix_of(inputs, oids[some].tolist(), model.inputs), model.inputs)
    found = PLAIN["PaddedNetwork"](model)(grid, QuantileTransform(model.quantiles)(matrix).float())
    compare(found.numpy(), expected[some])
