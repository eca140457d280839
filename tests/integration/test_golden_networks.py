"""The published networks: tensors as torch reads them, answers, and what is refused."""

import io
import json
import sys
import types
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from lcclassify.batch import BANDS, LightCurves
from lcclassify.convert import convert
from lcclassify.convert_network import NetworkOptions
from lcclassify.errors import ModelError
from lcclassify.features import network_inputs
from lcclassify.legacy.modules import MODULE_NAMES, Module
from lcclassify.legacy.networks import Stated, read_network
from lcclassify.legacy.quantiles import read_quantiles
from lcclassify.legacy.records import RefusedError
from lcclassify.legacy.torch_files import read_torch, to_tensor
from lcclassify.network_bundle import read_golden_rows, read_transformer
from lcclassify.selftest_network import answer, golden_rows, normal_deviate
from lcclassify.store import open_model

SHARED = Path(__file__).parents[2].parent / "shared"
GOLDEN = SHARED / "golden" / "transformers"
MALICIOUS = GOLDEN / "malicious"
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no golden networks in {GOLDEN}")

STATES = {
    "balto/encoder_state_legacy_format.pth": "",
    "balto/lightning_E.ckpt": "E.",
    "balto_gen_b/balto_state_prod.pth": "",
    "balto_gen_b/my_best_checkpoint-step=4821.ckpt": "atat.",
    "malicious/control_ok.pth": "",
    "malicious/control_gen_b_ok.pth": "",
}
HEADER = GOLDEN / "balto" / "HeaderNorm1QT"
SOURCES = {
    "balto": ("balto/EncoderHeader.pt", "balto/HeaderNorm1QT"),
    "messi": ("messi", None),
    "balto_gen_b": ("balto_gen_b/balto_state_prod.pth", None),
    "noise": ("variants/noise.pt", "balto/HeaderNorm1QT"),
    "light_curve_only": ("variants/light_curve_only.pt", None),
    "combined": ("variants/combined.pt", "balto/HeaderNorm1QT"),
}
ALMOST = 2e-5  # what 32 bits cost the reference itself is 1e-5


def manifest():
    path = MALICIOUS / "MANIFEST.json"
    cases = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return {name: case for name, case in cases.items() if not name.endswith(".avro")}


CASES = manifest()


@pytest.fixture(scope="module", params=SOURCES)
def model(request, tmp_path_factory):
    source, quantiles = SOURCES[request.param]
    options = NetworkOptions((GOLDEN / quantiles,) if quantiles else ())
    dest = tmp_path_factory.mktemp("bundles") / request.param
    return request.param, convert(GOLDEN / source, dest, options=options)


def expected_path(name):
    path = GOLDEN / "expected" / f"expected_{name}.parquet"
    return path if path.is_file() else GOLDEN / "variants" / f"expected_{name}.parquet"


# Tensors.


@pytest.mark.parametrize("name", STATES)
def test_every_number_is_the_one_that_torch_reads(name):
    value = torch.load(GOLDEN / name, map_location="cpu", weights_only=True)
    value = value.get("state_dict", value)
    state = {key.removeprefix(STATES[name]): tensor.numpy() for key, tensor in value.items()}
    network = read_network((GOLDEN / name).read_bytes())
    transformers = {
        "A": [("light_curve", "transformer.layers"), ("table", "tab_transformer.layers")],
        "B": [
            ("light_curve", "transformer_lc.stacked_transformers"),
            ("table", "transformer_ft.stacked_transformers"),
        ],
    }
    query, value_name = {
        "A": ("0.fn.mha_lc.q_proj.weight", "0.fn.mha_lc.v_proj.weight"),
        "B": ("attn_forward.linears.0.weight", "attn_forward.linears.2.weight"),
    }[network.generation]
    for own, published in transformers[network.generation]:
        mixed = network.tensors[f"{own}.0.qkv.weight"]
        width = mixed.shape[1]
        assert np.array_equal(mixed[:width], state[f"{published}.0.{query}"])
        assert np.array_equal(mixed[2 * width :], state[f"{published}.0.{value_name}"])
    # Each number of the file is in the network, or in a part that only training needs.
    unused = ("lc_classifier", "tab_classifier", "classifier_lc", "classifier_ft")
    known = np.concatenate([tensor.ravel() for tensor in network.tensors.values()])
    used = [
        tensor.ravel()
        for key, tensor in state.items()
        if not key.startswith(unused) and not key.endswith(".ar")
    ]
    assert np.isin(np.concatenate(used), known).all()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("balto/EncoderHeader.pt", "balto/encoder_state_legacy_format.pth"),
        ("balto/EncoderHeader.pt", "balto/lightning_E.ckpt"),
        ("balto_gen_b/balto_state_prod.pth", "balto_gen_b/my_best_checkpoint-step=4821.ckpt"),
    ],
)
def test_all_containers_of_a_network_give_the_same_tensors(one, other):
    first, second = (read_network((GOLDEN / name).read_bytes()) for name in (one, other))
    assert first.tensors.keys() == second.tensors.keys()
    for name, tensor in first.tensors.items():
        assert np.array_equal(tensor, second.tensors[name]), name


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("balto/EncoderHeader.pt", Stated(4, 4, 1500.0)),
        ("balto/lightning_E.ckpt", Stated(4, 4, 1500.0)),
        ("balto/encoder_state_legacy_format.pth", Stated()),
        ("messi/EncoderFeat.pt", Stated(4, 4, 1500.0)),
        ("variants/noise.pt", Stated(3, 2, 1500.0)),
        ("variants/combined.pt", Stated(3, None, 1500.0)),
    ],
)
def test_heads_and_period_are_those_that_the_file_states(name, stated):
    assert read_network((GOLDEN / name).read_bytes()).stated == stated


