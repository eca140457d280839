import numpy as np
import pytest

from lcclassify.bundle import Feature, Range
from lcclassify.drift import (
    class_shift,
    find_drift,
    known_of,
    missing_shares,
    outside_shares,
    some_sentences,
)
from lcclassify.tally import Tally
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_bundle

FEATURES = (
    Feature("W1-W2", ("W1-W2", "W1_W2"), 0.2),
    Feature("PPE", ("PPE",), 0.0, Range(0.05, 500.0, 0.002)),
    Feature("rb", ("rb",), None),
)
CLASSES = Taxonomy.from_children(["Periodic", "Stochastic", "Transient"], {})
CARD = {"Periodic": 0.715, "Stochastic": 0.2, "Transient": 0.085}
BUNDLE = make_bundle(CLASSES, features=FEATURES)
WITH_CLASSES = make_bundle(CLASSES, FEATURES, CARD)


def tally(n_objects, missing=(0, 0, 0), outside=(0, 0, 0), bundle=BUNDLE, classes=(0, 0, 0)):
    return Tally(bundle, n_objects, *map(np.array, (missing, outside, classes)))


def drift(*args, absent=(), **named):
    return [finding.sentence for finding in find_drift(tally(*args, **named), absent)]


def test_the_share_of_training_is_no_drift():
    assert drift(10_000, (2000, 0, 0)) == []
    assert drift(10_000, (4900, 2900, 5000), (0, 1000 * 0.7, 0)) == []


def test_colours_that_are_all_missing_are_told():
    """The WISE incident: every colour null for months, unnoticed."""
    assert drift(1000, (1000, 0, 1000)) == [
        "W1-W2 is missing in 100.0% of the objects; 20.0% in training",
        "rb is missing in every object",
    ]


def test_values_where_training_had_gaps_are_told_too():
    features = (Feature("W1-W2", ("W1-W2",), 0.6),)
    gaps = Tally(make_bundle(CLASSES, features), 10_000, *[np.zeros(n, int) for n in (1, 1, 3)])
    assert [f.sentence for f in find_drift(gaps)] == [
        "W1-W2 is missing in 0.0% of the objects; 60.0% in training"
    ]


def test_a_feature_that_few_have_is_told_when_nobody_has_it_and_somebody_should():
    features = (Feature("W1-W2", ("W1-W2",), 0.9),)
    bundle = make_bundle(CLASSES, features)

    def found(n_objects, n_missing):
        counts = np.array([n_missing]), np.zeros(1, int), np.zeros(3, int)
        return [f.what for f in find_drift(Tally(bundle, n_objects, *counts))]

    assert found(240, 240) == []
    assert found(260, 260) == ["missing"]
    assert found(260, 259) == []


@pytest.mark.parametrize("n_objects", [0, 1, 99])
def test_a_few_objects_say_nothing(n_objects):
    assert drift(n_objects, (n_objects, 0, n_objects), (0, n_objects, 0)) == []


def test_values_out_of_their_range_are_told():
    assert drift(1000, (200, 0, 0), (0, 103, 0)) == [
        "PPE is outside 0.05 to 500 in 10.3% of the objects that have it; at most 0.2% in training"
    ]
    assert drift(1000, (200, 0, 0), (0, 102, 0)) == []


def test_a_few_values_say_nothing_about_their_range():
    features = (Feature("PPE", ("PPE",), 0.9, Range(0.0, 1.0)),)
    few = Tally(make_bundle(CLASSES, features), 1000, np.array([901]), np.array([99]), np.zeros(3))
    assert find_drift(few) == []


def test_a_column_that_is_not_there_is_the_receipts_business():
    assert drift(1000, (1000, 0, 0), absent=["W1-W2"]) == []


def test_classes_that_went_elsewhere_are_told():
    """The shares of the WISE incident."""
    found = tally(10_000, (2000, 0, 0), classes=(3680, 5000, 1320), bundle=WITH_CLASSES)
    assert [finding[1:] for finding in find_drift(found)] == [
        (
            None,
            "35% of the answers are of other classes than in training, where at most 30% are "
            "usual: now (then) Periodic 36.8% (71.5%), Stochastic 50.0% (20.0%), Transient 13.2% "
            "(8.5%)",
        )
    ]
    assert class_shift(found) == pytest.approx(0.347)


def test_another_season_or_field_is_no_drift():
    assert drift(10_000, (2000, 0, 0), classes=(5150, 3500, 1350), bundle=WITH_CLASSES) == []


def test_a_few_answers_say_nothing_about_classes():
    assert class_shift(tally(999, classes=(0, 0, 999), bundle=WITH_CLASSES)) is None
    assert class_shift(tally(1000, classes=(0, 0, 1000), bundle=WITH_CLASSES)) == 0.915


def test_a_model_whose_card_has_no_class_shares_tells_none():
    assert drift(5000, (1000, 0, 0), classes=(5000, 0, 0)) == []


def test_shares_that_nobody_can_know_are_nan():
    np.testing.assert_array_equal(missing_shares(tally(0)), [np.nan] * 3)
    shares = outside_shares(tally(10, (0, 5, 0), (0, 1, 0)))
    np.testing.assert_array_equal(shares, [np.nan, 0.2, np.nan])


def test_what_a_card_knows_is_told():
    assert known_of(BUNDLE) == (
        "the card of toy@1.0 knows the missing values of 2 of 3 features, the ranges of 1, no "
        "shares of classes; a feature that no object has is always told"
    )
    assert known_of(make_bundle(CLASSES, FEATURES[:2], CARD)) == (
        "the card of toy@1.0 knows the missing values of 2 of 2 features, the ranges of 1, the "
        "shares of classes"
    )


def test_long_lists_are_cut():
    assert some_sentences(["a", "b", "c"], limit=2) == ["a", "b", "and 1 more"]
    assert some_sentences(["a", "b"], limit=2) == ["a", "b"]
