"""Networks: checks, bundles, golden rows, and the conversion of published ones."""

from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from scipy.special import ndtri

from lcclassify.batch import LightCurves
from lcclassify.bundle import Range, open_bundle, write_bundle
from lcclassify.convert import convert
from lcclassify.convert_network import NetworkOptions
from lcclassify.errors import ModelError
from lcclassify.features import network_inputs
from lcclassify.network_bundle import read_golden_rows, read_transformer, write_transformer
from lcclassify.network_check import check_network, network_classes
from lcclassify.selftest_network import answer, golden_rows, normal_deviate
from lcclassify.store import install, open_model
from lcclassify.transformer import QuantileTable

CARD = {"name": "toy", "version": "1.0", "licence": "MIT", "citation": "none"}
TABLES = ["beside", "in front", "none"]


def with_tensor(transformer, name, values):
    return replace(transformer, tensors={**transformer.tensors, name: values})


@pytest.mark.parametrize("table", TABLES)
def test_a_bundle_gives_back_the_network(make_transformer, tmp_path, table):
    made = make_transformer(table, V=2)
    read = read_transformer(write_transformer(tmp_path / "toy", made, CARD))
    assert (read.settings, read.classes, read.inputs) == (made.settings, made.classes, made.inputs)
    assert read.tensors.keys() == made.tensors.keys()
    for name, tensor in made.tensors.items():
        assert np.array_equal(read.tensors[name], tensor)
        assert not read.tensors[name].flags.writeable
    for one, other in zip(read.quantiles, made.quantiles, strict=True):
        assert np.array_equal(one.quantiles, other.quantiles)
        assert np.array_equal(one.references, other.references)


def test_a_bundle_says_what_the_quantiles_know_of_training(make_transformer, tmp_path):
    made = make_transformer()
    bundle = write_transformer(tmp_path / "toy", made, CARD)
    for feature, table in zip(bundle.features, made.quantiles, strict=True):
        assert feature.range == Range(table.quantiles[0], table.quantiles[-1])
        assert feature.missing_share is None


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("generation", ["A", "B"])
def test_golden_rows_come_back_with_their_answers(make_transformer, tmp_path, table, generation):
    made = make_transformer(table, generation=generation)
    read = read_golden_rows(write_transformer(tmp_path / "toy", made, CARD))
    golden = golden_rows(made)
    for name in ("offsets", "mjd", "band", "flux", "flux_err"):
        values = getattr(golden.light_curves, name)
        assert np.array_equal(getattr(read.light_curves, name), values)
    assert read.light_curves.zero_point == 31.4
    assert np.array_equal(read.inputs, golden.inputs)
    assert np.array_equal(read.answers, golden.answers)
    assert read.answers.shape == (4, 19)
    assert np.allclose(read.answers.sum(axis=1), 1, atol=1e-12)
    assert len(np.unique(read.answers.round(6), axis=0)) == 4


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: replace(t, settings=replace(t.settings, heads=5)), "5 heads do not divide the "
         "light-curve transformer's width of 12"),
        (lambda t: replace(t, settings=replace(t.settings, table_heads=3)), "3 heads do not divide "
         "the tabular transformer's width of 8"),
        (lambda t: replace(t, settings=replace(t.settings, t_max=0.0)), "the T_max is 0.0"),
        (lambda t: replace(t, settings=replace(t.settings, zero_point=np.nan)),
         "the zero point is nan: expected an AB magnitude within -100 and 100"),
        (lambda t: replace(t, settings=replace(t.settings, zero_point=1e9)),
         "the zero point is 1000000000.0: expected an AB magnitude within -100 and 100"),
        (lambda t: replace(t, settings=replace(t.settings, table="above")),
         "generation 'A', table 'above': unknown"),
        (lambda t: replace(t, classes=t.classes[1:]), "18 classes, expected 19"),
        (lambda t: replace(t, inputs=t.inputs[1:]), "63 tabular inputs, expected 64"),
        (lambda t: replace(t, quantiles=t.quantiles[1:]), "63 quantile tables, expected 64"),
        (lambda t: with_tensor(t, "light_curve.token", t.tensors["light_curve.token"][1:]),
         "tensor table.weight is"),
        (lambda t: with_tensor(t, "head.0.bias", np.zeros(19, "f4")),
         "tensor head.0.bias is 19, expected 20 (D+Dt)"),
        (lambda t: with_tensor(t, "head.3.bias", np.zeros(19, "f4")),
         "tensors that no such network has: head.3.bias"),
        (lambda t: with_tensor(t, "table.token", np.full(8, np.nan, "f4")),
         "tensor table.token holds a value that is not finite"),
        (lambda t: with_tensor(t, "table.token", np.zeros(8)),
         "tensor table.token is of float64, expected float32"),
    ],
)  # fmt: skip
def test_a_part_that_does_not_fit_is_named(make_transformer, change, reason):
    transformer = change(make_transformer())
    if "table.weight" in reason:
        reason = "tensor modulator.value.weight is 6 x 1 x 12, expected 6 x 1 x 11 (6 V D)"
    with pytest.raises(ModelError) as caught:
        check_network(transformer)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("quantiles", "references", "reason"),
    [
        ([0.0, 2.0, 1.0], [0.0, 0.5, 1.0], "the quantiles of HOSTGAL2_ELLIPTICITY are not ascend"),
        ([0.0, np.inf], [0.0, 1.0], "the quantiles of HOSTGAL2_ELLIPTICITY hold a value that is"),
        ([0.0, 1.0], [0.0, 1.5], "the references of HOSTGAL2_ELLIPTICITY are not within 0 and 1"),
        ([0.0, 1.0, 2.0], [0.0, 1.0], "HOSTGAL2_ELLIPTICITY has 3 quantiles and 2 references"),
        ([], [], "the quantiles of HOSTGAL2_ELLIPTICITY are no list of float64"),
    ],
)
def test_unsound_quantiles_are_named(make_transformer, quantiles, references, reason):
    made = make_transformer()
    table = QuantileTable(np.array(quantiles), np.array(references))
    with pytest.raises(ModelError) as caught:
        check_network(replace(made, quantiles=(table, *made.quantiles[1:])))
    assert str(caught.value).startswith(reason)


