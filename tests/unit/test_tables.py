import pandas as pd
import pyarrow as pa
import pytest

import lcclassify
from lcclassify.errors import InputError
from lcclassify.store import install
from lcclassify.testing import TOY_FEATURES as FEATURES

TABLE = pa.table({"oid": ["b", "a"]} | {name: [0.5, None] for name in FEATURES})


@pytest.fixture(autouse=True)
def installed(model):
    install(model.path)


def test_a_pyarrow_table_gives_a_pyarrow_table():
    result = lcclassify.classify_table(TABLE)
    assert isinstance(result, pa.Table)
    assert result["oid"].to_pylist() == ["b", "a"]
    assert result["classifier_name"].to_pylist() == ["toy", "toy"]


def test_a_pandas_frame_gives_the_same_as_a_frame():
    result = lcclassify.classify_table(TABLE.to_pandas(), "toy", tidy=True, top=2)
    assert isinstance(result, pd.DataFrame)
    expected = lcclassify.classify_table(TABLE, "toy", tidy=True, top=2)
    assert pa.Table.from_pandas(result, preserve_index=False).to_pylist() == expected.to_pylist()


def test_the_named_index_of_a_frame_is_a_column():
    frame = TABLE.to_pandas().set_index("oid")
    assert lcclassify.classify_table(frame)["oid"].tolist() == ["b", "a"]


def test_the_id_can_be_named():
    table = TABLE.rename_columns(["name", *FEATURES])
    assert lcclassify.classify_table(table, id_name="name")["name"].to_pylist() == ["b", "a"]
    with pytest.raises(InputError, match="no object id: none of the columns oid, aid"):
        lcclassify.classify_table(table)


def test_what_is_no_table_is_refused():
    with pytest.raises(InputError, match="expected a pyarrow table or a pandas frame, not list"):
        lcclassify.classify_table([1])


def test_the_predictor_of_the_library_answers_a_batch():
    predictor = lcclassify.load("toy")
    batch = lcclassify.Batch(TABLE["oid"].combine_chunks(), "oid", TABLE.select(FEATURES))
    assert predictor.predict(batch).leaf_probability.shape == (2, 5)


def test_only_public_names_are_there():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lcclassify.nothing  # noqa: B018
