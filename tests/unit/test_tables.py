from importlib.resources import files

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lcclassify
from lcclassify.errors import InputError
from lcclassify.network_bundle import write_transformer
from lcclassify.network_check import network_classes
from lcclassify.store import install
from lcclassify.testing import TOY_FEATURES as FEATURES
from lcclassify.testing import make_transformer

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


def test_one_mixed_value_in_a_frame_costs_its_row():
    frame = TABLE.to_pandas().astype({"rb": object})
    frame.loc[0, "rb"] = "bad"
    frame.loc[1, "rb"] = 0.25
    result = lcclassify.classify_table(frame)
    assert result["status"].tolist() == ["invalid_features", "ok"]


def test_an_object_without_an_id_is_a_problem_in_tables_too():
    table = TABLE.set_column(0, "oid", pa.array(["b", None]))
    assert lcclassify.classify_table(table)["status"].to_pylist() == ["ok", "invalid_record"]


@pytest.mark.parametrize(
    "options",
    [{"top": 0}, {"top": -1}, {"tidy": True, "hierarchy": True}, {"min_coverage": float("nan")}],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(InputError):
        lcclassify.classify_table(TABLE, "toy", **options)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"zero_point": 31.4}, "--zero-point"), ({"magnitudes": True}, "--magnitudes")],
)
def test_a_forest_takes_no_options_of_light_curves(options, name):
    with pytest.raises(InputError) as error:
        lcclassify.classify_table(TABLE, "toy", **options)
    assert str(error.value) == (f"toy@1.0 looks at no light curves: there is nothing for {name}")


def test_frames_whose_columns_cannot_be_told_apart_are_refused():
    frame = TABLE.to_pandas()
    other_index = frame.set_index(pd.Index(["a", "b"], name="oid"))
    for odd in (pd.concat([frame, frame], axis=1), other_index, frame["rb"]):
        with pytest.raises(InputError):
            lcclassify.classify_table(odd)


def test_a_path_names_a_model(model):
    assert lcclassify.load(model.path).bundle.digest == model.digest


def test_batches_that_do_not_fit_together_are_refused():
    with pytest.raises(InputError, match="1 ids and 2 rows of features"):
        lcclassify.Batch(pa.array(["b"]), "oid", TABLE.select(FEATURES))
    texts = pa.table({name: ["x", "y"] for name in FEATURES})
    with pytest.raises(InputError, match="column 'Amplitude_1' holds string, not numbers"):
        lcclassify.load("toy").predict(lcclassify.Batch(pa.array(["b", "a"]), "oid", texts))


@pytest.fixture
def network(tmp_path):
    """A bundle of a small network that looks at light curves and MWEBV."""
    card = {"name": "net", "version": "1", "licence": "none", "citation": "none"}
    model = make_transformer(inputs=("MWEBV",), classes=network_classes(19))
    return str(write_transformer(tmp_path / "net", model, card).path)


def test_light_curves_are_rows_or_lists(network):
    rows = pa.table(
        {
            "oid": ["b", "b", "a", "b", "a"],
            "mjd": [60001.0, 60002.0, 60000.0, 60005.0, 60009.0],
            "band": ["g", "r", "y", "i", "z"],
            "FLUXCAL": [10.0, 20.0, 30.0, float("nan"), 50.0],
            "FLUXCALERR": [1.0, 1.0, 1.0, 1.0, 1.0],
            "MWEBV": [0.1, 0.1, 0.3, 0.1, 0.3],
        }
    )
    lists = pa.table(
        {
            "oid": ["a", "b"],
            "mjd": [[60009.0, 60000.0], [60001.0, 60005.0, 60002.0]],
            "band": [["z", "y"], ["g", "i", "r"]],
            "FLUXCAL": [[50.0, 30.0], [10.0, float("nan"), 20.0]],
            "FLUXCALERR": [[1.0, 1.0], [1.0, 1.0, 1.0]],
            "MWEBV": [0.3, 0.1],
        }
    )
    by_rows, by_lists = (lcclassify.classify_table(table, network) for table in (rows, lists))
    assert by_rows["oid"].to_pylist() == ["b", "a"]
    assert by_rows["status"].to_pylist() == ["repaired", "repaired"]
    turned = by_lists.take(pa.array([1, 0]))
    assert turned.select(["oid", "class", "status", "reason"]).equals(
        by_rows.select(["oid", "class", "status", "reason"])
    )
    np.testing.assert_allclose(
        turned["probability"].to_numpy(), by_rows["probability"].to_numpy(), rtol=0, atol=1e-6
    )
    frame = lcclassify.classify_table(rows.to_pandas(), network)
    assert frame["class"].tolist() == by_rows["class"].to_pylist()


def test_a_preset_says_where_the_light_curves_of_a_table_lie(network, tmp_path):
    curve = {"band": ["g", "y"], "psfFlux": [1.0, 2.0], "psfFluxErr": [0.1, 0.1]}
    curve |= {"psfFlux_flag": [False, False], "midpointMjdTai": [6e4, 6e4 + 1]}
    lists = {
        name: pa.array([values], pa.large_list(pa.array(values).type))
        for name, values in curve.items()
    }
    sources = pa.StructArray.from_arrays(list(lists.values()), list(lists))
    table = pa.table({"objectId": [7], "dust": [0.1], "objectForcedSource": sources})
    names = tmp_path / "names.toml"
    preset = files("lcclassify") / "catalogue" / "presets" / "rubin-object.toml"
    names.write_text('[columns]\nMWEBV = "dust"\n' + preset.read_text())
    result = lcclassify.classify_table(table, network, columns=names)
    assert result.select(["objectId", "status"]).to_pylist() == [{"objectId": 7, "status": "ok"}]
    result = lcclassify.classify_table(table, network, columns="rubin-object", min_coverage=0)
    assert result["reason"].to_pylist() == ["its header is missing"]
    names.write_text('[columns]\nMWEBV = "nope"\n')
    with pytest.raises(InputError, match=r"names\.toml: the input has no column nope"):
        lcclassify.classify_table(table, network, columns=names)


def test_a_flux_without_a_unit_asks_for_one(network):
    columns = {"oid": ["a"], "mjd": [6e4], "band": ["g"], "flux": [1.0], "MWEBV": [0.1]}
    with pytest.raises(InputError, match="the table: 'flux' does not say its unit; give --zero-"):
        lcclassify.classify_table(pa.table(columns), network)
    result = lcclassify.classify_table(pa.table(columns), network, zero_point=31.4)
    assert result["status"].to_pylist() == ["ok"]


def test_a_model_of_light_curves_needs_some(network):
    with pytest.raises(InputError, match="the table: no light curves: expected columns of time"):
        lcclassify.classify_table(pa.table({"oid": ["a"], "MWEBV": [0.1]}), network)