def test_the_class_list_follows_the_width():
    assert len(network_classes(19)) == 19
    assert network_classes(20)[17] == "SN-like/Other"
    assert [name for name in network_classes(20) if name != "SN-like/Other"] == list(
        network_classes(19)
    )
    with pytest.raises(ModelError, match=r"gives 7 classes; ALeRCE's lists have 19 or 20"):
        network_classes(7)


def test_inputs_are_the_header_and_then_the_features():
    names = network_inputs(493)
    assert names[:64] == network_inputs(64)
    assert names[64:67] == ("mwebv", "redshift_helio", "Rcs_u")
    assert len(set(names)) == 493
    assert network_inputs(65) is None


@pytest.mark.parametrize("n_quantiles", [5, 100])
def test_deviates_are_those_of_scikit_learn(fit_quantiles, n_quantiles):
    fitted = fit_quantiles(n_quantiles=n_quantiles)
    landmarks = fitted.quantiles_[:, 0]
    values = np.concatenate([landmarks, landmarks + 1e-8, [-9999, 9999, 0, 0.3]])
    expected = fitted.transform(values[:, None])[:, 0]
    table = QuantileTable(landmarks, fitted.references_)
    found = [normal_deviate(value, table) for value in values.tolist()]
    assert np.allclose(found, expected, rtol=0, atol=1e-9)


def test_equal_landmarks_give_the_middle_of_their_ranks():
    table = QuantileTable(np.array([0.0, 1.0, 1.0, 2.0]), np.array([0.0, 0.2, 0.6, 1.0]))
    assert normal_deviate(1.0, table) == pytest.approx(ndtri(0.4), abs=1e-12)


def test_the_order_of_observations_changes_nothing(make_transformer):
    made = make_transformer()
    curves = golden_rows(made).light_curves
    order = np.arange(len(curves.mjd))
    order[-25:] = order[-25:][::-1]
    turned = LightCurves(
        curves.offsets,
        *(getattr(curves, name)[order] for name in ("mjd", "band", "flux", "flux_err")),
        zero_point=31.4,
    )
    deviates = np.linspace(-2, 2, 64)
    answers = [answer(made, each, 3, deviates) for each in (curves, turned)]
    assert np.allclose(*answers, rtol=0, atol=1e-14)


