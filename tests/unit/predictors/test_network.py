"""The engine against a network written plainly, and each shortcut against the long way."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from lcclassify.predictors.light_curves import sequences
from lcclassify.predictors.network import (
    LayerNorm,
    Linear,
    Network,
    Observations,
    spans_of,
    whole_rows,
)
from lcclassify.testing import make_light_curves, make_transformer

PLAIN = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "padded_network.py"))
KINDS = {
    "A": {},
    "B": {"generation": "B"},
    "with errors": {"n_values": 2},
    "light curve alone": {"table": "none"},
    "table in front": {"table": "in front"},
    "one layer": {"n_layers": 1},
}
COUNTS = [0, 0, 1, 5, 5, 5, 23, 60]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads that share small matrices mostly wait for each other, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=KINDS)
def model(request):
    return make_transformer(**KINDS[request.param])


def see(model, counts=COUNTS):
    n_values = model.tensors["modulator.value.weight"].shape[1]
    seen = sequences(make_light_curves(counts), model.settings.zero_point, n_values)
    columns = map(torch.from_numpy, (seen.band, seen.time, seen.value))
    inputs = torch.from_numpy(np.random.default_rng(1).normal(size=(len(counts), 3)))
    return seen, Observations(seen.counts, *columns), inputs[:, : len(model.inputs)].float()


def test_equals_the_padded_network(model):
    seen, observations, inputs = see(model)
    found = Network(model, torch.device("cpu"))(observations, inputs).softmax(1)
    expected = PLAIN["PaddedNetwork"](model)(PLAIN["padded"](seen, len(COUNTS)), inputs)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=2e-6)


def test_the_last_layer_for_one_token_equals_it_for_all(model):
    network = Network(model, torch.device("cpu"))
    _, observations, inputs = see(model)
    x, spans = network.light_curve_tokens(observations, inputs)
    first = [span.first + i * span.length for span in spans for i in range(span.n)]
    for block in network.light_curve.blocks:
        every = block(x, spans)
        np.testing.assert_allclose(block.pooled(x, spans), every[first], rtol=0, atol=1e-5)


@pytest.mark.parametrize("gelu", [True, False])
def test_packed_rows_equal_plain_ones(gelu):
    rng = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(30, 20, generator=rng), torch.randn(30, generator=rng)
    layer, x = Linear(weight, bias, gelu), torch.randn(48, 20, generator=rng)
    assert layer.packed
    plain = Linear(weight.to("meta"), bias, gelu)  # not on a CPU, so not packed
    assert not plain.packed
    plain.weight = weight
    np.testing.assert_allclose(layer(x), plain(x), rtol=0, atol=1e-5)


def test_spans_put_objects_of_one_length_together():
    assert spans_of(np.array([1, 3, 3, 7])) == [(0, 1, 1), (1, 2, 3), (7, 1, 7)]


def test_matrices_have_few_numbers_of_rows():
    assert [whole_rows(n) for n in (0, 1, 16, 17, 130, 1025)] == [0, 16, 16, 32, 144, 1152]
    assert len({whole_rows(n) for n in range(1, 2049)}) == 40
    assert all(n <= whole_rows(n) <= max(16, 1.125 * n + 16) for n in range(2049))


def test_layer_norm_by_hand():
    norm = LayerNorm(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.5]))
    np.testing.assert_allclose(norm(torch.tensor([[1.0, 3.0]])), [[-1, 2.5]], atol=1e-4)