# Whole modules, which torch reads only with their classes at hand: empty ones here.


@pytest.fixture
def layers(monkeypatch):
    for (package, name), kind in MODULE_NAMES.items():
        if package.startswith("layers."):
            module = sys.modules.get(package) or types.ModuleType(package)
            monkeypatch.setitem(sys.modules, package, module)
            cls = type(name, (torch.nn.Module,), {"__module__": package})
            monkeypatch.setattr(module, name, cls, raising=False)
            assert kind == f"module {name}"
    monkeypatch.setitem(sys.modules, "layers", types.ModuleType("layers"))


def load(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(GOLDEN / name, map_location="cpu", weights_only=False)


def save(module):
    buffer = io.BytesIO()
    torch.save(module, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "balto/EncoderHeader.pt",
        "messi/EncoderFeat.pt",
        "variants/noise.pt",
        "variants/light_curve_only.pt",
        "variants/combined.pt",
        "malicious/control_ok.pt",
    ],
)
def test_a_module_has_the_tensors_of_its_state_dict(name, layers):
    expected = load(name).state_dict()
    found = Module(read_torch((GOLDEN / name).read_bytes(), MODULE_NAMES)).tensors()
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert np.array_equal(to_tensor(found[key]), tensor.numpy()), key


def feed_forward(module):
    return module.transformer.layers[0][1].fn


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda m: setattr(m, "emb_to_classifier", "avg"),
            "emb_to_classifier is 'avg', expected 'token'",
        ),
        (lambda m: setattr(m, "dataset_channel", 2), "dataset_channel is 2, expected 6"),
        (
            lambda m: setattr(m.lc_classifier.norm, "eps", 1e-3),
            "lc_classifier.norm.eps is 0.001, expected 1e-05",
        ),
        (
            lambda m: setattr(feed_forward(m).net[1], "approximate", "tanh"),
            "transformer.layers.0.1.fn.net.1.approximate is 'tanh', expected 'none'",
        ),
        (
            lambda m: feed_forward(m).net.__setitem__(1, torch.nn.ReLU()),
            "transformer.layers.0.1.fn.net. is made of Linear, ReLU, Dropout, Linear, Dropout",
        ),
        (
            lambda m: m.register_forward_hook(feed_forward),
            "it names ",
        ),
        (
            lambda m: m._forward_hooks.update({1: "text"}),
            "_forward_hooks is not empty: the network runs other code too",
        ),
        (
            lambda m: setattr(m.time_modulator.time_mod[2], "T_max", 900.0),
            "T_max below time_modulator.: [900.0, 1500.0], where one is expected",
        ),
        (
            lambda m: setattr(m.transformer.layers[0][0].fn.mha_lc, "num_heads", 7),
            "num_heads below transformer.: [3.0, 7.0], where one is expected",
        ),
        (lambda m: m.add_module("self", m), "parts of a network more than 16 deep"),
    ],
)
def test_a_module_that_computes_otherwise_is_refused(change, reason, layers):
    module = load("variants/noise.pt")
    read_network(save(module))
    change(module)
    with pytest.raises(RefusedError) as caught:
        read_network(save(module))
    assert reason in str(caught.value)


# Quantiles.