def test_answers_that_overflow_are_refused(make_transformer, tmp_path):
    made = make_transformer()
    swift = replace(made, settings=replace(made.settings, t_max=1e-310))
    with pytest.raises(ModelError, match="its answers overflow"):
        write_transformer(tmp_path / "toy", swift, CARD)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda m, a: m["network"].pop("heads"),
            "bad description of the network: Key",
        ),
        (lambda m, a: m["network"].update(heads=5), "5 heads do not divide"),
        (lambda m, a: m["network"]["tensors"].pop(), "weights, expected"),
        (lambda m, a: m["network"]["tensors"][0].update(shape=[-1]), "tensor light_curve.token is"),
        (lambda m, a: m["light_curve"].update(bands=["g", "r"]), "the bands are not those"),
        (lambda m, a: m["missing"].update(value=-999.0), "unknown rule for missing values"),
        (lambda m, a: a.update(weights=a["weights"][:-1]), "is there twice, or its weights are no"),
        (lambda m, a: a.update(quantiles=a["quantiles"][:-1]), "quantiles, expected"),
        (lambda m, a: a.update(quantile_counts=a["quantile_counts"] - 30), "the counts of quanti"),
    ],
)
def test_a_bundle_that_contradicts_itself_is_refused(make_transformer, tmp_path, change, reason):
    bundle = write_transformer(tmp_path / "toy", make_transformer(), CARD)
    manifest = {key: value for key, value in bundle.manifest.items() if key != "format"}
    arrays = {path.stem: np.load(path) for path in bundle.path.glob("*.npy")}
    change(manifest, arrays)
    with pytest.raises(ModelError) as caught:
        read_transformer(write_bundle(tmp_path / "other", manifest, arrays))
    assert str(caught.value).startswith(f"model {tmp_path / 'other'}: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "name", ["golden_offsets", "golden_observations", "golden_inputs", "golden_answers"]
)
def test_golden_rows_that_do_not_fit_are_refused(make_transformer, tmp_path, name):
    bundle = write_transformer(tmp_path / "toy", make_transformer(), CARD)
    manifest = {key: value for key, value in bundle.manifest.items() if key != "format"}
    arrays = {path.stem: np.load(path) for path in bundle.path.glob("*.npy")}
    other = write_bundle(tmp_path / "other", manifest, {**arrays, name: arrays[name][:-1]})
    with pytest.raises(ModelError, match="golden rows of the wrong shape"):
        read_golden_rows(other)


# Conversion.


@pytest.mark.parametrize("generation", ["A", "B"])
def test_a_published_folder_becomes_a_bundle(make_network, tmp_path, generation):
    source = make_network(generation)
    bundle = convert(source, tmp_path / "bundle")
    read = read_transformer(bundle)
    assert (bundle.name, bundle.family) == ("balto", "transformer")
    assert read.settings.generation == generation
    assert (read.settings.heads, read.settings.table_heads, read.settings.t_max) == (4, 4, 1500)
    assert bundle.manifest["provenance"]["assumed"] == ["heads", "table_heads", "t_max"]
    assert bundle.features[62].accepts == ("z_final", "REDSHIFT_HELIO")
    assert bundle.taxonomy.classes == network_classes(19)


def test_options_say_what_the_file_cannot(make_network, tmp_path):
    source = make_network()
    options = NetworkOptions((), 2, 8, 700.0, 27.5)
    read = read_transformer(convert(source, tmp_path / "bundle", options=options))
    assert (read.settings.heads, read.settings.table_heads) == (2, 8)
    assert (read.settings.t_max, read.settings.zero_point) == (700.0, 27.5)
    with pytest.raises(ModelError, match=r"state\.pth: 5 heads do not divide"):
        convert(source, tmp_path / "other", options=NetworkOptions(heads=5))


def test_an_option_that_contradicts_the_file_is_refused(make_network, make_state, tmp_path):
    source = make_network()
    state = {"state_dict": make_state(), "hyper_parameters": {"num_heads": 6}}
    torch.save(state, source / "state.pth")
    with pytest.raises(ModelError, match="the file says heads 6, the option 2"):
        convert(source, tmp_path / "bundle", options=NetworkOptions(heads=2))


def test_a_network_of_features_and_header_is_messi(make_network, tmp_path):
    bundle = convert(make_network(n_inputs=493), tmp_path / "bundle")
    assert bundle.name == "messi"
    assert [feature.name for feature in bundle.features] == list(network_inputs(493))
    assert bundle.features[64].accepts == ("features.mwebv", "mwebv", "MWEBV")


