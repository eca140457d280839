"""The transformer engine against the same network computed plainly, padded to 6 x max.

The network has the sizes of the published ones and random weights: 64 tabular inputs, or 493 with
--messi. Light curves have the lengths of real ELAsTiCC alerts in every batch alike: 70 observations
on average, half of them under 37, the longest 540; the bands have the shares that Rubin gives
them. The plain time is that of the longest, as the reference's is. Each figure is the best
of several runs; read the ratios, since the times are the machine's. The plain network gets 128
objects at once in larger batches, or it would need tens of GB.

"of GEMM" is the useful arithmetic done per second, as a share of what large matrix products reach:
2,048 square, by torch.mm or by oneDNN, whichever is faster here, with as many threads. Counted are
two operations per multiplication of the matrix products that the answer needs
(``useful_operations``): no padding, the last layer for one token.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from time import perf_counter

import numpy as np
import pyarrow as pa
import torch
from machine import machine
from padded_network import PaddedNetwork, padded

from lcclassify.batch import BANDS, Batch
from lcclassify.bundle import Feature
from lcclassify.predictors.light_curves import cut, sequences
from lcclassify.predictors.network import Linear
from lcclassify.predictors.tabular import QuantileTransform
from lcclassify.predictors.transformer import TransformerPredictor
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_bundle, make_light_curves, make_transformer
from lcclassify.transformer import Transformer

BATCHES = (1, 16, 256, 4096)
TARGETS = {16: 10, 256: 20}
PLAIN_AT_ONCE = 128
BAND_SHARES = (0.06, 0.09, 0.23, 0.24, 0.20, 0.18)  # u, g, r, i, z, y


def published_sizes(n_inputs: int) -> Transformer:
    return make_transformer(
        [f"input_{i}" for i in range(n_inputs)],
        [f"class_{i}" for i in range(20)],
        widths=(192, 128),
        heads=(4, 4),
        n_layers=3,
        n_harmonics=64,
    )


def predictor(model: Transformer, threads: int) -> TransformerPredictor:
    tree = Taxonomy(model.classes, (-1,) * len(model.classes))
    bundle = make_bundle(tree, [Feature(name, (name,), None) for name in model.inputs])
    return TransformerPredictor(bundle, model, threads=threads, device="cpu")


def objects(model: Transformer, n: int, seed: int = 0) -> Batch:
    random = np.random.default_rng(seed)
    deviates = [NormalDist(np.log(37), 1.15).inv_cdf((i + 0.5) / n) for i in range(n)]
    counts = np.exp(random.permutation(deviates)).round().clip(1, 540).astype(int)
    if n == 1:
        counts = np.array([70])
    curves = make_light_curves(counts, seed)
    curves.band[:] = random.choice(len(BANDS), len(curves.band), p=BAND_SHARES)
    columns = random.normal(size=(len(model.inputs), n))
    return Batch(
        object_id=pa.array(range(n)),
        id_name="oid",
        features=pa.table(dict(zip(model.inputs, columns, strict=True))),
        light_curves=curves,
    )


def useful_operations(model: Transformer, n_observations: np.ndarray) -> float:
    t = model.tensors

    def tower(name: str, n_tokens: np.ndarray, heads: int) -> np.ndarray:
        layers = sum(key.startswith(f"{name}.") and key.endswith(".qkv.weight") for key in t)
        d, h = len(t[f"{name}.token"]), len(t[f"{name}.0.up.bias"])
        full = 2 * n_tokens * (4 * d * d + 2 * d * h) + 4 * n_tokens**2 * d
        last = 2 * (4 * d * d + 2 * d * h) + 4 * n_tokens * heads * d
        return (layers - 1) * full + last

    n = n_observations
    _, harmonics, width = t["modulator.alpha"].shape
    head = sum(2 * array.size for name, array in t.items() if name.startswith("head."))
    table = tower("table", np.full(len(n), len(model.inputs) + 1), model.settings.table_heads)
    light_curve = tower("light_curve", n + 1, model.settings.heads) + 4 * n * harmonics * width
    return float((light_curve + table + head).sum())


def plain(model: Transformer, network: PaddedNetwork, batch: Batch) -> torch.Tensor:
    seen = sequences(batch.light_curves, model.settings.zero_point, 1)
    matrix = np.stack([column.to_numpy() for column in batch.features.columns], 1)
    inputs = QuantileTransform(model.quantiles)(matrix).float()
    return network(padded(seen, len(batch)), inputs)


def in_parts(model: Transformer, network: PaddedNetwork, parts: list[Batch]) -> torch.Tensor:
    return torch.cat([plain(model, network, part) for part in parts])


def best(action: Callable[[], object], at_least_s: float) -> float:
    """Seconds of the fastest run: other programs only ever make one slower."""
    times: list[float] = []
    while not times or sum(times) < at_least_s:
        start = perf_counter()
        action()
        times.append(perf_counter() - start)
    return min(times)


def gemm(at_least_s: float) -> float:
    """Operations per second of large matrix products with torch's present number of threads."""
    a = torch.ones(2048, 2048)
    layer = Linear(a, torch.ones(2048))
    seconds = [best(lambda: torch.mm(a, a), at_least_s), best(lambda: layer(a), at_least_s)]
    return 2 * 2048**3 / min(seconds)


