"""Facts about ``training/``: features a reader can check by hand, forests copied bit for bit."""

import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

NEEDS = "the training scripts need the extra train"
pytest.importorskip("light_curve", reason=NEEDS)
pytest.importorskip("sklearn", reason=NEEDS)
pytest.importorskip("imblearn", reason=NEEDS)
TRAINING = Path(__file__).parents[2] / "training"
sys.path.insert(0, str(TRAINING))  # scripts import their neighbours, as when they are run

import gaussian_process  # noqa: E402
import hierarchy  # noqa: E402
import plasticc_features  # noqa: E402
import surface_features  # noqa: E402
import train_plasticc  # noqa: E402
from curve import Curve  # noqa: E402
from hierarchy import Settings  # noqa: E402

from lcclassify.errors import InputError  # noqa: E402
from lcclassify.forest import Forest, Tree  # noqa: E402


def make_curve(mjd, band, flux, detected, flux_err=1.0) -> Curve:
    """A curve from lists; one error for all observations."""
    errors = np.full(len(mjd), flux_err)
    mjd, flux = np.array(mjd, float), np.array(flux, float)
    return Curve(mjd, np.array(band, np.int64), flux, errors, np.array(detected, bool))


def tables(objects=(7,), **changes) -> tuple[pa.Table, pa.Table]:
    """Two bands of object 7, detected at mjd 100 and 104, and the context of ``objects``."""
    curve = {
        "object_id": [7] * 6,
        "mjd": [104.0, 100.0, 102.0, 103.0, 69.0, 205.0],  # the last two are out of the window
        "passband": [1, 1, 1, 2, 1, 1],
        "flux": [30.0, 10.0, 20.0, 40.0, 999.0, 999.0],
        "flux_err": [2.0, 2.0, 2.0, 4.0, 2.0, 2.0],
        "detected_bool": [1, 1, 0, 0, 0, 0],
    }
    known = {"hostgal_photoz": 0.1, "hostgal_photoz_err": 0.02, "mwebv": 0.0}
    context = {"object_id": list(objects)}
    context |= {name: [value] * len(objects) for name, value in known.items()}
    return pa.table(curve | changes), pa.table(context)


def test_window_keeps_both_ends_and_nothing_beyond():
    curve = make_curve([69.9, 70, 100, 110, 210, 210.1], [0] * 6, [0] * 6, [0, 0, 1, 1, 0, 0])
    assert curve.window().mjd.tolist() == [70, 100, 110, 210]
    assert len(make_curve([1, 2], [0, 0], [5, 5], [0, 0]).window()) == 0


def test_dust_is_removed_band_by_band_and_left_alone_when_unknown():
    curve = make_curve([1, 2], [0, 5], [1, 1], [1, 1])
    expected = 10 ** (0.4 * 0.5 * np.array([4.145, 1.088]))
    np.testing.assert_allclose(curve.without_dust(0.5).flux, expected)
    np.testing.assert_allclose(curve.without_dust(0.5).flux_err, expected)
    np.testing.assert_array_equal(curve.without_dust(np.nan).flux, curve.flux)


def test_band_statistics_by_hand():
    row = plasticc_features.features_table(*tables()).to_pylist()[0]
    assert row["Amplitude_g"] == 10  # (30 - 10) / 2
    assert row["WeightedMean_g"] == pytest.approx(20)
    assert row["MaximumSlope_g"] == 5  # 10 in 2 d
    assert row["Skew_g"] == pytest.approx(0)
    assert row["ReducedChi2_g"] == pytest.approx(25)  # (5**2 + 0 + 5**2) / 2
    assert (row["SnrMax_g"], row["SnrMin_g"], row["SnrMax_r"]) == (15, 5, 10)
    assert row["MinToMax_g"] == pytest.approx(1 / 3)
    assert row["DetectedFraction_g"] == pytest.approx(2 / 3)
    assert (row["DetectionCount"], row["DetectionSpan"]) == (2, 4)


def test_bands_without_observations_are_null():
    row = plasticc_features.features_table(*tables()).to_pylist()[0]
    statistics = (*plasticc_features.STATISTICS, "SnrMax", "SnrMin", "MinToMax", "DetectedFraction")
    assert [row[f"{name}_{band}"] for name in statistics for band in "uizY"] == [None] * 56


