import io
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.legacy.networks import Stated, read_network
from lcclassify.legacy.records import RefusedError

KINDS = [("A", "beside"), ("A", "in front"), ("A", "none"), ("B", "beside")]
SIGN = {"A": "transformer.layers", "B": "transformer_lc.stacked_transformers"}


def save(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def refusal(value):
    with pytest.raises(RefusedError) as caught:
        read_network(value if isinstance(value, bytes) else save(value))
    return str(caught.value)


@pytest.mark.parametrize(("generation", "table"), KINDS)
def test_kind_and_layers_are_told_by_the_names(make_state, generation, table):
    network = read_network(save(make_state(generation, table, layers=3)))
    assert (network.generation, network.table) == (generation, table)
    assert network.stated == Stated()
    assert sum(name.endswith("qkv.weight") for name in network.tensors) == (
        6 if table == "beside" else 3
    )


def test_tensors_are_put_together_as_the_table_says(make_state):
    state = {name: tensor.numpy() for name, tensor in make_state(V=2).items()}
    tensors = read_network(save(make_state(V=2))).tensors
    mixed = [state[f"transformer.layers.1.0.fn.mha_lc.{part}_proj.weight"] for part in "qkv"]
    assert np.array_equal(tensors["light_curve.1.qkv.weight"], np.concatenate(mixed))
    for band in range(6):
        parts = [state[f"time_modulator.time_mod.{band}.beta_{wave}"] for wave in ("sin", "cos")]
        assert np.array_equal(tensors["modulator.beta"][band], np.concatenate(parts))
        shared = state["time_modulator.to_emb.weight"].T
        assert np.array_equal(tensors["modulator.value.weight"][band], shared)
    assert np.array_equal(tensors["table.weight"], state["tab_W_feat"][0])
    assert np.array_equal(tensors["head.2.bias"], state["mix_classifier.net.6.bias"])


def test_each_band_of_generation_b_has_its_own_embedding(make_state):
    state = make_state("B")
    tensors = read_network(save(state)).tensors
    for band in range(6):
        own = state[f"time_encoder.time_encoders.{band}.linear_proj.0.weight"].numpy()
        assert np.array_equal(tensors["modulator.value.weight"][band], own.T)


@pytest.mark.parametrize("prefix", ["E.", "atat.", "a.b."])
@pytest.mark.parametrize("generation", ["A", "B"])
def test_a_checkpoint_is_read_under_any_prefix(make_state, prefix, generation):
    state = make_state(generation)
    checkpoint = {
        "epoch": 3,
        "state_dict": OrderedDict((prefix + name, tensor) for name, tensor in state.items()),
        "hyper_parameters": {"num_heads": 6, "tab_num_heads": 2, "T_max": 800},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
    }
    network = read_network(save(checkpoint))
    bare = read_network(save(state))
    assert network.stated == Stated(heads=6, table_heads=2, t_max=800.0)
    assert network.tensors.keys() == bare.tensors.keys()
    for name, tensor in bare.tensors.items():
        assert np.array_equal(network.tensors[name], tensor)


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"num_heads": 2.5}, "2.5 attention heads"),
        ({"num_heads": "4"}, "num_heads is '4', not a whole number"),
        ({"T_max": float("nan")}, "T_max is nan"),
        ({"T_max": 10**80}, "T_max is a huge integer"),
    ],
)
def test_odd_hyper_parameters_are_refused(make_state, stated, reason):
    assert refusal({"state_dict": make_state(), "hyper_parameters": stated}) == reason


@pytest.mark.parametrize(("generation", "table"), KINDS)
def test_missing_and_surplus_tensors_are_named(make_state, generation, table):
    state = make_state(generation, table)
    name = next(name for name in state if name.startswith(f"{SIGN[generation]}.1"))
    tensor = state.pop(name)
    assert refusal(state) == f"tensors are missing: {name}"
    state |= {name: tensor, "extra.weight": torch.ones(2)}
    assert refusal(state) == "tensors that no such network has: extra.weight"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("token", torch.ones(1, 12), "tensor token is 1 x 12, expected 1 x 1 x any (1 1 D)"),
        (
            "mix_classifier.net.6.weight",
            torch.ones(19, 18),
            "tensor mix_classifier.net.6.weight is 19 x 18, expected 19 x 20 (C D+Dt)",
        ),
        (
            "tab_b_feat",
            torch.ones(1, 63, 8),
            "tensor tab_b_feat is 1 x 63 x 8, expected 1 x 64 x 8 (1 F Dt)",
        ),
        (
            "transformer.layers.0.0.norm.bias",
            torch.full((12,), torch.inf),
            "tensor transformer.layers.0.0.norm.bias holds a value that is not finite",
        ),
        (
            "transformer.layers.0.0.norm.bias",
            torch.ones(12, dtype=torch.float64),
            "tensor transformer.layers.0.0.norm.bias is of float64, expected float32",
        ),
        (
            "time_modulator.time_mod.2.ar",
            torch.ones(1, 1, 5, dtype=torch.int64),
            "tensor time_modulator.time_mod.2.ar does not count from 0, as harmonics do",
        ),
        ("token", 3, "3 where a tensor is expected"),
    ],
)
def test_unfit_tensors_are_named(make_state, name, value, reason):
    assert refusal(make_state() | {name: value}) == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1, 2], "a list of 2 where a dict is expected"),
        ({1: torch.ones(2)}, "1 where the name of a tensor is expected"),
        ({}, "no network of ALeRCE's: none of time_modulator.to_emb.weight or "),
    ],
)
def test_other_values_are_refused(value, reason):
    assert refusal(value).startswith(reason)


def test_tensors_that_share_their_numbers_cannot_claim_memory(make_state):
    large = torch.zeros(300, 300)
    state = make_state() | {f"transformer.layers.{n}.x": large for n in range(50)}
    assert refusal(state).startswith("its tensors take ")


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_network_is_refused_or_whole(make_state, data):
    buffer = io.BytesIO()
    state = make_state(layers=1)
    torch.save(state, buffer, _use_new_zipfile_serialization=data.draw(st.booleans()))
    bytes_ = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        bytes_[data.draw(st.integers(0, len(bytes_) - 1))] = data.draw(st.integers(0, 255))
    try:
        network = read_network(bytes(bytes_))
    except RefusedError:
        return
    assert all(np.isfinite(tensor).all() for tensor in network.tensors.values())


def test_a_module_of_other_layers_is_refused():
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    assert refusal(module).startswith("no network of ALeRCE's: none of ")
    assert refusal(module).endswith(" in '0.weight', '0.bias'")


def test_a_name_with_and_without_prefix_is_refused(make_state):
    state = {f"E.{name}": tensor for name, tensor in make_state().items()}
    state["token"] = state["E.token"]
    assert refusal(state) == "tensors have the same name with and without 'E.'"
