from dataclasses import replace

import numpy as np
import pytest

from lcclassify.batch import LightCurves
from lcclassify.errors import InputError
from lcclassify.predictors.light_curves import cut, sequences
from lcclassify.remarks import Kind, Remark
from lcclassify.testing import make_light_curves


def curve(mjd, flux, band=None, *, flux_err=None, counts=None, zero_point=31.4):
    n = len(mjd)
    return LightCurves(
        offsets=np.cumsum([0, *(counts or [n])]),
        mjd=np.array(mjd, float),
        band=np.array(band or [2] * n, np.int8),
        flux=np.array(flux, float),
        flux_err=np.array(flux_err or [1] * n, float),
        zero_point=zero_point,
    )


def test_time_starts_at_the_first_observation_of_each_object():
    found = sequences(curve([60010, 60003, 59000.5, 59000.75], [1] * 4, counts=[2, 2]), 31.4, 1)
    assert found.time.tolist() == [7, 0, 0, 0.25]
    assert found.time.dtype == np.float32


def test_a_flux_of_zero_is_not_seen_but_sets_the_origin():
    found = sequences(curve([60000, 60001, 60005], [0, -0.0, 3]), 31.4, 1)
    assert (found.counts.tolist(), found.time.tolist()) == ([1], [5])
    assert found.repairs == {}


def test_an_observation_at_mjd_0_is_at_the_origin_and_does_not_set_it():
    found = sequences(curve([60000, 0, 60005], [1, 2, 3]), 31.4, 1)
    assert found.time.tolist() == [0, 0, 5]
    assert sequences(curve([0, 0], [1, 2]), 31.4, 1).time.tolist() == [0, 0]


def test_another_band_is_not_seen_and_sets_no_origin():
    found = sequences(curve([59000, 60000, 60001], [1, 2, 3], [-1, 0, 5]), 31.4, 1)
    assert (found.time.tolist(), found.band.tolist()) == ([0, 1], [0, 5])
    assert found.repairs == {}


def test_what_is_not_finite_is_left_out_and_told():
    mjd, flux = [59000, np.nan, np.inf, 60000, 60001], [np.nan, 1, 1, 5, np.inf]
    found = sequences(curve([60000, *mjd], [1, *flux], counts=[1, 5]), 31.4, 1)
    assert (found.counts.tolist(), found.time.tolist()) == ([1, 1], [0, 0])
    text = "4 of 5 observations are left out: their mjd or flux is not finite"
    assert found.repairs == {1: text}


def test_a_flux_beyond_float32_is_not_finite():
    assert sequences(curve([60000, 60001], [1e39, 1]), 31.4, 1).counts.tolist() == [1]


def test_errors_count_only_where_the_network_reads_them():
    curves = curve([60000, 60001], [1, 2], flux_err=[np.nan, 0.5])
    assert sequences(curves, 31.4, 1).value.tolist() == [[1], [2]]
    assert sequences(curves, 31.4, 1).remarks == {}
    assert sequences(curves, 31.4, 2).value.tolist() == [[2, 0.5]]
    assert sequences(curves, 31.4, 2).remarks == {Remark(Kind.BAD_ERROR, "flux_err"): 1}


def test_fluxes_are_scaled_to_the_zero_point_of_the_model():
    curves = curve([60000], [100], flux_err=[10], zero_point=27.5)
    np.testing.assert_allclose(sequences(curves, 30, 2).value, [[1000, 100]], rtol=1e-7)


def test_equal_zero_points_change_no_bit():
    curves = make_light_curves([50])
    value = sequences(curves, 31.4, 1).value[:, 0]
    np.testing.assert_array_equal(value, curves.flux.astype(np.float32))


def test_objects_without_observations_have_a_place():
    found = sequences(curve([60000], [1], counts=[0, 1, 0]), 31.4, 1)
    assert found.counts.tolist() == [0, 1, 0]


def test_cut_takes_whole_light_curves():
    part = cut(make_light_curves([3, 0, 4, 2]), slice(1, 3))
    assert (part.offsets.tolist(), len(part.mjd)) == ([0, 0, 4], 4)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"zero_point": float("nan")},
            "nan is no zero point of fluxes: expected an AB magnitude within -100 and 100",
        ),
        ({"zero_point": 770.0}, "770.0 is no zero point of fluxes: expected an AB magnitude"),
        ({"offsets": np.array([1, 3])}, "offsets of light curves start at 0 and never fall"),
        ({"offsets": np.array([0, 5, 3])}, "offsets of light curves start at 0 and never fall"),
    ],
)
def test_light_curves_that_are_none_are_refused(change, reason):
    with pytest.raises(InputError) as error:
        replace(curve([60000] * 3, [1] * 3), **change)
    assert str(error.value).startswith(reason)
