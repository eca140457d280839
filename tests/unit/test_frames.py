"""Frames of pandas: whatever index and types they have, an answer stands beside its object."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lcclassify
from lcclassify.errors import InputError
from lcclassify.frames import from_pandas
from lcclassify.testing import TOY_FEATURES as FEATURES

RNG = np.random.default_rng(5)
IDS = [f"ZTF18a{letter}" for letter in "abcdefghijklmnop"]
VALUES = {name: RNG.normal(0, 1, len(IDS)).round(2) for name in FEATURES}
OBJECTS = pa.table({"oid": IDS} | VALUES)
BIG = 2**62 + 1  # no floating-point number

N_OBSERVATIONS = 40
OBSERVATIONS = pa.table(
    {
        "oid": [IDS[number] for number in RNG.integers(0, 6, N_OBSERVATIONS)],
        "mjd": 60000 + np.arange(N_OBSERVATIONS) / 4,
        "band": ["ugrizY"[number] for number in RNG.integers(0, 6, N_OBSERVATIONS)],
        "FLUXCAL": RNG.normal(0, 100, N_OBSERVATIONS),
        "FLUXCALERR": RNG.uniform(1, 10, N_OBSERVATIONS),
    }
)


@pytest.fixture(scope="module")
def answer_of(forest_path):
    """What the model says about each object, asked without pandas: class and probability."""
    answers = lcclassify.classify_table(OBJECTS, forest_path)
    columns = (answers["class"].to_pylist(), answers["probability"].to_pylist())
    found = dict(zip(IDS, zip(*columns, strict=True), strict=True))
    assert len(set(found.values())) > len(IDS) / 2
    return found


def names():
    return st.sampled_from([None, None, "night", "index", "class", "status", 0])


@st.composite
def indexes(draw, n_rows):
    """An index of any kind; repeated values and nulls are as likely as not."""
    kind = draw(st.sampled_from(["range", "flat", "flat", "multi", "interval", "category"]))
    if kind == "range":
        start, step = draw(st.integers(-9, 9)), draw(st.sampled_from([-3, -1, 1, 2]))
        return pd.RangeIndex(start, start + step * n_rows, step, name=draw(names()))
    if kind == "interval":
        return pd.interval_range(0, periods=n_rows, name=draw(names()))
    if kind == "category":
        values = draw(st.lists(st.sampled_from(["a", "b"]), min_size=n_rows, max_size=n_rows))
        return pd.CategoricalIndex(values, ["b", "a", "c"], name=draw(names()))
    n_levels = 1 if kind == "flat" else draw(st.integers(1, 3))
    levels = [draw(levels_of(n_rows)) for _ in range(n_levels)]
    if kind == "flat":
        return levels[0].rename(draw(names()))
    labels = draw(st.lists(names(), min_size=n_levels, max_size=n_levels))
    labels = [name if labels.count(name) == 1 else None for name in labels]
    return pd.MultiIndex.from_arrays(levels, names=labels)


@st.composite
def levels_of(draw, n_rows):
    values = draw(
        st.sampled_from(
            [
                st.integers(-3, 3),
                st.integers(BIG - 2, BIG + 2),
                st.sampled_from([0.5, 1.5, float("nan")]),
                st.sampled_from(["a", "b", None]),
                st.sampled_from([1, "a", 2.5]),
                st.sampled_from([pd.Timestamp("2026-11-01"), pd.NaT]),
            ]
        )
    )
    drawn = draw(st.lists(values, min_size=n_rows, max_size=n_rows))
    index = pd.Index(drawn) if n_rows else pd.Index([], dtype=object)
    is_nullable = index.dtype == np.int64 and draw(st.booleans())
    return index.astype("Int64") if is_nullable else index


@st.composite
def frames(draw, table):
    """Rows of a table in any order, some of them several times, the id in column or index."""
    rows = draw(st.lists(st.integers(0, len(table) - 1), max_size=8))
    frame = table.to_pandas().take(rows)
    where = draw(st.sampled_from(["as taken", "index", "index", "id", "id twice", "id as a level"]))
    if where == "index":
        frame.index = draw(indexes(len(frame)))
    elif where == "id":
        frame = frame.set_index("oid")
    elif where == "id twice":
        frame = frame.set_index("oid", drop=False)
    elif where == "id as a level":
        frame.index = draw(indexes(len(frame)))
        frame = frame.set_index("oid", append=True)
    return frame


def ids_of(frame):
    return list(frame["oid"] if "oid" in frame.columns else frame.index.get_level_values("oid"))


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_class_assigned_to_a_frame_is_that_of_its_object(forest_path, answer_of, data):
    frame = data.draw(frames(OBJECTS))
    before = frame.copy()
    result = lcclassify.classify_table(frame, forest_path)
    pd.testing.assert_index_equal(result.index, frame.index, exact=True)
    assert list(result["oid"]) == ids_of(frame)
    frame["class"] = result["class"]
    frame["probability"] = result["probability"]
    answers = list(zip(frame["class"], frame["probability"], strict=True))
    assert answers == [answer_of[name] for name in ids_of(frame)]
    pd.testing.assert_frame_equal(frame.drop(columns=["class", "probability"]), before)


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_each_row_about_an_object_has_the_index_of_the_object(forest_path, answer_of, data):
    frame = data.draw(frames(OBJECTS))
    frame["rb"] = frame["rb"].astype(object)
    bad = data.draw(st.lists(st.booleans(), min_size=len(frame), max_size=len(frame)))
    frame.loc[np.array(bad, bool), "rb"] = "bad"  # no answer: one row, whatever top is
    result = lcclassify.classify_table(frame, forest_path, tidy=True, top=3)
    n_rows = np.where(bad, 1, 3).astype(int)
    assert result.index.equals(frame.index.repeat(n_rows))
    assert result.index.names == frame.index.names
    assert list(result["oid"]) == list(np.repeat(np.array(ids_of(frame), object), n_rows))
    best = result[result["ranking"].eq(1).to_numpy()]
    answered = [name for name, is_bad in zip(ids_of(frame), bad, strict=True) if not is_bad]
    found = list(zip(best["class_name"], best["probability"], strict=True))
    assert found == [answer_of[name] for name in answered]


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_answers_about_observations_are_indexed_by_object(network_path, data):
    order = data.draw(st.permutations(range(N_OBSERVATIONS)))
    frame = OBSERVATIONS.to_pandas().take(order)
    if data.draw(st.booleans()):
        frame.index = data.draw(indexes(len(frame)))
    if data.draw(st.booleans()):
        frame = frame.set_index("oid", append=data.draw(st.booleans()))
    result = lcclassify.classify_table(frame, network_path, min_coverage=0)
    first = list(dict.fromkeys(ids_of(frame)))
    assert list(result.index) == list(result["oid"]) == first
    rows = pd.DataFrame({"oid": ids_of(frame)})
    assert len(rows.merge(result, on="oid")) == len(frame)
    table = OBSERVATIONS.take(order)
    expected = lcclassify.classify_table(table, network_path, min_coverage=0)
    assert list(result["class"]) == expected["class"].to_pylist()
    tidy = lcclassify.classify_table(frame, network_path, min_coverage=0, tidy=True, top=2)
    assert list(tidy.index) == list(tidy["oid"]) == list(np.repeat(first, 2))
    assert tidy.loc[first[0], "class_name"].iloc[0] == result.loc[first[0], "class"]


def test_lists_in_rows_of_objects_keep_the_index(network_path):
    rows = OBSERVATIONS.group_by("oid", use_threads=False)
    measured = OBSERVATIONS.column_names[1:]
    lists = rows.aggregate([(name, "list") for name in measured])
    frame = lists.rename_columns(["oid", *measured]).to_pandas()
    frame.index = list("xyzxyz")[: len(frame)]
    result = lcclassify.classify_table(frame, network_path, min_coverage=0)
    pd.testing.assert_index_equal(result.index, frame.index)
    by_rows = lcclassify.classify_table(OBSERVATIONS.to_pandas(), network_path, min_coverage=0)
    assert list(result["class"]) == list(by_rows.loc[frame["oid"], "class"])


def test_the_index_may_be_big_endian(forest_path, answer_of):
    frame = OBJECTS.to_pandas()
    frame.index = pd.Index(np.arange(len(IDS))[::-1].astype(">i8"), name="night")
    frame["class"] = lcclassify.classify_table(frame, forest_path)["class"]
    assert list(frame["class"]) == [answer_of[name][0] for name in IDS]


def test_a_level_without_a_name_is_no_column():
    index = pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=[None, "oid"])
    assert from_pandas(pd.DataFrame({"x": [1.0, 2.0]}, index)).column_names == ["oid", "x"]


def test_an_index_that_contradicts_its_column_is_refused():
    frame = OBJECTS.to_pandas().set_index("oid", drop=False)
    frame["oid"] = frame["oid"].array[::-1]
    with pytest.raises(InputError, match="two columns 'oid', its index counted, which are not"):
        from_pandas(frame)


def test_labels_that_are_one_as_text_are_refused():
    with pytest.raises(InputError, match="two columns '1'"):
        from_pandas(pd.DataFrame([[1, 2]], columns=[1, "1"]))


def test_a_new_name_of_the_answers_index_is_not_the_frames(forest_path):
    frame = OBJECTS.to_pandas()
    lcclassify.classify_table(frame, forest_path).index.name = "changed"
    assert frame.index.name is None


def test_answers_can_be_classified_again(forest_path):
    frame = OBJECTS.to_pandas().set_index("oid")
    both = lcclassify.classify_table(frame, forest_path).join(frame)
    assert list(lcclassify.classify_table(both, forest_path)["class"]) == list(both["class"])


def test_values_that_nothing_asks_for_harm_nothing(forest_path, answer_of):
    odd = {"a": pd.interval_range(0, 3), "b": [object(), 1, "x"], "c": [2**70, 1j, None]}
    odd |= {"d": pd.period_range("2026", periods=3), "e": [b"\xff", b"a", None]}
    frame = OBJECTS.to_pandas().head(3).assign(**odd)
    result = lcclassify.classify_table(frame, forest_path)
    assert list(result["class"]) == [answer_of[name][0] for name in IDS[:3]]


def test_series_and_frames_of_others_are_refused_by_name(forest_path):
    class LazyTable:
        columns = ("oid",)
        index = None

        def reset_index(self):
            return self

    with pytest.raises(InputError, match=r"not .*\.LazyTable; an astropy table is taken"):
        lcclassify.classify_table(LazyTable(), forest_path)
    with pytest.raises(InputError, match=r"a pandas frame, not pandas.*Series"):
        lcclassify.classify_table(pd.Series([1]), forest_path)
