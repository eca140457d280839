import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.batch import Batch, LightCurves
from lcclassify.bundle import Feature
from lcclassify.errors import InputError, ModelError
from lcclassify.predictors.coverage import ObjectCoverage
from lcclassify.predictors.transformer import TransformerPredictor, choose_device
from lcclassify.remarks import Kind, Remark
from lcclassify.status import Problem, Status
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_bundle, make_light_curves, make_transformer

MODELS = {
    "A": make_transformer(),
    "B": make_transformer(generation="B"),
    "errors": make_transformer(n_values=2),
    "none": make_transformer(table="none"),
    "in front": make_transformer(table="in front"),
}


def bundle(model, features=None):
    tree = Taxonomy(model.classes, (-1,) * len(model.classes))
    names = model.inputs if features is None else features
    return make_bundle(tree, [Feature(name, (name,), None) for name in names])


def load(model, **options):
    return TransformerPredictor(bundle(model), model, device="cpu", **options)


PREDICTORS = {name: load(model) for name, model in MODELS.items()}


def batch(counts, seed=0, **columns):
    curves = make_light_curves(counts, seed)
    values = np.random.default_rng(seed).normal(size=(3, len(counts)))
    table = pa.table(dict(zip(MODELS["A"].inputs, values, strict=True)))
    ids = pa.array(range(len(counts)), pa.int64())
    curves = dataclasses.replace(curves, **columns)
    return Batch(ids, "oid", table, light_curves=curves)


def take(whole, rows):
    """The objects of these rows, in this order."""
    curves = whole.light_curves
    parts = [np.arange(*curves.offsets[row : row + 2]) for row in rows]
    at = np.concatenate([np.zeros(0, int), *parts])
    columns = (curves.mjd, curves.band, curves.flux, curves.flux_err)
    return Batch(
        whole.object_id.take(pa.array(rows, pa.int64())),
        "oid",
        whole.features.take(pa.array(rows, pa.int64())),
        light_curves=LightCurves(
            np.cumsum([0, *map(len, parts)]), *(each[at] for each in columns), curves.zero_point
        ),
    )


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


WHOLE = batch([3, 40, 1, 7, 7, 22, 15, 90, 7, 2, 33, 1])
ANSWERS = {name: each.predict(WHOLE).conditional for name, each in PREDICTORS.items()}


@pytest.mark.parametrize("name", PREDICTORS)
def test_rows_sum_to_1_and_objects_differ(name):
    np.testing.assert_allclose(ANSWERS[name].sum(1), 1, rtol=0, atol=1e-15)
    assert ANSWERS[name].dtype == np.float64
    assert len(np.unique(ANSWERS[name].round(4), axis=0)) == len(WHOLE)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list(PREDICTORS)), st.lists(st.integers(0, 11), max_size=30))
def test_company_and_order_of_objects_change_no_answer(name, rows):
    same(PREDICTORS[name].predict(take(WHOLE, rows)).conditional, ANSWERS[name][rows])


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(list(PREDICTORS)), st.randoms(use_true_random=False))
def test_the_order_of_observations_changes_no_answer(name, random):
    curves = WHOLE.light_curves
    at = np.arange(len(curves.mjd))
    for first, stop in zip(curves.offsets[:-1], curves.offsets[1:], strict=True):
        part = at[first:stop].tolist()
        random.shuffle(part)
        at[first:stop] = part
    columns = {n: getattr(curves, n)[at] for n in ("mjd", "band", "flux", "flux_err")}
    mixed = dataclasses.replace(WHOLE, light_curves=dataclasses.replace(curves, **columns))
    same(PREDICTORS[name].predict(mixed).conditional, ANSWERS[name])


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(list(MODELS)), st.integers(1, 300), st.integers(1, 3))
def test_the_size_of_a_pass_and_threads_change_no_answer(name, tokens, threads):
    predictor = load(MODELS[name], tokens_per_pass=tokens, threads=threads)
    same(predictor.predict(WHOLE).conditional, ANSWERS[name])


def test_unseen_observations_change_no_answer():
    curves = WHOLE.light_curves
    before = np.repeat(curves.offsets[1:], 2)  # two more at the end of each object
    later = np.repeat(np.maximum.reduceat(curves.mjd, curves.offsets[:-1]), 2) + 1
    padded = LightCurves(
        offsets=curves.offsets + 2 * np.arange(len(WHOLE) + 1),
        mjd=np.insert(curves.mjd, before, later),
        band=np.insert(curves.band, before, [-1, 3] * len(WHOLE)),
        flux=np.insert(curves.flux, before, [5, 0] * len(WHOLE)),
        flux_err=np.insert(curves.flux_err, before, 1),
        zero_point=curves.zero_point,
    )
    found = PREDICTORS["A"].predict(dataclasses.replace(WHOLE, light_curves=padded))
    same(found.conditional, ANSWERS["A"])
    assert found.notes == {}


def test_larger_batches_are_prepared_in_parts(monkeypatch):
    monkeypatch.setattr("lcclassify.predictors.transformer.OBJECTS_PER_PASS", 5)
    bad = WHOLE.light_curves.flux.copy()
    bad[WHOLE.light_curves.offsets[7]] = np.nan
    curves = dataclasses.replace(WHOLE.light_curves, flux=bad)
    found = PREDICTORS["A"].predict(dataclasses.replace(WHOLE, light_curves=curves))
    same(np.delete(found.conditional, 7, 0), np.delete(ANSWERS["A"], 7, 0))
    text = "1 of 90 observations are left out: their mjd or flux is not finite"
    assert found.repairs == {7: text}


