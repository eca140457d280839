import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import QuantileTransformer

from lcclassify.predictors.tabular import QuantileTransform, fill_missing
from lcclassify.transformer import QuantileTable


def fit(column, n_quantiles):
    model = QuantileTransformer(n_quantiles=n_quantiles, output_distribution="normal")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer rows than quantiles
        model.fit(column[:, None])
    return model, QuantileTable(model.quantiles_[:, 0], model.references_)


def check(column, n_quantiles, values):
    model, table = fit(column, n_quantiles)
    expected = model.transform(values[:, None])
    np.testing.assert_allclose(
        QuantileTransform((table,))(values[:, None]).numpy(), expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("n_quantiles", [1, 2, 10, 100])
@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_equals_scikit_learn(n_quantiles, decimals):
    rng = np.random.default_rng(decimals)
    column = rng.normal(size=300).round(decimals)
    ends = column.min(), column.max(), column.min() - 5e-8, column.max() + 2e-7, -1e300, 1e300
    inside = rng.normal(size=300)
    check(column, n_quantiles, np.concatenate([column, inside, ends, [-9999.0]]))


def test_equals_scikit_learn_where_most_values_are_missing():
    column = np.where(np.arange(200) % 10, -9999.0, np.arange(200))
    check(column, 100, np.array([-9999.0, -9998.9999, 0, 100, 190, 199]))


SOME = st.floats(-3, 3).map(lambda value: round(value, 1))


@settings(max_examples=60, deadline=None)
@given(arrays(float, st.integers(1, 40), elements=SOME), arrays(float, 9, elements=SOME))
def test_equals_scikit_learn_with_many_ties(column, values):
    check(column, 12, np.concatenate([column, values]))


def test_columns_have_tables_of_their_own_lengths():
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(3, 80))
    fitted = [fit(column, size) for column, size in zip(columns, (5, 80, 33), strict=True)]
    values = rng.normal(size=(20, 3))
    expected = [model.transform(values[:, [i]])[:, 0] for i, (model, _) in enumerate(fitted)]
    found = QuantileTransform(tuple(table for _, table in fitted))(values)
    np.testing.assert_allclose(found.numpy(), np.transpose(expected), rtol=0, atol=1e-12)


def test_no_columns():
    assert QuantileTransform(())(np.empty((4, 0))).shape == (4, 0)


def test_what_is_missing_becomes_minus_9999_and_an_infinite_header_is_told():
    matrix = np.array([[1, np.nan, 2], [np.nan, np.inf, -np.inf], [-np.inf, 1, np.nan]])
    filled, repairs = fill_missing(matrix, ("MWEBV", "mwebv", "g-r"))
    assert filled.tolist() == [[1, -9999, 2], [-9999, -9999, -9999], [-9999, 1, -9999]]
    assert repairs == {2: "MWEBV is infinite and counts as missing"}
