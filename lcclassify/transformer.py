"""Light-curve transformers as plain arrays: what the readers of published files give.

This is the form that checks and bundles hold; ``predictors.network`` runs it. D is the width of
the light-curve transformer, Dt that of the tabular one, F the number of tabular inputs, M of
harmonics, V of values per observation (1: flux; 2: flux and its error), C of classes.

| tensor | shape | |
|---|---|---|
| ``modulator.value.weight``, ``.bias`` | (6, V, D), (6, D) | a band's embedding of flux |
| ``modulator.alpha``, ``modulator.beta`` | (6, 2M, D) | a band's factors of sines, then cosines |
| ``light_curve.token``, ``table.token`` | (D), (Dt) | what is pooled, by standing first |
| ``table.weight``, ``table.bias`` | (F, Dt) | an input's embedding; (F, D) if in front |
| ``T.i.norm1.weight``, ``.bias`` | (D) | T is light_curve or table, i the layer |
| ``T.i.qkv.weight``, ``.bias`` | (3D, D), (3D) | queries, keys, values |
| ``T.i.out.weight``, ``.bias`` | (D, D), (D) | |
| ``T.i.norm2.weight``, ``.bias`` | (D) | |
| ``T.i.up.weight``, ``.bias`` | (H, D), (H) | the feed-forward part, H wide |
| ``T.i.down.weight``, ``.bias`` | (D, H), (D) | |
| ``head.norm.weight``, ``.bias`` | (D + Dt) | of table and light curve, in this order |
| ``head.j.weight``, ``.bias`` | (.., D + Dt), (..) | layers with GELU between; the last gives C |

Only a table beside the light curve has ``table.token``, ``table.i`` and a head of D + Dt with three
layers; the others' head is of D, with one layer. A table in front comes before the token of the
light curve, so that its first input is what is pooled. All is in ``catalogue/network_tensors.csv``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Generation = Literal["A", "B"]  # A: norm before each part; B: after, with its own layer norm
Table = Literal["beside", "in front", "none"]  # the tabular inputs: in a transformer of their own,
# as first tokens of the light curve, or not at all


MISSING = -9999.0  # what a tabular input without a value is, in training as well


@dataclass(frozen=True, slots=True)
class Settings:
    """What the tensors do not tell."""

    generation: Generation
    table: Table
    heads: int  # of the light-curve transformer
    table_heads: int  # of the tabular one; 0 without it
    t_max: float  # d, the period of the first harmonic
    zero_point: float  # AB magnitude of flux 1 in training, as far as it is known


@dataclass(frozen=True, slots=True)
class QuantileTable:
    """How one tabular input becomes a normal deviate; Q landmarks."""

    quantiles: np.ndarray  # (Q,) float64, values in training, ascending
    references: np.ndarray  # (Q,) float64, the share of training below each, 0 to 1


@dataclass(frozen=True, slots=True)
class Transformer:
    """A trained network with the tables for its inputs."""

    settings: Settings
    classes: tuple[str, ...]  # C names, in the order of the last layer
    tensors: Mapping[str, np.ndarray]  # float32, by the names above
    inputs: tuple[str, ...]  # F names of tabular inputs, in the order of table.weight
    quantiles: tuple[QuantileTable, ...]  # one each
