"""Nested columns to light curves."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.batch import Batch
from lcclassify.sources.bands import Spellings
from lcclassify.sources.curve_forms import CurveForm
from lcclassify.sources.light_curves import together, with_light_curves
from lcclassify.sources.observed import to_flux

ITEM = pa.struct({"t": pa.float64(), "b": pa.int8(), "f": pa.float32()})
NAMES = ("source", "earlier", "forced")
FORM = CurveForm("alerts", "t", "b", "f", None, 31.4, structs=NAMES)
SEEN = st.builds(lambda n: {"t": float(n), "b": n % 6, "f": n / 2}, st.integers(0, 99))
LISTS = st.none() | st.lists(SEEN, max_size=4)
ALERTS = st.lists(st.tuples(st.none() | SEEN, LISTS, LISTS), max_size=7)


@given(alerts=ALERTS, before=st.integers(0, 2))
def test_each_object_has_the_observations_of_all_its_columns(alerts, before):
    kinds = (ITEM, pa.list_(ITEM), pa.list_(ITEM))
    context = {
        name: pa.array([alert[n] for alert in alerts], kind)
        for n, (name, kind) in enumerate(zip(NAMES, kinds, strict=True))
    }
    context = pa.table(context).slice(before)  # what is sliced off must not be read
    kept = alerts[before:]
    ids = pa.array(range(len(kept)), pa.int64())
    none = pa.table({"": ids}).select([])
    batch = Batch(ids, "oid", none, context=context)
    curves = with_light_curves(batch, FORM, Spellings()).light_curves
    expected = [[*([one] if one else []), *(two or []), *(three or [])] for one, two, three in kept]
    assert curves.offsets.tolist() == np.cumsum([0, *map(len, expected)]).tolist()
    flat = [seen for curve in expected for seen in curve]
    assert curves.mjd.tolist() == [seen["t"] for seen in flat]
    assert curves.band.tolist() == [seen["b"] for seen in flat]
    assert curves.flux.tolist() == [seen["f"] for seen in flat]
    assert np.isnan(curves.flux_err).all()
    assert curves.zero_point == 31.4


def test_an_item_that_is_null_is_an_observation_without_values():
    items = pa.array([[{"t": 1.0, "b": 2, "f": 3.0}, None]], pa.list_(ITEM))
    form = CurveForm("structs", "t", "b", "f", None, 31.4, structs=("seen",))
    none = pa.table({"": [1]}).select([])
    batch = Batch(pa.array([1]), "oid", none, context=pa.table({"seen": items}))
    curves = with_light_curves(batch, form, Spellings()).light_curves
    np.testing.assert_array_equal(curves.mjd, [1.0, np.nan])
    np.testing.assert_array_equal(curves.flux, [3.0, np.nan])
    assert curves.band.tolist() == [2, -1]


def test_magnitudes_that_no_flux_can_hold_warn_nobody():
    flux, error = to_flux(np.array([27.5, -1e9, np.inf, np.nan]), np.array([1.0, 1, 1, 1]), 27.5)
    np.testing.assert_array_equal(flux, [1.0, np.inf, 0.0, np.nan])
    np.testing.assert_allclose(error, [0.4 * np.log(10), np.inf, 0.0, np.nan])


def test_accounts_of_repairs_are_put_together_by_row():
    assert together({3: "a", 1: "b"}, {2: "c", 3: "d"}) == {1: "b", 2: "c", 3: "a; d"}
