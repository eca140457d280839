"""How many of its features a model finds of an object, and with how few it answers."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.batch import Batch
from lcclassify.bundle import Feature
from lcclassify.errors import InputError
from lcclassify.predictors import load_predictor, transformer
from lcclassify.predictors.coverage import ObjectCoverage
from lcclassify.predictors.transformer import TransformerPredictor
from lcclassify.status import Problem, Status
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import TOY_FEATURES as FEATURES
from lcclassify.testing import make_batch, make_bundle, make_light_curves, make_transformer

NOTHING = st.sampled_from([None, np.nan, np.inf, -np.inf, -999.0])
VALUES = NOTHING | st.floats(-1e6, 1e6).filter(lambda value: value != -999.0)
ROWS = st.lists(st.lists(VALUES, min_size=4, max_size=4), min_size=1, max_size=8)
SHARES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, make_model):
    return make_model(tmp_path_factory.mktemp("model") / "toy")


def batch_of(rows, **kwargs):
    return make_batch({n: [row[i] for row in rows] for i, n in enumerate(FEATURES)}, **kwargs)


def is_usable(value):
    return value is not None and np.isfinite(value) and value != -999.0


@settings(max_examples=60, deadline=None)
@given(ROWS, SHARES, st.booleans())
def test_a_forest_answers_an_object_with_as_many_values_as_are_asked_for(
    bundle, rows, share, nulls
):
    told = {"min_object_coverage": share, "reference_nulls": nulls}
    found = load_predictor(bundle, **told).predict(batch_of(rows))
    counts = [sum(map(is_usable, row)) for row in rows]
    assert found.found.tolist() == counts
    least = share if share else 0 if nulls else 1e-9
    assert found.answered.tolist() == [count / 4 >= least for count in counts]
    assert {problem.status for problem in found.problems.values()} <= {Status.MISSING_FEATURES}
    assert np.isnan(found.conditional[~found.answered]).all()
    all_answered = load_predictor(bundle, reference_nulls=True).predict(batch_of(rows))
    same = all_answered.conditional[found.answered]
    assert np.array_equal(found.conditional[found.answered], same)


@given(st.integers(1, 1000), st.data())
def test_a_share_in_decimals_is_met_by_the_count_that_it_names(n_features, data):
    """0.07 of 100 features are 7, whatever 0.07 x 100 comes to in floating point."""
    count = data.draw(st.integers(1, n_features))
    share = float(repr(count / n_features))
    found = np.array([count - 1, count])
    assert list(ObjectCoverage(share).problems(found, n_features)) == [0]


def test_the_reason_says_how_many_there_are(bundle):
    rows = [(None,) * 4, (0.5, None, None, None)]
    few = load_predictor(bundle, min_object_coverage=0.5).predict(batch_of(rows))
    assert few.problems == {
        0: Problem(Status.MISSING_FEATURES, "none of its 4 features has a value"),
        1: Problem(
            Status.MISSING_FEATURES,
            "1 of its 4 features have a value, less than a share of 0.5",
        ),
    }


def test_what_is_wrong_with_an_object_otherwise_comes_first(bundle):
    broken = Problem(Status.INVALID_RECORD, "broken")
    rows = [(None,) * 4, (-1e300, None, None, None)]
    found = load_predictor(bundle, min_object_coverage=1).predict(
        batch_of(rows, problems={0: broken})
    )
    assert found.problems[0] == broken
    assert found.problems[1].status is Status.INVALID_FEATURES
    assert found.found.tolist() == [0, 1]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_what_is_no_share_is_refused(bundle, share):
    with pytest.raises(InputError, match=r"^min_object_coverage=.* is not in 0 to 1$"):
        load_predictor(bundle, min_object_coverage=share)


MODELS = {
    "beside": make_transformer(),  # of MWEBV, a header value, and two features
    "in front": make_transformer(table="in front"),
    "none": make_transformer(table="none"),
}
TREE = Taxonomy(MODELS["none"].classes, (-1,) * len(MODELS["none"].classes))


def network(name, share=0.0):
    model = MODELS[name]
    features = [Feature(name, (name,), None) for name in model.inputs]
    return TransformerPredictor(
        dataclasses.replace(make_bundle(TREE, features), family="transformer"),
        model,
        objects=ObjectCoverage(share),
        device="cpu",
    )


def objects(rows, counts):
    names = MODELS["beside"].inputs
    columns = {n: pa.array([row[i] for row in rows], pa.float64()) for i, n in enumerate(names)}
    ids = pa.array(range(len(rows)), pa.int64())
    return Batch(ids, "oid", pa.table(columns), light_curves=make_light_curves(counts))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["beside", "in front"]),
    st.lists(
        st.tuples(*[st.none() | st.floats(-10, 10)] * 3, st.integers(0, 3)), min_size=1, max_size=6
    ),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)
def test_a_network_has_the_light_curve_to_go_by_unless_a_share_is_asked_for(name, rows, share):
    counts = [row[3] for row in rows]
    found = network(name, share).predict(objects(rows, counts))
    for row, (header, *features, n_rows) in enumerate(rows):
        values = [header, *features]
        n_found = sum(value is not None for value in values)
        assert found.found[row] == n_found
        assert found.observations[row] == n_rows
        problem, repair = found.problems.get(row), found.repairs.get(row, "")
        if n_rows == 0:
            assert problem.status is Status.TOO_FEW_OBSERVATIONS
        elif share and n_found / 3 < share:
            assert problem.status is Status.MISSING_FEATURES
        else:
            assert problem is None
            assert ("its header is missing" in repair) == (header is None)
            assert ("the object has no features" in repair) == (features == [None, None])


def test_a_network_of_light_curves_alone_needs_no_features():
    curves = objects([(None,) * 3] * 2, [2, 1])
    found = network("none", share=1.0).predict(curves)
    assert (found.problems, found.repairs) == ({}, {})
    assert found.found.tolist() == [0, 0]
    assert found.observations.tolist() == [2, 1]


def test_observations_that_the_network_leaves_out_are_not_used():
    batch = objects([(1.0, 1.0, 1.0)], [5])
    curves = batch.light_curves
    odd = dataclasses.replace(
        curves,
        flux=np.array([1.0, 0.0, np.nan, 2.0, 3.0]),
        band=np.array([0, 1, 2, -1, 3], np.int8),
    )
    found = network("beside").predict(dataclasses.replace(batch, light_curves=odd))
    assert found.observations.tolist() == [2]


def test_what_a_reader_has_told_of_a_header_is_not_told_again():
    batch = objects([(None, 1.0, 1.0)] * 2, [1, 1])
    told = {0: "the object has no diaObject: its header is missing"}
    found = network("beside").predict(dataclasses.replace(batch, repairs=told))
    assert found.repairs == told | {1: "its header is missing"}


def test_counts_do_not_depend_on_how_many_objects_are_prepared_at_a_time(monkeypatch):
    rng = np.random.default_rng(5)
    rows = [tuple(None if rng.random() < 0.5 else 1.0 for _ in range(3)) for _ in range(11)]
    batch = objects(rows, rng.integers(0, 4, 11).tolist())
    whole = network("beside").predict(batch)
    monkeypatch.setattr(transformer, "OBJECTS_PER_PASS", 3)
    parts = network("beside").predict(batch)
    assert parts.found.tolist() == whole.found.tolist()
    assert parts.observations.tolist() == whole.observations.tolist()
    assert parts.notes == whole.notes
