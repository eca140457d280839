import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.predictors import load_predictor
from lcclassify.selftest import _conditional
from lcclassify.status import Problem, Status
from lcclassify.testing import TOY_FEATURES as FEATURES
from lcclassify.testing import make_batch

VALUES = st.floats(width=64) | st.sampled_from([None, 1e32, 1.1e32, -1e33, -0.0])
VALUES = VALUES.filter(lambda value: value is None or not -np.inf < value < -3.4e38)
ROWS = st.lists(st.tuples(*[VALUES] * len(FEATURES)), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory, make_model):
    model = make_model(tmp_path_factory.mktemp("model") / "toy")
    return load_predictor(model, reference_nulls=True)


def batch_of(rows, **kwargs):
    return make_batch({n: [row[i] for row in rows] for i, n in enumerate(FEATURES)}, **kwargs)


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_answers_are_those_of_the_plain_walk_bit_for_bit(predictor, forest, rows):
    column = {name: index for index, name in enumerate(FEATURES)}
    tree = predictor.bundle.taxonomy
    prediction = predictor.predict(batch_of(rows))
    for row, answer in zip(rows, prediction.conditional, strict=True):
        plain = np.array([np.nan if value is None else value for value in row])
        assert answer.tolist() == _conditional(forest, column, tree, plain).tolist()
    assert prediction.problems == {}


@settings(max_examples=50, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_company_of_an_object_never_changes_its_answer(predictor, rows, random):
    together = predictor.predict(batch_of(rows)).leaf_probability
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = predictor.predict(batch_of([rows[i] for i in order])).leaf_probability
    assert shuffled.tolist() == together[order].tolist()
    alone = np.concatenate([predictor.predict(batch_of([r])).leaf_probability for r in rows])
    assert alone.tolist() == together.tolist()


def test_probabilities_sum_to_one(predictor):
    rng = np.random.default_rng(1)
    sums = predictor.predict(batch_of(rng.normal(size=(50, 4)).tolist())).leaf_probability.sum(1)
    np.testing.assert_allclose(sums, 1.0, rtol=1e-14)


def test_null_nan_and_infinity_are_all_not_computed(predictor):
    rows = [(value, 0.1, 0.2, 0.3) for value in (None, np.nan, np.inf, -np.inf, -999.0)]
    answers = predictor.predict(batch_of(rows)).conditional
    assert (answers == answers[0]).all()


def test_above_1e32_is_zero(predictor):
    rows = [(1.0000001e32, 0.1, 0.2, 0.3), (1e300, 0.1, 0.2, 0.3), (0.0, 0.1, 0.2, 0.3)]
    answers = predictor.predict(batch_of(rows)).conditional
    assert (answers == answers[0]).all()


def test_below_the_range_of_float32_costs_the_row(predictor):
    rows = [(0.0, 0.1, 0.2, 0.3), (0.0, -1e39, 0.2, 0.3), (0.0, 0.1, 0.2, 0.3)]
    prediction = predictor.predict(batch_of(rows))
    reason = "PPE = -1e+39 is below the range of float32"
    assert prediction.problems == {1: Problem(Status.INVALID_FEATURES, reason)}
    assert prediction.status.tolist() == [0, 3, 0]
    assert np.isnan(prediction.leaf_probability[1]).all()
    assert np.isfinite(prediction.leaf_probability[[0, 2]]).all()


def test_the_lowest_float32_is_a_value(predictor):
    lowest = float(np.finfo(np.float32).min)
    assert predictor.predict(batch_of([(lowest, 0.1, 0.2, 0.3)])).problems == {}


def test_a_problem_of_the_source_is_kept(predictor):
    problem = Problem(Status.INVALID_RECORD, "line 7 is not a JSON object")
    rows = [(0.0, -1e39, 0.2, 0.3), (0.0, 0.1, 0.2, 0.3)]
    prediction = predictor.predict(batch_of(rows, problems={0: problem}))
    assert prediction.problems == {0: problem}


def test_a_batch_without_objects_is_fine(predictor):
    prediction = predictor.predict(
        batch_of([(0.0,) * 4]).__class__(
            object_id=pa.array([], pa.string()),
            id_name="oid",
            features=pa.table({name: pa.array([], pa.float64()) for name in FEATURES}),
        )
    )
    assert prediction.leaf_probability.shape == (0, 5)
    assert prediction.ranking.shape == (0, 5)


def test_columns_are_found_by_any_name_in_any_order_among_others(predictor):
    row = (0.5, -0.25, 1.5, 0.75)
    features = dict(zip(("Amplitude_1", "Period_fit", "W1_W2", "rb"), row, strict=True))
    table = {"extra": 9.0} | dict(reversed(features.items()))
    renamed = make_batch({name: [value] for name, value in table.items()})
    expected = predictor.predict(batch_of([row])).conditional
    assert predictor.predict(renamed).conditional.tolist() == expected.tolist()


def test_a_missing_column_is_refused_or_filled_as_the_threshold_says(predictor):
    batch = make_batch({name: [0.5] for name in FEATURES[:3]})
    with pytest.raises(InputError, match="toy@1.0 needs 4 features and the input gives 3; mis"):
        predictor.predict(batch)
    filled = load_predictor(predictor.bundle, min_coverage=0.75).predict(batch)
    expected = predictor.predict(batch_of([(0.5, 0.5, 0.5, None)]))
    assert filled.conditional.tolist() == expected.conditional.tolist()


@pytest.mark.parametrize("kind", [pa.float32(), pa.int64(), pa.float64()])
def test_other_number_types_are_read(predictor, kind):
    table = pa.table(
        {name: pa.chunked_array([[1], [2]], pa.int64()).cast(kind) for name in FEATURES}
    )
    batch = Batch(object_id=pa.array(["a", "b"]), id_name="oid", features=table)
    expected = predictor.predict(batch_of([(1.0,) * 4, (2.0,) * 4]))
    assert predictor.predict(batch).conditional.tolist() == expected.conditional.tolist()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_nothing(predictor, threads):
    rows = np.random.default_rng(2).normal(size=(2000, 4)).tolist()
    expected = predictor.predict(batch_of(rows)).conditional
    other = load_predictor(predictor.bundle, threads=threads).predict(batch_of(rows)).conditional
    assert np.array_equal(other, expected)