def test_a_files_writer_and_compression_make_no_difference():
    special = json.loads((GOLDEN / "quantile_files.json").read_text("utf-8"))["special"]
    kinds = set()
    for path in HEADER.iterdir():
        columns = read_quantiles(path.read_bytes())
        assert len(columns.tables) == 1
        assert columns.saved_with == "1.2.2"
        kinds |= special["balto/HeaderNorm1QT"].get(path.name, {}).items()
    assert len(kinds) > 4


def test_inputs_are_transformed_as_scikit_learn_did(model):
    name, bundle = model
    if name not in ("balto", "messi", "balto_gen_b"):
        name = "balto"  # whose header the variants have
    transformer = read_transformer(bundle)
    headers = {row["oid"]: row for row in read("inputs/headers.parquet")}
    spellings = {feature.name: feature.accepts[0] for feature in bundle.features[:64]}
    for oid, deviates in list(tabular(name).items())[::12]:
        if oid in headers:
            for column, table in enumerate(transformer.quantiles[:64]):
                value = headers[oid][spellings[transformer.inputs[column]]]
                value = -9999.0 if value is None or value != value else value
                assert normal_deviate(value, table) == pytest.approx(deviates[column], abs=1e-6)


def read(name):
    return pq.read_table(GOLDEN / name).to_pylist()


# Answers.


@pytest.fixture(scope="module")
def observations():
    rows = sorted(read("inputs/detections.parquet"), key=lambda row: (row["oid"], row["row"]))
    by_object = {}
    for row in rows:
        by_object.setdefault(row["oid"], []).append(row)
    return by_object


def light_curve(rows, flux):
    """What the reference gives the network of an object's rows; None if it fails or looks odd."""
    seen = [row for row in rows if row["fid"] in BANDS]
    columns = {name: np.array([row[name] for row in seen], float) for name in ("mjd", flux)}
    if not all(np.isfinite(values).all() for values in columns.values()):
        return None
    if not columns["mjd"].all() or not columns[flux].all():  # a time or a flux of 0 hides a row
        return None
    return LightCurves(
        offsets=np.array([0, len(seen)]),
        mjd=columns["mjd"],
        band=np.array([BANDS.index(row["fid"]) for row in seen], np.int8),
        flux=columns[flux],
        flux_err=np.array([row[f"e_{flux}"] for row in seen], float),
        zero_point=31.4,
    )


def test_plain_answers_are_those_of_the_reference(model, observations):
    name, bundle = model
    transformer = read_transformer(bundle)
    inputs = {} if name == "light_curve_only" else tabular(name)
    rows = pq.read_table(expected_path(name)).to_pylist()
    compared = 0
    for row in rows[:: {"messi": 40}.get(name, 25)]:
        curve = light_curve(observations[row["oid"]], row["flux_column"])
        if curve is not None:
            deviates = inputs.get(row["oid"], np.empty(0))
            found = answer(transformer, curve, 0, deviates)
            expected = [row[leaf] for leaf in transformer.classes]
            assert np.allclose(found, expected, rtol=0, atol=ALMOST), row["oid"]
            compared += 1
    assert compared >= 2


def tabular(name):
    name = name if name in ("messi", "balto_gen_b") else "balto"
    table = pq.read_table(GOLDEN / "expected" / f"tabular_{name}.parquet")
    names = [column for column in table.column_names if column not in ("oid", "flux_column")]
    assert [column.removeprefix("feature:") for column in names] == list(network_inputs(len(names)))
    return {row["oid"]: np.array([row[column] for column in names]) for row in table.to_pylist()}


def test_golden_rows_are_kept_in_the_bundle(model):
    _, bundle = model
    kept, made = read_golden_rows(bundle), golden_rows(read_transformer(bundle))
    assert np.array_equal(kept.answers, made.answers)


# Conversion.


def test_published_folders_are_models(tmp_path):
    folder = tmp_path / "balto"
    folder.mkdir()
    (folder / "EncoderHeader.pt").symlink_to(GOLDEN / "balto" / "EncoderHeader.pt")
    (folder / "HeaderNorm1QT").symlink_to(HEADER)
    bundle = open_model(folder)
    assert (bundle.name, len(bundle.features), len(bundle.taxonomy.classes)) == ("balto", 64, 20)
    messi = open_model(GOLDEN / "messi")
    assert (messi.name, len(messi.features), len(messi.taxonomy.classes)) == ("messi", 493, 19)


def test_a_folder_of_three_networks_is_refused(tmp_path):
    with pytest.raises(ModelError) as caught:
        convert(GOLDEN / "balto", tmp_path / "bundle")
    assert str(caught.value) == (
        f"{GOLDEN / 'balto'}: holds 3 networks, EncoderHeader.pt, encoder_state_legacy_format.pth, "
        "lightning_E.ckpt; name the file of one"
    )