def test_one_file_of_quantiles_is_as_good_as_many(make_network, fit_quantiles, tmp_path):
    source = make_network()
    columns = [f"norm_{name}" for name in network_inputs(64)]
    for names in (None, columns):
        path = tmp_path / f"md_fold_{names is None}.joblib"
        fitted = fit_quantiles(64, names)
        joblib.dump(fitted, path)
        read = read_transformer(
            convert(source, path.with_suffix(""), options=NetworkOptions(quantiles=(path,)))
        )
        for column, table in enumerate(read.quantiles):
            assert np.array_equal(table.quantiles, fitted.quantiles_[:, column])


def spoil(source, fit_quantiles, what):
    folder = source / "HeaderNorm1QT"
    first = folder / "norm_MWEBV.joblib"
    if what == "missing":
        first.unlink()
    elif what == "unknown":
        joblib.dump(fit_quantiles(), folder / "norm_MASS.joblib")
    elif what == "two columns":
        joblib.dump(fit_quantiles(2), first)
    elif what == "other name":
        joblib.dump(fit_quantiles(1, ["MWEBV_ERR"]), first)
    elif what == "twice":
        joblib.dump(fit_quantiles(64), source / "all.joblib")
    elif what == "63 columns":
        joblib.dump(fit_quantiles(63), source / "all.joblib")
    elif what == "two networks":
        (source / "other.ckpt").write_bytes((source / "state.pth").read_bytes())
    elif what == "none":
        for path in folder.iterdir():
            path.unlink()


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("missing", "there are no quantile transformers for MWEBV"),
        (
            "unknown",
            "HeaderNorm1QT/norm_MASS.joblib: the network has no input MASS",
        ),
        (
            "two columns",
            "HeaderNorm1QT/norm_MWEBV.joblib: it has 2 columns, expected MWEBV alone",
        ),
        (
            "other name",
            "HeaderNorm1QT/norm_MWEBV.joblib: it has 1 columns (MWEBV_ERR), expected MWEBV alone",
        ),
        (
            "twice",
            "HeaderNorm1QT/norm_HOSTGAL2_ELLIPTICITY.joblib: there are two quantile transformers "
            "for HOSTGAL2_ELLIPTICITY",
        ),
        ("63 columns", "network/all.joblib: it has 63 columns, expected 64"),
        ("two networks", "holds 2 networks, other.ckpt, state.pth; name the file of one"),
        (
            "none",
            "no quantile transformers beside it for its 64 inputs; name their file or folders with "
            "--quantiles",
        ),
    ],
)
def test_files_that_are_not_one_network_are_refused(
    make_network, fit_quantiles, tmp_path, what, reason
):
    source = make_network()
    spoil(source, fit_quantiles, what)
    with pytest.raises(ModelError) as caught:
        convert(source, tmp_path / "bundle")
    assert str(caught.value) == f"{source}: {reason}"
    assert not (tmp_path / "bundle").exists()


def test_forests_take_no_options_of_networks(tmp_path):
    options = NetworkOptions(heads=4, zero_point=27.5)
    with pytest.raises(ModelError, match="a forest takes no --heads, --zero-point; these are for"):
        convert(tmp_path, tmp_path / "bundle", options=options)


def test_a_network_is_converted_once_per_content(make_network, cache):
    source = make_network()
    bundle = open_model(source)
    assert open_model(source).path == bundle.path
    assert open_model(source / "state.pth").path == bundle.path
    (source / "HeaderNorm1QT" / "norm_MWEBV.joblib").write_bytes(
        (source / "HeaderNorm1QT" / "norm_MWEBV_ERR.joblib").read_bytes()
    )
    assert install(source).label == bundle.label
    assert len(list((cache / "converted").iterdir())) == 1
    joblib_file = source / "HeaderNorm1QT" / "norm_MWEBV.joblib"
    joblib.dump(joblib.load(joblib_file), joblib_file, compress=3)
    assert open_model(source).label != bundle.label
    assert open_bundle(bundle.path).digest == bundle.digest


def test_a_network_that_cannot_be_read_is_told(tmp_path):
    missing = tmp_path / "none.pt"
    with pytest.raises(ModelError, match="cannot be read: No such file or directory"):
        convert(missing, tmp_path / "bundle")
    (tmp_path / "text.pt").write_text("text")
    with pytest.raises(ModelError) as caught:
        convert(Path(tmp_path / "text.pt"), tmp_path / "bundle")
    assert str(caught.value).startswith(f"{tmp_path / 'text.pt'}: ")
