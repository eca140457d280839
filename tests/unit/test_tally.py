from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.batch import Batch
from lcclassify.bundle import Feature, Range
from lcclassify.prediction import Prediction
from lcclassify.status import Problem, Status
from lcclassify.tally import Tallier, total
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_bundle

FEATURES = (
    Feature("x", ("x",), None, Range(-1.0, 0.1)),
    Feature("y", ("y", "Y"), 0.5),
    Feature("z", ("z",), None, Range(0.0, 0.0)),
)
TREE = Taxonomy.from_children(["A", "B"], {})
BUNDLE = make_bundle(TREE, FEATURES)
VALUES = st.sampled_from([None, np.nan, np.inf, -np.inf, 0.0, -0.0, 0.1, 0.2, -1.0, -1.1, 1e300])
ROWS = st.tuples(VALUES, VALUES, VALUES, st.sampled_from([0.25, 0.75, None]))


def predicted(rows, order=("x", "Y", "z")):
    """A prediction of rows of three values and P(A); None: no answer."""
    columns = dict(zip(("x", "Y", "z"), zip(*(row[:3] for row in rows), strict=True), strict=False))
    table = pa.table({name: pa.array(columns.get(name, ()), pa.float64()) for name in order})
    bad = {
        n: Problem(Status.INVALID_FEATURES, "odd") for n, row in enumerate(rows) if row[3] is None
    }
    answers = np.array([[np.nan if p is None else p, 1 - (p or 0)] for *_, p in rows])
    answers = answers.reshape(-1, 2)
    answers[list(bad)] = np.nan
    batch = Batch(pa.array([str(n) for n in range(len(rows))], pa.string()), "oid", table)
    return Prediction(batch, BUNDLE, answers, bad)


def counts(tally):
    return tally.n_objects, *(each.tolist() for each in (tally.n_missing, tally.n_outside))


def plain(rows):
    """The same counts, value by value."""
    answered = [row for row in rows if row[3] is not None]
    limits = [(-1.0, 0.1), (-np.inf, np.inf), (0.0, 0.0)]
    missing, outside = [0, 0, 0], [0, 0, 0]
    for row in answered:
        for n, (value, (low, high)) in enumerate(zip(row[:3], limits, strict=True)):
            if value is None or not np.isfinite(value):
                missing[n] += 1
            elif not low <= value <= high:
                outside[n] += 1
    return len(answered), missing, outside


@given(st.lists(ROWS, max_size=30), st.lists(st.integers(0, 30), max_size=4), st.randoms())
def test_batches_add_up_whatever_is_in_which(rows, cuts, rng):
    tallier = Tallier(BUNDLE)
    whole = tallier(predicted(rows))
    assert counts(whole) == plain(rows)
    edges = sorted([0, *(min(cut, len(rows)) for cut in cuts), len(rows)])
    parts = [rows[a:b] for a, b in pairwise(edges)]
    rng.shuffle(parts)
    together = reduce(add, (tallier(predicted(part)) for part in parts))
    assert counts(together) == counts(whole)
    assert together.classes == whole.classes
    n_first = sum(row[3] == 0.75 for row in rows)
    assert whole.classes.get("A", 0) == n_first
    assert sum(whole.classes.values()) == whole.n_objects


def test_a_matrix_at_hand_is_as_good_as_the_table():
    rows = [(0.2, None, 0.0, 0.75), (np.nan, 1.0, 2.0, 0.25), (0.0, 0.0, 0.0, None)]
    plainly = predicted(rows)
    matrix = np.array([[np.nan if v is None else v for v in row[:3]] for row in rows])
    other = Prediction(plainly.batch, BUNDLE, plainly.conditional, plainly.problems, matrix=matrix)
    assert (
        counts(Tallier(BUNDLE)(other))
        == counts(Tallier(BUNDLE)(plainly))
        == (
            2,
            [1, 1, 0],
            [1, 0, 1],
        )
    )


def test_the_float32_of_a_limit_is_inside():
    """Messages hold float32: of 0.1 it is above 0.1."""
    as_sent = float(np.float32(0.1))
    assert as_sent > 0.1
    assert counts(Tallier(BUNDLE)(predicted([(as_sent, 0.0, 0.0, 0.75)]))) == (
        1,
        [0, 0, 0],
        [0] * 3,
    )


def test_what_the_model_reads_as_missing_is_missing(make_model, tmp_path):
    bundle = make_model(tmp_path / "toy")
    n_features, n_nodes = len(bundle.features), len(bundle.taxonomy.nodes)
    table = pa.table({feature.name: [-999.0, -998.0] for feature in bundle.features})
    batch = Batch(pa.array(["a", "b"]), "oid", table)
    tally = Tallier(bundle)(Prediction(batch, bundle, np.full((2, n_nodes), 0.5), {}))
    assert tally.n_missing.tolist() == [1] * n_features


def test_features_that_no_column_gives_are_missing():
    found = Tallier(BUNDLE)(predicted([(0.0, 0.0, 0.0, 0.75)], order=("x",)))
    assert found.n_missing.tolist() == [0, 1, 1]


def test_a_model_without_features_has_answers_alone():
    bundle = make_bundle(TREE, ())
    batch = Batch(pa.array(["a"]), "oid", pa.table({"x": [1.0]}))
    found = Tallier(bundle)(Prediction(batch, bundle, np.array([[0.25, 0.75]]), {}))
    assert (counts(found), found.classes) == ((1, [], []), {"B": 1})


def test_nothing_at_all_has_no_total():
    assert total([]) is None
    assert total([None, None]) is None
    one = Tallier(BUNDLE)(predicted([(0.0, 0.0, 0.0, 0.75)]))
    assert total([None, one]) is one


@pytest.mark.parametrize("seed", range(3))
def test_large_batches_equal_a_plain_count(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(500, 3)).round(1)
    values[rng.random(values.shape) < 0.3] = np.nan
    rows = [
        (*row, p) for row, p in zip(values.tolist(), rng.choice([0.25, 0.75], 500), strict=True)
    ]
    assert counts(Tallier(BUNDLE)(predicted(rows))) == plain(rows)