# Refusals.

REASONS = {
    "empty.pt": "the file is empty",
    "evil_dotted_name.pt": "it names layers.encoder_ellastic.torch.os.system, which is not",
    "evil_torch_namespace.pth": "it names torch.fx.graph_module._forward_from_src, which is not",
    "flipped_bit.pth": "the container is damaged or cut off: Bad CRC-32",
    "gen_b_missing_key.pth": "tensors are missing: "
    "time_encoder.time_encoders.3.linear_proj.0.weight",
    "gen_b_wrong_shape.pth": "tensor classifier_mix.net.6.weight is 20 x 19, expected 20 x 20",
    "missing_band_tensor.pth": "tensors are missing: time_modulator.time_mod.5.alpha_cos",
    "missing_key.pth": "tensors are missing: transformer.layers.0.0.fn.mha_lc.k_proj.weight",
    "nan_weight.pth": "tensor token holds a value that is not finite",
    "not_a_model.pth": "a list of 3 where a dict is expected",
    "odd_dotted_name.pt": "it names torch.nn.modules.linear.math.__loader__.__class__, which",
    "seven_classes.pth": "the last layer gives 7 classes; ALeRCE's lists have 19 or 20",
    "storage_missing.pth": "a zip file without data.pkl: not of torch.save, or damaged",
    "storage_short.pth": "truncated: 48 bytes are announced, 17 follow",
    "truncated_60pct.pt": "the container is damaged or cut off: File is not a zip file",
    "truncated_tail.pt": "the container is damaged or cut off: File is not a zip file",
    "unrelated_state_dict.pth": "no network of ALeRCE's: none of time_modulator.to_emb.weight or",
    "wrong_shape_head.pth": "tensor mix_classifier.net.6.weight is 20 x 23, expected 20 x 24",
    "wrong_shape_tab_bias.pth": "tensor tab_b_feat is 1 x 63 x 8, expected 1 x 64 x 8 (1 F Dt)",
    "wrong_columns.joblib": "it has 63 columns, expected 64",
    "not_a_transformer.joblib": "where a QuantileTransformer is expected",
    "unsorted_quantiles.joblib": "are not ascending",
    "truncated.joblib": "truncated: ",
}


def feed(name, dest):
    """Convert with the file in the place of the network, or of the quantiles of a sound one."""
    if name.endswith(".joblib"):
        options = NetworkOptions((MALICIOUS / name,), 2, 2)
        return convert(MALICIOUS / "control_ok.pth", dest, options=options)
    heads = (None, None) if name.endswith(".pt") else (2, 2)
    return convert(MALICIOUS / name, dest, options=NetworkOptions((HEADER,), *heads))


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("control_")])
def test_hostile_and_broken_files_are_refused(name, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ModelError) as caught:
        feed(name, tmp_path / "bundle")
    default = "which is not among the few names allowed here; nothing was imported or run"
    assert REASONS.get(name, default) in str(caught.value)
    assert str(caught.value).startswith(str(MALICIOUS))
    assert list((tmp_path / "here").iterdir()) == []
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("control_")])
def test_controls_are_accepted(name, tmp_path):
    if name.endswith(".joblib"):  # of one column
        assert len(read_quantiles((MALICIOUS / name).read_bytes()).tables) == 1
    else:
        assert feed(name, tmp_path / "bundle").name == "balto"


def test_there_are_41_cases():
    assert len(CASES) == 41
    assert REASONS.keys() <= CASES.keys()


@pytest.mark.parametrize("name", ["control_ok.pt", "control_ok.joblib"])
def test_every_cut_and_many_flips_are_refused_or_sound(name):
    data = (MALICIOUS / name).read_bytes()
    reader = read_quantiles if name.endswith(".joblib") else read_network
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(400):
        changed = bytearray(data[: rng.integers(len(data))] if trial % 2 else data)
        for place in rng.integers(len(changed), size=3) if changed else []:
            changed[place] ^= 1 << rng.integers(8)
        try:
            reader(bytes(changed))
        except RefusedError:
            refused += 1
    assert refused > 200


def test_other_heads_give_other_answers(tmp_path):
    bundle = convert(
        GOLDEN / "balto" / "EncoderHeader.pt", tmp_path / "b", options=NetworkOptions((HEADER,))
    )
    made = read_transformer(bundle)
    other = replace(made, settings=replace(made.settings, table_heads=2))
    assert np.abs(golden_rows(made).answers - golden_rows(other).answers).max() > 0.01
