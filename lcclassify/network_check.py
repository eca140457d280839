"""check_network: a Transformer whose parts fit together, or a ModelError that names what does not.

Run when a published file is converted, and again whenever a bundle is opened.
"""

import math
from collections.abc import Mapping
from importlib.resources import files
from typing import get_args

import numpy as np

from lcclassify.batch import ZERO_POINTS, is_zero_point
from lcclassify.errors import ModelError
from lcclassify.shapes import (
    ShapeError,
    Sizes,
    check_finite,
    check_present,
    count_layers,
    read_rows,
    spread,
)
from lcclassify.transformer import Generation, QuantileTable, Table, Transformer

_CATALOGUE = files("lcclassify") / "catalogue"


def network_classes(width: int) -> tuple[str, ...]:
    """The classes of a last layer of this width, in its order. ModelError if no list has it."""
    lists: dict[str, list[str]] = {}
    for row in read_rows(_CATALOGUE / "network_classes.csv"):
        for known in row["widths"].split("|"):
            lists.setdefault(known, []).append(row["class"])
    if str(width) not in lists:
        raise ModelError(
            f"the last layer gives {width} classes; ALeRCE's lists have {' or '.join(lists)}"
        )
    return tuple(lists[str(width)])


def tensor_shapes(table: str, layers: int, table_layers: int) -> dict[str, str]:
    """Name -> shape in symbols of every tensor of a network, in the order of bundles."""
    counts = {"light_curve": layers, "table": table_layers}
    return {
        name: row["shape"]
        for row in read_rows(_CATALOGUE / "network_tensors.csv")
        if table in row["tables"].split("|")
        for name in spread(row["tensor"], {"i": counts.get(row["tensor"].partition(".")[0], 0)})
    }


def network_sizes(table: str, tensors: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Symbol -> length, of tensors that are exactly those of a network and finite. ShapeError"""
    layers = count_layers(tensors, "light_curve.{i}.")
    table_layers = count_layers(tensors, "table.{i}.")
    shapes = tensor_shapes(table, layers, table_layers)
    check_present(tensors, shapes)
    sizes = Sizes()
    for name, pattern in shapes.items():
        sizes.check(name, tensors[name].shape, pattern)
        check_finite(name, tensors[name])
    return {**sizes.known, "layers": layers, "table_layers": table_layers}


def check_network(transformer: Transformer) -> dict[str, int]:
    """The sizes of a network, by symbol, whose every part is there and fits. ModelError if not."""
    settings = transformer.settings
    kinds = get_args(Generation), get_args(Table)
    if settings.generation not in kinds[0] or settings.table not in kinds[1]:
        named = f"generation {settings.generation!r:.80}, table {settings.table!r:.80}"
        raise ModelError(f"{named}: unknown")
    try:
        sizes = network_sizes(settings.table, transformer.tensors)
    except ShapeError as error:
        raise ModelError(str(error)) from None
    if sizes["layers"] < 1 or (settings.table == "beside" and sizes["table_layers"] < 1):
        raise ModelError("a transformer without layers")
    if sizes["V"] not in (1, 2):
        raise ModelError(f"modulator.value.weight takes {sizes['V']} values, expected 1 or 2")
    _check_heads("light-curve", settings.heads, sizes["D"])
    if settings.table == "beside":
        _check_heads("tabular", settings.table_heads, sizes["Dt"])
    if not math.isfinite(settings.t_max) or settings.t_max <= 0:
        raise ModelError(f"the T_max is {settings.t_max!r}")
    if not is_zero_point(settings.zero_point):
        raise ModelError(f"the zero point is {settings.zero_point!r}: {ZERO_POINTS}")
    _check_count("classes", len(transformer.classes), sizes["C"])
    _check_count("tabular inputs", len(transformer.inputs), sizes.get("F", 0))
    _check_count("quantile tables", len(transformer.quantiles), sizes.get("F", 0))
    for name, table in zip(transformer.inputs, transformer.quantiles, strict=True):
        check_quantiles(name, table)
    return sizes


def check_quantiles(name: str, table: QuantileTable) -> None:
    """Refuse landmarks that are not finite and ascending. ModelError"""
    for what, values in (("quantiles", table.quantiles), ("references", table.references)):
        if values.dtype != np.float64 or values.ndim != 1 or not len(values):
            raise ModelError(f"the {what} of {name} are no list of float64")
        if not np.isfinite(values).all():
            raise ModelError(f"the {what} of {name} hold a value that is not finite")
        if (values[1:] < values[:-1]).any():
            raise ModelError(f"the {what} of {name} are not ascending")
    if len(table.quantiles) != len(table.references):
        raise ModelError(
            f"{name} has {len(table.quantiles)} quantiles and {len(table.references)} references"
        )
    if table.references[0] < 0 or table.references[-1] > 1:
        raise ModelError(f"the references of {name} are not within 0 and 1")


def _check_heads(which: str, heads: int, width: int) -> None:
    if heads < 1 or width % heads:
        raise ModelError(f"{heads} heads do not divide the {which} transformer's width of {width}")


def _check_count(what: str, count: int, expected: int) -> None:
    if count != expected:
        raise ModelError(f"{count} {what}, expected {expected}")
