from collections import Counter

import pytest

from lcclassify.bundle import Feature
from lcclassify.drift import find_drift, some_sentences
from lcclassify.features import match_features
from lcclassify.summary import Summary
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_bundle

FEATURES = (
    Feature("W1-W2", ("W1-W2", "W1_W2"), 0.2),
    Feature("PPE", ("PPE",), 0.0),
    Feature("rb", ("rb",), None),
)
BUNDLE = make_bundle(Taxonomy.from_children(["A", "B"], {}), features=FEATURES)


def drift(n_objects, missing, columns=("W1_W2", "PPE", "rb"), classes=None, bundle=BUNDLE):
    summary = Summary(n_objects, Counter(classes or {}), n_missing=Counter(missing))
    return find_drift(bundle, match_features(FEATURES, columns), summary)


def test_the_share_of_training_is_no_drift():
    assert drift(10_000, {"W1_W2": 2000}) == []
    assert drift(10_000, {"W1_W2": 2900, "PPE": 900, "rb": 5000}) == []


def test_colours_that_are_all_missing_are_told():
    """The WISE incident: every colour null for months, unnoticed."""
    assert drift(1000, {"W1_W2": 1000, "rb": 1000}) == [
        "W1-W2 is missing in 100.0% of the objects; 20.0% in training",
        "rb is missing in every object",
    ]


def test_values_where_training_had_gaps_are_told_too():
    assert drift(10_000, {}) == ["W1-W2 is missing in 0.0% of the objects; 20.0% in training"]


@pytest.mark.parametrize("n_objects", [0, 1, 99])
def test_a_few_objects_say_nothing(n_objects):
    assert drift(n_objects, {"W1_W2": n_objects, "rb": n_objects}) == []


def test_small_samples_may_differ_more():
    assert drift(100, {"W1_W2": 38}) == []
    assert len(drift(10_000, {"W1_W2": 3800})) == 1


def test_a_column_that_is_not_there_is_the_receipts_business():
    assert drift(1000, {}, columns=("PPE", "rb")) == []


CLASSES = Taxonomy.from_children(["Periodic", "Stochastic", "Transient"], {})
CARD = {"Periodic": 0.715, "Stochastic": 0.2, "Transient": 0.085}
WITH_CLASSES = make_bundle(CLASSES, FEATURES, CARD)


def class_drift(**classes):
    usual = {"W1_W2": sum(classes.values()) // 5}
    return drift(sum(classes.values()), usual, classes=classes, bundle=WITH_CLASSES)


def test_classes_that_went_elsewhere_are_told():
    """The shares of the WISE incident."""
    assert class_drift(Periodic=3680, Stochastic=5000, Transient=1320) == [
        "35% of the answers are of other classes than in training, where at most 30% are usual: "
        "now (then) Periodic 36.8% (71.5%), Stochastic 50.0% (20.0%), Transient 13.2% (8.5%)"
    ]


def test_another_season_or_field_is_no_drift():
    assert class_drift(Periodic=5150, Stochastic=3500, Transient=1350) == []


def test_a_few_answers_say_nothing_about_classes():
    assert class_drift(Transient=999) == []
    assert len(class_drift(Transient=1000)) == 1


def test_a_model_whose_card_has_no_class_shares_tells_none():
    assert drift(5000, {"W1_W2": 1000}, classes={"A": 5000}) == []


def test_long_lists_are_cut():
    assert some_sentences(list("abc"), limit=2) == ["a", "b", "and 1 more"]