def test_object_without_light_curve_has_its_context_alone():
    row = plasticc_features.features_table(*tables(objects=[8])).to_pylist()[0]
    known = {name for name, value in row.items() if value is not None}
    assert known == {*plasticc_features.OBJECT_COLUMNS, "DistanceModulus"}


@pytest.mark.parametrize(
    "unusable",
    [{"flux": [30, 10, 20, float("nan"), 9, 9]}, {"flux_err": [2.0, 2, 2, 0, 2, 2]}],
)
def test_unusable_observations_do_not_count(unusable):
    row = plasticc_features.features_table(*tables(**unusable)).to_pylist()[0]
    assert (row["SnrMax_r"], row["Amplitude_g"]) == (None, 10)


def test_table_has_exactly_the_documented_columns_in_order():
    curves, objects = tables()
    table = plasticc_features.features_table(curves, objects)
    names = plasticc_features.feature_names()
    assert table.column_names == ["object_id", *names]
    assert len(set(names)) == len(names) == 190
    mjd, flux = np.repeat([[100, 110, 120], [5, 50, 9]], 6, axis=1)
    curve = make_curve(mjd, [*range(6)] * 3, flux, [1] * 18)
    assert plasticc_features.object_features(curve, 0.1, 0.02, 0.0).keys() == set(names)


def test_missing_column_is_named():
    curves, objects = tables()
    with pytest.raises(InputError) as stop:
        plasticc_features.features_table(curves.drop_columns(["flux_err"]), objects)
    assert str(stop.value) == "the light curves lack the columns flux_err"


def test_distance_modulus():
    nearby = 5 * np.log10(299792.458 / 70 * 1e-3) + 25  # Hubble's law at redshift 0.001
    assert plasticc_features.distance_modulus(1e-3) == pytest.approx(nearby, abs=0.01)
    assert plasticc_features.distance_modulus(1.0) == pytest.approx(44.10, abs=0.01)  # 6.6 Gpc
    assert np.isnan([plasticc_features.distance_modulus(z) for z in (0.0, np.nan)]).all()


def test_surface_goes_through_precise_observations_and_fades_to_zero():
    curve = make_curve([0, 5, 10], [2, 2, 2], [10, 100, 50], [1, 1, 1], flux_err=0.01)
    surface = gaussian_process.fit(curve)
    flux = surface.flux(np.array([0.0, 5, 10, 2000]), np.array([622.3]))[0]
    np.testing.assert_allclose(flux, [10, 100, 50, 0], atol=0.1)


@pytest.fixture(scope="module")
def triangle() -> tuple[Curve, gaussian_process.Surface]:
    """Up for 50 d to a flux of 1000 and down for 50 d, in r."""
    day = np.arange(0.0, 101.0)
    curve = make_curve(day, [2] * 101, 1000 - 20 * np.abs(day - 50), [1] * 101)
    return curve, gaussian_process.fit(curve)


def test_peak_and_time_scales_of_a_triangle_are_found(triangle):
    features = surface_features.surface_features(*triangle, 0.0, np.nan)
    assert features["PeakAfterFirstDetection"] == features["LastDetectionAfterPeak"] == 50
    assert features["RiseHalf_r"] == pytest.approx(26, abs=1)
    assert features["FallHalf_r"] == pytest.approx(26, abs=1)
    assert features["FallFifth_r"] == pytest.approx(41, abs=1)
    assert features["PeakMag_r"] == pytest.approx(20.0, abs=0.02)  # 27.5 - 2.5 log10(1000)
    assert np.isnan(features["PeakAbsMag_r"])


def test_times_are_at_rest_where_the_redshift_is_known(triangle):
    seen = surface_features.surface_features(*triangle, 0.0, np.nan)
    rest = surface_features.surface_features(*triangle, 1.0, 44.0)
    assert rest["FallHalf_r"] == seen["FallHalf_r"] / 2
    assert rest["PeakAbsMag_r"] == seen["PeakMag_r"] - 44.0