def compare(model: Transformer, threads: int, at_least_s: float) -> None:
    torch.set_num_threads(threads)
    network, ours = PaddedNetwork(model), predictor(model, threads)
    print(f"\n{threads} of {os.cpu_count()} cores; GEMM {gemm(at_least_s) / 1e9:.0f} GFLOP/s")
    print(f"{'objects':>8}{'plain, ms':>12}{'ours, ms':>10}{'objects/s':>11}{'ratio':>8}", end="")
    print(f"{'target':>8}{'of GEMM':>9}{'target':>8}")
    they = np.nan
    for n_objects in BATCHES:
        batch = objects(model, n_objects)
        answers = ours.predict(batch).conditional
        if n_objects <= max(TARGETS):
            parts = [
                cut_batch(batch, slice(i, i + PLAIN_AT_ONCE))
                for i in range(0, n_objects, PLAIN_AT_ONCE)
            ]
            expected = in_parts(model, network, parts).numpy()
            np.testing.assert_allclose(answers, expected, atol=1e-5)
            they = best(lambda parts=parts: in_parts(model, network, parts), at_least_s) / n_objects
        we = best(lambda batch=batch: ours.predict(batch), at_least_s)
        n_operations = useful_operations(model, np.diff(batch.light_curves.offsets))
        share = n_operations / we / gemm(at_least_s)
        we /= n_objects
        target, half = (f"{TARGETS[n_objects]}x", "50%") if n_objects in TARGETS else ("-", "-")
        print(f"{n_objects:>8}{they * 1e3:>12.1f}{we * 1e3:>10.2f}{1 / we:>11.0f}", end="")
        print(f"{they / we:>7.1f}x{target:>8}{share:>9.0%}{half:>8}", flush=True)


def cut_batch(batch: Batch, rows: slice) -> Batch:
    return Batch(
        object_id=batch.object_id[rows],
        id_name=batch.id_name,
        features=batch.features[rows],
        light_curves=cut(batch.light_curves, rows),
    )


def peak_mb() -> float:
    """Peak of this program's memory; getrusage would count the one that started it as well."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(row.split()[1]) for row in lines if row.startswith("VmHWM")) / 1024


def peak_memory(n_objects: int, n_inputs: int) -> None:
    """Print what predicting so many objects adds to the memory of this process, in MB."""
    model = published_sizes(n_inputs)
    ours, batch = predictor(model, os.cpu_count() or 1), objects(model, n_objects)
    ours.predict(objects(model, 64))
    before = peak_mb()
    ours.predict(batch)
    after = peak_mb()
    print(f"{n_objects:>8} objects: {after:.0f} MB, of which predict took {after - before:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the repeats")
    parser.add_argument("--messi", action="store_true", help="493 tabular inputs instead of 64")
    parser.add_argument("--memory", type=int, metavar="N", help="only measure memory, N objects")
    options = parser.parse_args()
    n_inputs = 493 if options.messi else 64
    if options.memory:
        peak_memory(options.memory, n_inputs)
        return
    print(f"{machine()},", end=" ")
    print(f"torch {torch.__version__}, numpy {np.__version__}, {n_inputs} tabular inputs")
    model = published_sizes(n_inputs)
    for threads in sorted({1, os.cpu_count() or 1}):
        compare(model, threads, 0.3 if options.quick else 3)
    print("\npeak memory of a process of its own")
    for n_objects in (4096, 40960):
        sys.stdout.flush()
        command = [sys.executable, __file__, "--memory", str(n_objects)]
        subprocess.run(command + ["--messi"] * options.messi, check=True)


if __name__ == "__main__":
    main()
