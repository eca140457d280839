"""Bundles of family "transformer": flat arrays and a manifest with every size, and back.

All weights lie end to end in one array, in the order of the manifest's list of tensors, so that
they are mapped into memory once and shared between processes; likewise the quantiles.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lcclassify.batch import BANDS, LightCurves
from lcclassify.bundle import Feature, ModelBundle, write_bundle
from lcclassify.errors import InputError, ModelError
from lcclassify.features import input_spellings
from lcclassify.manifest import number, texts, whole
from lcclassify.network_check import check_network, tensor_shapes
from lcclassify.ranges import of_quantiles
from lcclassify.selftest_network import GoldenRows, golden_rows
from lcclassify.transformer import MISSING, QuantileTable, Settings, Transformer


def write_transformer(dest: Path, transformer: Transformer, card: Mapping[str, Any]) -> ModelBundle:
    """Write a bundle of family "transformer", checked, with golden rows. ModelError

    ``card`` holds at least name, version, licence, citation.
    """
    sizes = check_network(transformer)
    settings = transformer.settings
    names = list(tensor_shapes(settings.table, sizes["layers"], sizes["table_layers"]))
    golden = golden_rows(transformer)
    if not np.isfinite(golden.answers).all():
        raise ModelError("its answers overflow")
    curves = golden.light_curves
    arrays = {
        "weights": np.concatenate([transformer.tensors[name].ravel() for name in names]),
        "golden_offsets": curves.offsets,
        "golden_observations": np.column_stack(
            [curves.mjd, curves.band, curves.flux, curves.flux_err]
        ),
        "golden_answers": golden.answers,
    }
    if transformer.inputs:
        arrays |= {
            "quantiles": np.concatenate([table.quantiles for table in transformer.quantiles]),
            "references": np.concatenate([table.references for table in transformer.quantiles]),
            "quantile_counts": np.array([len(table.quantiles) for table in transformer.quantiles]),
            "golden_inputs": golden.inputs,
        }
    manifest = {
        **card,
        "family": "transformer",
        "missing": {"value": MISSING},
        "taxonomy": {
            "nodes": transformer.classes,
            "parents": [""] * len(transformer.classes),
        },
        "light_curve": {
            "bands": BANDS,
            "values": ("flux", "flux_err")[: sizes["V"]],
            "zero_point": settings.zero_point,
        },
        "network": {
            "generation": settings.generation,
            "table": settings.table,
            "heads": settings.heads,
            "table_heads": settings.table_heads,
            "t_max": settings.t_max,
            "sizes": sizes,
            "tensors": [{"name": name, "shape": transformer.tensors[name].shape} for name in names],
        },
        "features": [
            Feature(name, accepts, *of_training).entry
            for (name, accepts), of_training in zip(
                input_spellings(transformer.inputs).items(),
                of_quantiles(transformer.quantiles),
                strict=True,
            )
        ],
    }
    return write_bundle(dest, manifest, arrays)


def read_transformer(bundle: ModelBundle) -> Transformer:
    """The network of a bundle: views into its mapped arrays, checked. ModelError"""
    with bundle.faults("bad description of the network"):
        transformer = _transformer(bundle)
        check_network(transformer)
    return transformer


def read_golden_rows(bundle: ModelBundle) -> GoldenRows:
    """The light curves, inputs and answers to test a loaded network with. ModelError"""
    offsets, seen = bundle.array("golden_offsets"), bundle.array("golden_observations")
    answers = bundle.array("golden_answers")
    n_rows = max(answers.shape[0], 1) if answers.ndim else 1
    n_seen = seen.shape[0] if seen.ndim else 0
    n_inputs = len(bundle.features)
    inputs = bundle.array("golden_inputs") if n_inputs else np.empty((n_rows, 0))
    wrong = ModelError(f"model {bundle.path}: golden rows of the wrong shape")
    expected = {
        "offsets": ((n_rows + 1,), np.int64, offsets),
        "observations": ((n_seen, 4), np.float64, seen),
        "inputs": ((n_rows, n_inputs), np.float64, inputs),
        "answers": ((n_rows, len(bundle.taxonomy.nodes)), np.float64, answers),
    }
    if any(array.shape != shape or array.dtype != kind for shape, kind, array in expected.values()):
        raise wrong
    mjd, band, flux, flux_err = seen.T
    if not np.isin(band, range(len(BANDS))).all():
        raise wrong
    zero_point = read_zero_point(bundle)
    try:
        curves = LightCurves(offsets, mjd, band.astype(np.int8), flux, flux_err, zero_point)
    except InputError:
        raise wrong from None
    return GoldenRows(curves, inputs, answers)


def read_zero_point(bundle: ModelBundle) -> float:
    """The AB magnitude of flux 1 that the network takes. ModelError"""
    with bundle.faults("no zero point"):
        return number(bundle.manifest["light_curve"]["zero_point"])


def _transformer(bundle: ModelBundle) -> Transformer:
    network = bundle.manifest["network"]
    if texts(bundle.manifest["light_curve"]["bands"]) != BANDS:
        raise ModelError("the bands are not those of the Rubin Observatory")
    if bundle.manifest["missing"] != {"value": MISSING}:
        raise ModelError("unknown rule for missing values")
    if set(bundle.taxonomy.parent) != {-1}:
        raise ModelError("the class tree of a network has branches")
    inputs = tuple(feature.name for feature in bundle.features)
    return Transformer(
        settings=Settings(
            generation=network["generation"],
            table=network["table"],
            heads=whole(network["heads"]),
            table_heads=whole(network["table_heads"]),
            t_max=number(network["t_max"]),
            zero_point=read_zero_point(bundle),
        ),
        classes=bundle.taxonomy.nodes,
        tensors=_tensors(bundle.array("weights"), network["tensors"]),
        inputs=inputs,
        quantiles=_quantiles(bundle) if inputs else (),
    )


def _tensors(weights: np.ndarray, entries: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    if weights.ndim != 1:
        raise ModelError(f"the weights have {weights.ndim} dimensions, expected 1")
    tensors: dict[str, np.ndarray] = {}
    start = 0
    for entry in entries:
        (name,), shape = texts([entry["name"]]), [whole(length) for length in entry["shape"]]
        count = math.prod(shape)
        if name in tensors or min(shape, default=0) < 1 or start + count > len(weights):
            told = ascii(name)[1:-1]
            raise ModelError(f"tensor {told:.80} is there twice, or its weights are not there")
        tensors[name] = weights[start : start + count].reshape(shape)
        start += count
    if start != len(weights):
        raise ModelError(f"{weights.size} weights, expected {start}")
    return tensors


def _quantiles(bundle: ModelBundle) -> tuple[QuantileTable, ...]:
    counts = bundle.array("quantile_counts")
    quantiles, references = bundle.array("quantiles"), bundle.array("references")
    if counts.ndim != 1 or counts.dtype != np.int64 or (counts < 1).any():
        raise ModelError("the counts of quantiles are no list of positive integers")
    total = sum(counts.tolist())  # not of numpy's integers, which overflow
    if {quantiles.shape, references.shape} != {(total,)}:
        raise ModelError(f"{quantiles.size} quantiles, expected {total}")
    ends = np.cumsum(counts)
    return tuple(
        QuantileTable(quantiles[end - count : end], references[end - count : end])
        for count, end in zip(counts, ends, strict=True)
    )