def test_rest_frame_colours_and_luminosities_of_a_steady_slope(triangle):
    class Slope(gaussian_process.Surface):
        """Flux proportional to the wavelength for ever: 100 at 100 nm."""

        def flux(self, mjd, wavelength):
            return np.outer(wavelength, np.ones(len(mjd)))

    slope = Slope(*[np.empty(0)] * 3, time_scale=4.0, amplitude=1.0, log_likelihood=0.0)
    features = surface_features.surface_features(triangle[0], slope, 1.0, 44.0)
    assert features["RestColorP15_440nm_550nm"] == pytest.approx(2.5 * np.log10(550 / 440))
    # 1100 nm as observed; half the flux per unit frequency is due to the redshift of 1.
    expected = 27.5 - 2.5 * np.log10(1100 / 2) - 44.0
    assert features["RestPeakAbsMag_550nm"] == pytest.approx(expected)
    assert features["RestFluxP30_550nm"] == 1
    assert features["PeakFraction_r"] == pytest.approx(622.3 / 4067.0)  # of the sum over u to Y


def test_unknown_redshift_leaves_out_the_rest_frame(triangle):
    features = surface_features.surface_features(*triangle, np.nan, np.nan)
    assert not [name for name in features if name.startswith("Rest")]


def test_engine_matrix_reads_missing_and_huge_values_as_the_engine_does():
    clean = hierarchy.engine_matrix(np.array([[np.nan, np.inf, -np.inf, 1e33, 1e32, -2.5]]))
    assert clean.dtype == np.float32
    np.testing.assert_array_equal(clean, np.float32([[-999, -999, -999, 0, 1e32, -2.5]]))


PARENTS = {"a": "A", "b": "A", "c": "C", "d": "C"}


@pytest.fixture(scope="module")
def grown() -> tuple[hierarchy.Hierarchy, np.ndarray]:
    """Small forests on noisy classes, and the matrix that they were grown on."""
    random = np.random.default_rng(5)
    matrix = random.normal(size=(200, 4)).astype(np.float32)
    classes = np.array(list("abcd"))[(matrix[:, 0] > 0) + 2 * (matrix[:, 1] > 0)]
    classes[::7] = "d"
    settings = dict.fromkeys(("root", "C", "A"), Settings(7, 0.5, 30))
    return hierarchy.grow(matrix, classes, PARENTS, settings, seed=3), matrix


def walk(tree: Tree, row: np.ndarray) -> np.ndarray:
    """The leaf row of one object, by the rule that ``Tree`` states."""
    node = 0
    while tree.left[node] >= 0:
        below = np.float64(row[tree.feature[node]]) <= tree.threshold[node]
        node = tree.left[node] if below else tree.right[node]
    return tree.probability[node]


def average(forest: Forest, matrix: np.ndarray) -> np.ndarray:
    """The mean of the leaves, summed in the order of the trees."""
    total = np.zeros((len(matrix), len(forest.classes)))
    for tree in forest.trees:
        total += [walk(tree, row) for row in matrix]
    return total / len(forest.trees)


def test_plain_forests_equal_predict_proba_bit_for_bit(grown):
    fitted, matrix = grown
    plain = hierarchy.hierarchical_forest(fitted, ("w", "x", "y", "z"))
    assert plain.root.classes == ("A", "C")
    children = [(name, forest.classes) for name, forest in plain.children.items()]
    assert children == [("C", ("c", "d")), ("A", ("a", "b"))]  # the order of the settings
    thresholds = [tree.tree_.threshold for tree in fitted.root.estimators_]
    for tree, threshold in zip(plain.root.trees, thresholds, strict=True):
        np.testing.assert_array_equal(tree.threshold, threshold)  # float64, as the rule needs
    pairs = [(plain.root, fitted.root), (plain.children["C"], fitted.children["C"])]
    for forest, original in pairs:
        np.testing.assert_array_equal(average(forest, matrix), original.predict_proba(matrix))


def test_leaf_probability_multiplies_down_the_tree(grown):
    fitted, matrix = grown
    assert fitted.taxonomy.classes == ("c", "d", "a", "b")
    product = fitted.root.predict_proba(matrix)[:, 1] * fitted.children["C"].predict_proba(matrix).T
    np.testing.assert_array_equal(fitted.leaf_probability(matrix)[:, :2], product.T)


