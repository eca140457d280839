import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import QuantileTransformer

from lcclassify.bundle import Range
from lcclassify.ranges import Known, of_matrix, of_quantiles
from lcclassify.transformer import MISSING, QuantileTable


def table_of(values, n_quantiles=200):
    fitted = QuantileTransformer(n_quantiles=n_quantiles, subsample=None).fit(values[:, None])
    return QuantileTable(fitted.quantiles_[:, 0], fitted.references_)


def test_a_matrix_leaves_out_the_outermost_values():
    values = np.arange(1001.0)
    column = np.concatenate([values, [np.nan] * 200, [np.inf]])
    assert of_matrix(np.column_stack([column, np.full(1202, np.nan)])) == [
        Known(pytest.approx(201 / 1202), Range(1.0, 999.0, 10 / 1001)),
        Known(1.0, None),
    ]


def test_quantiles_without_gaps_are_a_range_and_no_more():
    values = np.random.default_rng(0).normal(size=5000)
    assert of_quantiles([table_of(values)]) == [Known(None, Range(values.min(), values.max()))]


@given(st.floats(0.02, 0.97), st.integers(0, 10))
@settings(max_examples=30, deadline=None)
def test_quantiles_tell_how_much_was_missing(share, seed):
    rng = np.random.default_rng(seed)
    whole, values = rng.normal(size=3000), rng.lognormal(size=3000)
    missing = rng.random(3000) < share
    gaps = np.where(missing, MISSING, values)
    without_gaps, with_gaps = of_quantiles([table_of(whole), table_of(gaps)])
    assert without_gaps == Known(0.0, Range(whole.min(), whole.max()))
    assert with_gaps.missing_share == pytest.approx(missing.mean(), abs=1 / 199)
    low, high, outside_share = with_gaps.range
    real = values[~missing]
    assert high == real.max()
    assert low > MISSING / 2 or (real < low).mean() <= outside_share  # never in the gap
    assert (real < low).mean() == pytest.approx(outside_share, abs=2 / 199 / (1 - share))
    assert (real < low).mean() <= outside_share + 1e-9


def test_a_column_of_gaps_alone_has_no_range():
    gaps = QuantileTable(np.full(10, MISSING), np.linspace(0, 1, 10))
    assert of_quantiles([gaps]) == [Known(1.0, None)]
    almost = QuantileTable(np.array([MISSING] * 9 + [3.0]), np.linspace(0, 1, 10))
    assert of_quantiles([almost]) == [Known(1.0, None)]
    odd = QuantileTable(np.array([MISSING, 1.0, 2.0]), np.ones(3))
    assert of_quantiles([odd]) == [Known(1.0, None)]


@pytest.mark.parametrize(("n_values", "share"), [(10_000, 0.002), (100, 0.1), (3, 1.0)])
def test_few_values_say_little_about_the_next(n_values, share):
    [(_, limits)] = of_matrix(np.arange(float(n_values))[:, None])
    assert limits.outside_share == share
