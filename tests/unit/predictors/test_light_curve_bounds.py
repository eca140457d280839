"""Light curves and networks that are given anything: an InputError, or answers within bounds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from lcclassify.batch import BANDS, LightCurves
from lcclassify.errors import InputError
from lcclassify.predictors.light_curves import cut, sequences
from lcclassify.predictors.network import Network
from lcclassify.predictors.observations import Observations
from lcclassify.predictors.tabular import QuantileTransform
from lcclassify.testing import make_light_curves, make_transformer

VOLUME = pytest.mark.parametrize("n", [300, pytest.param(100_000, marks=pytest.mark.long)])
ANY_INTEGER = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 12)
OFFSETS = st.lists(ANY_INTEGER, max_size=8) | st.lists(st.integers(0, 9), max_size=8).map(sorted)
LENGTHS = st.lists(st.integers(0, 9), min_size=4, max_size=4) | st.integers(0, 9).map(
    lambda n: [n] * 4
)
ANY_FLOAT = st.floats(width=64)


@settings(max_examples=500, deadline=None)
@given(OFFSETS, LENGTHS)
@example([0, 2**63 - 1, -(2**63), -1, 5], [5] * 4)  # differences that overflow to 1 and more
@example([], [0] * 4)
def test_offsets_that_do_not_fit_are_refused_and_others_stay_within(offsets, lengths):
    mjd, band, flux, flux_err = lengths
    try:
        curves = LightCurves(
            np.array(offsets, np.int64),
            np.zeros(mjd),
            np.zeros(band, np.int8),
            np.ones(flux),
            np.ones(flux_err),
            31.4,
        )
    except InputError:
        return
    assert offsets == sorted(offsets)
    assert (offsets[0], {offsets[-1]}) == (0, set(lengths))
    assert sequences(curves, 31.4, 2).counts.tolist() == np.diff(offsets).tolist()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_values_are_left_out_or_become_indices(data):
    n = data.draw(st.integers(0, 30))
    curves = replace(
        make_light_curves([n, 0, 2]),
        mjd=data.draw(arrays_of.arrays(np.float64, n + 2, elements=ANY_FLOAT)),
        band=data.draw(arrays_of.arrays(np.int8, n + 2)),
        flux=data.draw(arrays_of.arrays(np.float64, n + 2, elements=ANY_FLOAT)),
        flux_err=data.draw(arrays_of.arrays(np.float64, n + 2, elements=ANY_FLOAT)),
    )
    seen = sequences(curves, 27.5, 2)
    assert seen.counts.sum() == len(seen.band) == len(seen.time) == len(seen.value)
    assert set(seen.band.tolist()) <= set(range(len(BANDS)))
    assert np.isfinite(seen.value).all()


@pytest.mark.parametrize("array", ["offsets", "mjd", "band"])
def test_arrays_that_are_not_flat_are_refused(array):
    curves = make_light_curves([3])
    with pytest.raises(InputError, match="light curves are flat columns"):
        replace(curves, **{array: getattr(curves, array)[:, None]})


def test_bands_and_offsets_that_are_no_integers_are_refused():
    curves = make_light_curves([3])
    for array in ("offsets", "band"):
        with pytest.raises(InputError, match="with offsets and bands of integers"):
            replace(curves, **{array: getattr(curves, array).astype(float)})


@given(st.integers(-9, 9), st.integers(-9, 9))
def test_a_cut_is_of_those_objects_or_refused(start, stop):
    curves = make_light_curves([2, 0, 5, 1])
    try:
        part = cut(curves, slice(start, stop))
    except InputError:
        assert not len(curves.offsets[start : stop + 1])
        return
    assert len(part.mjd) == part.offsets[-1]


NETWORKS = {
    place: Network(make_transformer(table=place, n_layers=1), torch.device("cpu"))
    for place in ("beside", "in front", "none")
}


def garbage(rng):
    """Observations of which counts, bands or lengths are anything; or are right."""
    n, edges = int(rng.integers(0, 6)), [-1, 0, 7, 2**31, 2**62, 2**63 - 1, -(2**63)]
    counts = np.sort(rng.integers(0, 6, n))
    total, more = int(counts.sum()), rng.integers(-1, 2, 3) * (rng.random(3) < 0.2)
    lengths = np.maximum(total + more, 0)
    band = rng.integers(0, 6, lengths[0])
    if n and rng.random() < 0.4:
        counts[rng.integers(n)] = rng.choice(edges)
    if n > 3 and rng.random() < 0.2:
        counts[:4] += 2**62  # a sum that wraps around to the right one
    if band.size and rng.random() < 0.3:
        band[rng.integers(band.size)] = rng.choice([-1, 6, *edges])
    return Observations(
        counts.reshape(-1, 1) if rng.random() < 0.05 else counts,
        torch.from_numpy(band),
        torch.from_numpy(rng.normal(size=lengths[1]).astype(np.float32)),
        torch.from_numpy(rng.normal(size=(lengths[2], 1)).astype(np.float32)),
    )


@VOLUME
@pytest.mark.parametrize("place", NETWORKS)
def test_a_network_takes_whole_observations_and_no_others(place, n, record_property):
    n_inputs = 0 if place == "none" else 3
    n_answered = 0
    for seed in range(n):
        rng = np.random.default_rng(seed)
        seen = garbage(rng)
        inputs = torch.zeros(max(len(seen.counts) + int(rng.integers(-1, 2)), 0), n_inputs)
        try:
            logits = NETWORKS[place](seen, inputs)
        except InputError:
            continue
        assert seen.counts.tolist() == sorted(seen.counts.tolist())
        assert int(seen.counts.sum()) == len(seen.time) == len(seen.band)
        assert logits.shape == (len(inputs), 3)
        n_answered += 1
    record_property("cases", n)
    assert 0 < n_answered < n


@settings(max_examples=200, deadline=None)
@given(arrays_of.arrays(np.float64, (4, 3), elements=ANY_FLOAT))
def test_any_value_has_a_place_among_the_landmarks(matrix):
    tables = make_transformer().quantiles
    assert QuantileTransform(tables)(matrix).shape == (4, 3)
