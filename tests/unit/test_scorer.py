"""TableScorer: what it answers, what travels of it, and what it refuses."""

import pickle

import numpy as np
import pyarrow as pa
import pytest

import lcclassify
from lcclassify.errors import InputError, ModelError
from lcclassify.network_bundle import write_transformer
from lcclassify.network_check import network_classes
from lcclassify.predictors import kept
from lcclassify.scorer import TableScorer
from lcclassify.testing import TOY_FEATURES as FEATURES
from lcclassify.testing import make_transformer

TABLE = pa.table(
    {"cutout": [b"x"] * 9, "oid": list("ihgfedcba")}
    | {name: np.random.default_rng(len(name)).normal(size=9) for name in FEATURES}
)
CURVES = pa.table(
    {
        "oid": ["a", "b"],
        "mjd": [[60009.0, 60000.0], [60001.0]],
        "band": [["z", "y"], ["g"]],
        "flux": [[50.0, 30.0], [10.0]],
        "MWEBV": [0.3, 0.1],
        "cutout": [b"x", b"y"],
    }
)


@pytest.fixture
def network(tmp_path):
    """A bundle of a small network that looks at light curves and MWEBV."""
    card = {"name": "net", "version": "1", "licence": "none", "citation": "none"}
    model = make_transformer(inputs=("MWEBV",), classes=network_classes(19))
    return write_transformer(tmp_path / "net", model, card).path


def test_the_answers_are_those_of_classify_table(model):
    scorer = TableScorer.of(model.path, tidy=True, top=2)
    expected = lcclassify.classify_table(TABLE, str(model.path), tidy=True, top=2)
    assert scorer(TABLE).equals(expected)


@pytest.mark.parametrize("size", [1, 2, 9])
def test_record_batches_of_any_size_have_the_same_answers(model, size):
    scorer = TableScorer.of(model.path)
    answers = [scorer(batch) for batch in TABLE.to_batches(max_chunksize=size)]
    assert pa.concat_tables(answers).equals(scorer(TABLE))


def test_a_copy_that_travelled_answers_alike_and_is_small(network):
    scorer = TableScorer.of(network, zero_point=31.4)
    sent = pickle.dumps(scorer)
    assert len(sent) < 1000
    assert pickle.loads(sent) == scorer
    assert pickle.loads(sent)(CURVES).equals(scorer(CURVES))


def test_the_schema_of_answers_is_known_before(model, network):
    for scorer, table in (
        (TableScorer.of(model.path), TABLE),
        (TableScorer.of(model.path, top=2), TABLE),
        (TableScorer.of(model.path, tidy=True), TABLE),
        (TableScorer.of(network, zero_point=27.5, hierarchy=True), CURVES),
    ):
        assert scorer.answer_schema(table.schema) == scorer(table).schema


def test_no_model_is_loaded_for_the_schema(model):
    before = kept._load.cache_info().misses
    TableScorer.of(model.path).answer_schema(TABLE.schema)
    assert kept._load.cache_info().misses == before


def test_what_is_needed_of_a_table(model, network):
    assert TableScorer.of(model.path).needed(TABLE.schema) == ["oid", *FEATURES]
    needed = TableScorer.of(network, zero_point=31.4).needed(CURVES.schema)
    assert needed == ["oid", "mjd", "band", "flux", "MWEBV"]


def test_features_in_a_struct_are_needed_as_a_whole(model):
    features = pa.StructArray.from_arrays(
        [column.combine_chunks() for column in TABLE.select(FEATURES).columns], FEATURES
    )
    table = pa.table({"oid": TABLE["oid"], "features": features, "other": TABLE["cutout"]})
    assert TableScorer.of(model.path).needed(table.schema) == ["oid", "features"]


def test_an_id_may_be_named(model):
    table = TABLE.rename_columns(["cutout", "star", *FEATURES])
    assert TableScorer.of(model.path, id_name="star")(table)["star"].equals(TABLE["oid"])


def test_another_model_at_the_path_is_refused(model):
    scorer = TableScorer(str(model.path), "0" * 64)
    with pytest.raises(ModelError, match=f"{model.path} is another model now: its digest is"):
        scorer(TABLE)


def test_options_that_make_no_sense_are_refused_at_once(model):
    with pytest.raises(InputError, match="looks at no light curves: there is nothing for --zero-"):
        TableScorer.of(model.path, zero_point=31.4)
    with pytest.raises(InputError, match="hierarchy adds columns, tidy has rows: choose one"):
        TableScorer.of(model.path, tidy=True, hierarchy=True)


def test_missing_features_are_told_by_the_schema_alone(model):
    with pytest.raises(InputError, match=r"toy@1.0 needs 4 features and the input gives 3; missi"):
        TableScorer.of(model.path).answer_schema(TABLE.drop_columns(["rb"]).schema)


def test_tables_that_frameworks_divide_have_no_row_per_observation(network):
    rows = pa.table({"oid": ["a"], "mjd": [6e4], "band": ["g"], "flux": [1.0], "MWEBV": [0.1]})
    scorer = TableScorer.of(network, zero_point=31.4)
    assert scorer(rows)["status"].to_pylist() == ["ok"]
    with pytest.raises(InputError, match=r"a row per observation \(mjd, band, flux\); gather"):
        scorer.answer_schema(rows.schema)
