import csv
from pathlib import Path

import pytest

import lcclassify.features
from lcclassify.bundle import Feature
from lcclassify.errors import InputError
from lcclassify.features import accepted_names, is_header, match_features, some_of

CATALOGUE = Path(lcclassify.features.__file__).parent / "catalogue"


def features(*names):
    return tuple(Feature(name, accepted_names(name), None) for name in names)


@pytest.mark.parametrize(
    ("feature", "column"),
    [
        ("PPE", "Period_fit"),
        ("PPE", "PPE_12"),
        ("Period_fit", "PPE"),
        ("Power_rate_1/2", "Power_rate_1_2"),
        ("Power_rate_1/2", "Power_rate_1_2_12"),
        ("W1-W2", "W1_W2"),
        ("W1-W2", "W1_W2_12"),
        ("g-r_mean_corr", "g_r_mean_corr_12"),
        ("g_r_mean_12", "g-r_mean_12"),
        ("Power_rate_1/2", "Power_rate_1/2_12"),
        ("Multiband_period", "Multiband_period_12"),
        ("z-Y", "z_Y"),
        ("HOSTGAL_PHOTOZ", "hostgal_zphot"),
        ("REDSHIFT_HELIO", "z_final"),
    ],
)
def test_a_feature_is_found_under_each_of_its_spellings(feature, column):
    receipt = match_features(features(feature), ["oid", column])
    assert receipt.columns == {feature: column}
    assert receipt.aliased == {feature: column}


def test_its_own_name_wins_over_an_alias():
    assert match_features(features("PPE"), ["Period_fit", "PPE"]).columns == {"PPE": "PPE"}


def test_the_alerts_own_header_wins_over_a_copy_among_the_features():
    receipt = match_features(features("MWEBV"), ["MWEBV", "mwebv"])
    assert receipt.columns == {"MWEBV": "mwebv"}


def test_no_spelling_belongs_to_two_features():
    rows = list(csv.DictReader((CATALOGUE / "aliases.csv").read_text("utf-8").splitlines()))
    aliases = [row["alias"] for row in rows]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & {row["name"] for row in rows}


def test_there_are_64_header_values():
    rows = list(csv.DictReader((CATALOGUE / "header.csv").read_text("utf-8").splitlines()))
    assert len({row["diaobject"] for row in rows}) == len({row["model"] for row in rows}) == 64


def test_header_values_are_known_under_both_spellings():
    assert is_header("HOSTGAL2_MAG_Y")
    assert is_header("hostgal2_mag_Y")
    assert not is_header("Amplitude_1")


def test_coverage_counts_the_features_that_are_there():
    receipt = match_features(features("a", "b", "c", "d"), ["a", "c", "x"])
    assert receipt.coverage == 0.5
    assert receipt.missing == ("b", "d")
    assert receipt.used == ("a", "c")


def test_too_little_coverage_names_what_is_missing():
    receipt = match_features(features("a", "b", "c"), ["a"])
    with pytest.raises(InputError) as error:
        receipt.require(1.0, "toy@1.0")
    assert str(error.value) == (
        "toy@1.0 needs 3 features and the input gives 1; missing: b, c. See validate-schema for "
        "the whole list; --min-coverage 0.33 would fill them as not computed"
    )


def test_the_threshold_that_a_refusal_proposes_is_low_enough():
    receipt = match_features(features("a", "b", "c"), ["a", "b"])
    with pytest.raises(InputError, match="--min-coverage 0.66 would"):
        receipt.require(1.0, "toy@1.0")
    receipt.require(0.66, "toy@1.0")


def test_a_lower_threshold_accepts_it():
    match_features(features("a", "b"), ["a"]).require(0.5, "toy@1.0")


def test_long_lists_of_names_are_cut():
    assert some_of(list("abcdefghij"), limit=3) == "a, b, c and 7 more"
    assert some_of(["a", "b"], limit=3) == "a, b"