def test_a_tree_sees_no_more_of_a_class_than_it_may():
    classes = np.repeat(["a", "b", "c", "d"], [10, 90, 50, 50])
    matrix = np.zeros((200, 1), np.float32)  # no split is possible: the root keeps the shares
    settings = dict.fromkeys(("root", "A", "C"), Settings(1, 1.0, 30))
    fitted = hierarchy.grow(matrix, classes, PARENTS, settings, seed=0)
    np.testing.assert_array_equal(fitted.children["A"].predict_proba(matrix[:1]), [[0.25, 0.75]])


def test_held_out_objects_depend_on_their_class_and_identifier_alone():
    object_id = np.arange(180)
    classes = np.array(["big"] * 140 + ["small"] * 40)
    chosen = train_plasticc.held_out(object_id, classes)
    assert (chosen[:140].sum(), chosen[140:].sum()) == (16, 5)  # 5 is an eighth of 40
    hashed = [sha256(str(name).encode()).hexdigest() for name in object_id[140:]]
    assert chosen[140 + int(np.argmin(hashed))]
    again = train_plasticc.held_out(object_id[::-1], classes[::-1])
    np.testing.assert_array_equal(again[::-1], chosen)


def test_class_table_has_the_hierarchy_in_the_order_of_the_settings():
    parents = dict(train_plasticc.class_table().values())
    assert len(parents) == 13
    assert list(train_plasticc.SETTINGS) == ["root", *dict.fromkeys(parents.values())]


def test_kept_features_of_other_objects_are_refused(tmp_path):
    cache, objects = tmp_path / "features.parquet", tmp_path / "objects.parquet"
    pq.write_table(pa.table({"object_id": [1, 2]}), cache)
    pq.write_table(pa.table({"object_id": [2, 1], "target": [90, 90]}), objects)
    with pytest.raises(InputError) as stop:
        train_plasticc.read_objects(tmp_path / "curves.parquet", objects, cache)
    expected = f"{cache} is not of the objects in {objects}: delete it, or name another"
    assert str(stop.value) == expected


def test_band_observed_at_one_time_only_has_no_statistics_but_no_trouble():
    row = plasticc_features.features_table(*tables(mjd=[100.0] * 6)).to_pylist()[0]
    assert {row[f"{name}_g"] for name in plasticc_features.STATISTICS} == {None}
    assert (row["SnrMin_g"], row["DetectedFraction_g"]) == (5, 0.4)


def test_scores_on_noise_are_those_of_a_guess(monkeypatch):
    """A forest knows the objects it was grown on by heart: no score may come from those."""
    small = {name: Settings(3, 0.2, 1000) for name in train_plasticc.SETTINGS}
    monkeypatch.setattr(train_plasticc, "SETTINGS", small)
    names = plasticc_features.feature_names()
    noise = np.random.default_rng(1).normal(size=(312, len(names)))
    noise[:, 0] = np.nan
    columns = {name: pa.array(noise[:, i], from_pandas=True) for i, name in enumerate(names)}
    classes = np.array([name for name, _ in train_plasticc.class_table().values()] * 24)
    objects = train_plasticc.Objects(
        np.arange(312), classes, pa.table({"object_id": np.arange(312), **columns})
    )
    model = train_plasticc.trained(objects, {"curves.parquet": "0" * 64})
    data, scores = model.card["data"], model.card["scores"]
    assert (data["objects"], data["held_out"]) == (312 - 39, 39)  # an eighth of 24 per class
    assert scores["cross_validation"]["accuracy"] < 0.2
    assert scores["held_out"]["accuracy"] < 0.3
    assert sum(row["support"] for row in scores["cross_validation"]["per_class"]) == 273
    assert [known.missing_share for known in model.known[:2]] == [1.0, 0.0]
    low, high, outside_share = model.known[1].range
    inside = (noise[:, 1] >= low) & (noise[:, 1] <= high)
    assert model.known[0].range is None
    assert (outside_share, inside.mean() > 0.97) == (10 / 273, True)
    assert sum(model.card["class_shares"].values()) == pytest.approx(1, abs=1e-3)
    assert model.features == model.forest.root.features == names