def test_no_objects():
    assert PREDICTORS["A"].predict(batch([])).conditional.shape == (0, 3)


def test_an_object_without_observations_is_told():
    found = PREDICTORS["A"].predict(batch([4, 0]))
    nothing = Problem(Status.TOO_FEW_OBSERVATIONS, "the object has no observations")
    assert found.problems == {1: nothing}
    assert np.isnan(found.conditional).all(1).tolist() == [False, True]


def unseen():
    """Three observations of which a network sees none, in two ways."""
    n = 3
    yield batch([n], flux=np.zeros(n))
    yield batch([n], flux=np.zeros(n), mjd=np.full(n, 59000.0), band=np.full(n, 4, np.int8))


def test_an_object_of_which_nothing_is_seen_has_no_answer():
    reason = "none of its 3 observations can be used"
    for each in unseen():
        found = PREDICTORS["A"].predict(each)
        assert found.problems == {0: Problem(Status.TOO_FEW_OBSERVATIONS, reason)}
        assert np.isnan(found.conditional).all()
        assert found.observations.tolist() == [0]
        assert found.remarks == {Remark(Kind.ZERO_FLUX, "flux"): 3}


def test_it_is_answered_from_its_table_where_the_reference_would():
    predictor = load(MODELS["A"], objects=ObjectCoverage(reference_nulls=True))
    found, again = map(predictor.predict, unseen())
    same(found.conditional, again.conditional)
    assert found.notes == {}


def test_fluxes_that_overflow_the_network_are_told():
    name = "modulator.value.weight"
    loud = {name: 1e6 * MODELS["A"].tensors[name]}
    model = dataclasses.replace(MODELS["A"], tensors=MODELS["A"].tensors | loud)
    found = load(model).predict(batch([2], flux=np.array([3e38, 1.0])))
    reason = "its fluxes are too large for the network to give numbers"
    assert found.problems == {0: Problem(Status.INVALID_FEATURES, reason)}


def test_problems_and_repairs_of_the_reader_stay():
    n = 6
    flux = np.array([np.nan, 1, 1, 1, 1, 1])
    broken = Problem(Status.INVALID_RECORD, "broken")
    table = pa.table({"MWEBV": [np.inf, 0, 0], "Amplitude_g": [1.0, None, 1], "PPE": [1, 2, 3.0]})
    given_batch = dataclasses.replace(
        batch([n // 3] * 3, flux=flux),
        features=table,
        problems={1: broken},
        repairs={0: "no header", 1: "gone", 2: "y read as Y"},
    )
    found = PREDICTORS["A"].predict(given_batch)
    assert found.problems == {1: broken}
    assert found.repairs == {
        0: "no header; its header is missing; MWEBV is infinite and counts as missing; "
        "1 of 2 observations are left out: their mjd or flux is not finite",
        2: "y read as Y",
    }
    assert found.answered.tolist() == [True, False, True]


def test_light_curves_must_be_there():
    whole = dataclasses.replace(WHOLE, light_curves=None)
    with pytest.raises(InputError, match="^toy@1.0 needs light curves and the input has none$"):
        PREDICTORS["A"].predict(whole)


def test_features_must_be_there_unless_less_is_allowed():
    few = dataclasses.replace(WHOLE, features=WHOLE.features.select(["MWEBV", "PPE"]))
    with pytest.raises(InputError, match="toy@1.0 needs 3 features and the input gives 2"):
        PREDICTORS["A"].predict(few)
    found = load(MODELS["A"], min_coverage=0.5).predict(few)
    missing = WHOLE.features.set_column(1, "Amplitude_g", pa.array([-9999.0] * len(WHOLE)))
    expected = PREDICTORS["A"].predict(dataclasses.replace(WHOLE, features=missing))
    same(found.conditional, expected.conditional)


def test_a_bundle_of_other_classes_or_features_is_refused():
    model = MODELS["A"]
    with pytest.raises(ModelError, match="^model nowhere: its classes are not those of its net"):
        TransformerPredictor(bundle(make_transformer(classes=["AGN", "TDE"])), model)
    with pytest.raises(ModelError, match="^model nowhere: its features are not those of its net"):
        TransformerPredictor(bundle(model, ["MWEBV"]), model)


def test_the_self_test_refuses_other_answers():
    predictor, curves = PREDICTORS["A"], WHOLE.light_curves
    inputs = np.stack([column.to_numpy() for column in WHOLE.features.columns], 1)
    predictor.self_test(curves, inputs, ANSWERS["A"])
    with pytest.raises(ModelError) as refused:
        predictor.self_test(curves, inputs, np.roll(ANSWERS["A"], 1, axis=1))
    assert str(refused.value) == (
        "model nowhere: its network does not give the answers it was published with; "
        "the model or this installation is damaged"
    )


def test_threads_of_the_caller_stay_what_they_were():
    before = torch.get_num_threads()
    load(MODELS["A"], threads=2).predict(WHOLE)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_a_device_that_is_there(name):
    expected = "cuda" if name == "auto" and torch.cuda.is_available() else "cpu"
    assert choose_device(name).type == expected


def test_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    text = "^device cuda: this installation of torch finds no GPU; use cpu or auto$"
    with pytest.raises(InputError, match=text):
        choose_device("cuda")
    with pytest.raises(InputError, match="^no device 'tpu'; choose from auto, cpu, cuda$"):
        choose_device("tpu")
