"""Golden rows of a network: light curves and inputs with the answers of a plain forward pass.

It shares nothing with the engine: numpy in float64, one object at a time, a sequence that holds
the observations there are and neither padding nor mask.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from lcclassify.batch import BANDS, LightCurves
from lcclassify.transformer import QuantileTable, Transformer

N_OBJECTS = 4
_MISSING = -9999.0  # what a tabular input without a value is
_NEAR = 1e-7  # an input this close to the first or last landmark counts as outside


@dataclass(frozen=True, slots=True)
class GoldenRows:
    """R objects with F tabular inputs and their answers."""

    light_curves: LightCurves  # of the network's own zero point
    inputs: np.ndarray  # (R, F) float64, before the quantile transform
    answers: np.ndarray  # (R, C) float64, probabilities


def golden_rows(transformer: Transformer) -> GoldenRows:
    """Some objects, among them one with a single observation and one without tabular values."""
    rng = np.random.default_rng(0)
    n_each = [1, len(BANDS), 9, 25]
    offsets = np.concatenate([[0], np.cumsum(n_each)])
    total = int(offsets[-1])
    curves = LightCurves(
        offsets=offsets.astype(np.int64),
        mjd=60000 + rng.uniform(0, 400, total).round(4),
        band=rng.integers(len(BANDS), size=total).astype(np.int8),
        flux=rng.normal(0, 300, total).round(2),
        flux_err=rng.uniform(1, 30, total).round(2),
        zero_point=transformer.settings.zero_point,
    )
    inputs = np.empty((N_OBJECTS, len(transformer.inputs)))
    for column, table in enumerate(transformer.quantiles):
        low, high = table.quantiles[[0, -1]]
        margin = 0.05 * (high - low) + 1e-6  # some lie outside what was seen in training
        inputs[:, column] = rng.uniform(low - margin, high + margin, N_OBJECTS)
    inputs[1] = _MISSING
    with np.errstate(all="ignore"):  # the caller looks for answers that are not finite
        answers = [
            answer(transformer, curves, number, normal_deviates(transformer, row))
            for number, row in enumerate(inputs)
        ]
    return GoldenRows(curves, inputs, np.array(answers))


def normal_deviate(value: float, table: QuantileTable) -> float:
    """The normal deviate of a value: its rank among the landmarks, through the inverse normal."""
    first, last = table.quantiles[0], table.quantiles[-1]
    if value - _NEAR < first:
        rank = 0.0
    elif value + _NEAR > last:
        rank = 1.0
    else:  # both ways, so that equal landmarks give the middle of their ranks
        up = np.interp(value, table.quantiles, table.references)
        down = -np.interp(-value, -table.quantiles[::-1], -table.references[::-1])
        rank = float(up + down) / 2
    edge = _NEAR - np.spacing(1.0)
    return NormalDist().inv_cdf(min(max(rank, edge), 1 - edge))


def normal_deviates(transformer: Transformer, row: np.ndarray) -> np.ndarray:
    """What the network is given for the tabular inputs of one object. (F,)"""
    pairs = zip(row.tolist(), transformer.quantiles, strict=True)
    return np.array([normal_deviate(value, table) for value, table in pairs])


def answer(
    transformer: Transformer, curves: LightCurves, number: int, deviates: np.ndarray
) -> np.ndarray:
    """Probabilities of one object, whose transformed inputs are ``deviates`` (F,). (C,)"""
    weights = {name: values.astype(np.float64) for name, values in transformer.tensors.items()}
    settings = transformer.settings
    mine = slice(curves.offsets[number], curves.offsets[number + 1])
    mjd, band = curves.mjd[mine], curves.band[mine]
    days = _single(mjd - mjd.min(initial=np.inf))
    values = _single(np.column_stack([curves.flux[mine], curves.flux_err[mine]]))
    tokens = [weights["light_curve.token"]]
    for row in range(len(mjd)):
        tokens.append(_token(weights, settings.t_max, days[row], int(band[row]), values[row]))
    if settings.table != "none":
        table = _single(deviates)[:, None] * weights["table.weight"] + weights["table.bias"]
    if settings.table == "in front":
        tokens = [*table, *tokens]
    pooled = _run(weights, "light_curve", np.array(tokens), settings.heads, settings.generation)
    if settings.table == "beside":
        sequence = np.vstack([weights["table.token"], table])
        first = _run(weights, "table", sequence, settings.table_heads, settings.generation)
        pooled = np.concatenate([first, pooled])
    return _head(weights, pooled)


def _single(values: np.ndarray) -> np.ndarray:
    """Rounded to 32 bits, as inputs of a network are."""
    return values.astype(np.float32).astype(np.float64)


def _token(
    weights: dict[str, np.ndarray], t_max: float, day: float, band: int, values: np.ndarray
) -> np.ndarray:
    value = weights["modulator.value.weight"][band]
    embedded = values[: len(value)] @ value + weights["modulator.value.bias"][band]
    harmonics = np.arange(len(weights["modulator.alpha"][band]) // 2)
    phase = 2 * math.pi * harmonics * day / t_max
    waves = np.concatenate([np.sin(phase), np.cos(phase)])
    alpha, beta = weights["modulator.alpha"][band], weights["modulator.beta"][band]
    modulated: np.ndarray = embedded * (waves @ alpha) + waves @ beta
    return modulated


def _run(
    weights: dict[str, np.ndarray], name: str, x: np.ndarray, heads: int, generation: str
) -> np.ndarray:
    """What a transformer makes of the first token of a sequence (n, D). (D,)"""
    layer = 0
    while f"{name}.{layer}.qkv.weight" in weights:
        prefix = f"{name}.{layer}."
        part = {key.removeprefix(prefix): v for key, v in weights.items() if key.startswith(prefix)}
        if generation == "A":
            x = x + _attend(part, _norm(x, part, "norm1"), heads)
            x = x + _feed_forward(part, _norm(x, part, "norm2"))
        else:
            x = _norm_of_b(x + _attend(part, x, heads), part, "norm1")
            x = _norm_of_b(x + _feed_forward(part, x), part, "norm2")
        layer += 1
    first: np.ndarray = x[0]
    return first


def _attend(part: dict[str, np.ndarray], x: np.ndarray, heads: int) -> np.ndarray:
    mixed = np.split(x @ part["qkv.weight"].T + part["qkv.bias"], 3, axis=1)
    seen = []
    for q, k, v in zip(*(np.split(each, heads, axis=1) for each in mixed), strict=True):
        logits = q @ k.T / math.sqrt(q.shape[1])
        share = np.exp(logits - logits.max(axis=1, keepdims=True))
        seen.append(share / share.sum(axis=1, keepdims=True) @ v)
    out: np.ndarray = np.hstack(seen) @ part["out.weight"].T + part["out.bias"]
    return out


def _feed_forward(part: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    wide = _gelu(x @ part["up.weight"].T + part["up.bias"])
    narrow: np.ndarray = wide @ part["down.weight"].T + part["down.bias"]
    return narrow


def _head(weights: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    x = _norm(x, weights, "head.norm")
    layer = 0
    while f"head.{layer}.weight" in weights:
        x = _gelu(x) if layer else x
        x = weights[f"head.{layer}.weight"] @ x + weights[f"head.{layer}.bias"]
        layer += 1
    share = np.exp(x - x.max())
    probability: np.ndarray = share / share.sum()
    return probability


def _norm(x: np.ndarray, part: dict[str, np.ndarray], name: str) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5)
    shifted: np.ndarray = scaled * part[f"{name}.weight"] + part[f"{name}.bias"]
    return shifted


def _norm_of_b(x: np.ndarray, part: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Generation B's own: unbiased deviation, and the small number outside the root."""
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / (x.std(axis=-1, ddof=1, keepdims=True) + 1e-6)
    shifted: np.ndarray = scaled * part[f"{name}.weight"] + part[f"{name}.bias"]
    return shifted


def _gelu(x: np.ndarray) -> np.ndarray:
    """X times the normal distribution function of x, exactly."""
    erf = np.array([math.erf(value) for value in (x / math.sqrt(2)).ravel().tolist()])
    activated: np.ndarray = x * (1 + erf.reshape(x.shape)) / 2
    return activated
