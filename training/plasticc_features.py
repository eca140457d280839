"""The features that the model ``plasticc`` reads, from light curves and what is known of the hosts.

    python training/plasticc_features.py LIGHT_CURVES OBJECTS OUT

LIGHT_CURVES is a Parquet file with the columns object_id, mjd (d), passband (0-5 = u g r i z Y),
flux and flux_err (FLUXCAL: AB zero point 27.5) and detected_bool; OBJECTS one with the columns
object_id, hostgal_photoz, hostgal_photoz_err and mwebv. OUT gets one row per row of OBJECTS and
the columns listed in ``plasticc_features.csv``; null where a feature cannot be computed, as are
the statistics of the light-curve library where a band was observed at one time only.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import light_curve
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from curve import BANDS, Curve, Floats
from gaussian_process import fit
from surface_features import COLOURS, REST_NAMES, surface_features
from threadpoolctl import threadpool_limits

from lcclassify.errors import InputError, LcclassifyError

CURVE_COLUMNS = ("object_id", "mjd", "passband", "flux", "flux_err", "detected_bool")
OBJECT_COLUMNS = ("object_id", "hostgal_photoz", "hostgal_photoz_err", "mwebv")
PLACES = {"<band>": BANDS, "<rest>": REST_NAMES, "<colour>": COLOURS}
STATISTICS = {
    "Amplitude": light_curve.Amplitude(),
    "EtaE": light_curve.EtaE(),
    "ExcessVariance": light_curve.ExcessVariance(),
    "MaximumSlope": light_curve.MaximumSlope(),
    "MedianAbsoluteDeviation": light_curve.MedianAbsoluteDeviation(),
    "ReducedChi2": light_curve.ReducedChi2(),
    "Skew": light_curve.Skew(),
    "StetsonK": light_curve.StetsonK(),
    "TimeStandardDeviation": light_curve.TimeStandardDeviation(),
    "WeightedMean": light_curve.WeightedMean(),
}
EXTRACTOR = light_curve.Extractor(*STATISTICS.values())
HUBBLE_DISTANCE = 299792.458 / 70.0  # Mpc
OMEGA_M = 0.3


def feature_names() -> tuple[str, ...]:
    """Every feature in the order of the table, as ``plasticc_features.csv`` lists them."""
    listed = Path(__file__).with_suffix(".csv").read_text("utf-8").splitlines()
    names: list[str] = []
    for family in (row["name"] for row in csv.DictReader(listed)):
        stem, _, place = family.partition("_<")
        names += [f"{stem}_{name}" for name in PLACES[f"<{place}"]] if place else [family]
    return tuple(names)


def distance_modulus(redshift: float) -> float:
    """Of a flat universe with matter and a cosmological constant; NaN unless redshift > 0. mag"""
    if not redshift > 0:
        return np.nan
    z = np.linspace(0.0, redshift, 1001)
    rate = 1.0 / np.sqrt(OMEGA_M * (1.0 + z) ** 3 + 1.0 - OMEGA_M)
    comoving = z[1] * (rate.sum() - (rate[0] + rate[-1]) / 2.0)  # trapezoids
    return 5.0 * float(np.log10(HUBBLE_DISTANCE * comoving * (1.0 + redshift))) + 25.0


def object_features(
    curve: Curve, photoz: float, photoz_err: float, mwebv: float
) -> dict[str, float]:
    """The features of one object that can be computed, by name; some may be NaN or infinite."""
    modulus = distance_modulus(photoz)
    features = {
        "hostgal_photoz": photoz,
        "hostgal_photoz_err": photoz_err,
        "mwebv": mwebv,
        "DistanceModulus": modulus,
    }
    curve = curve.window().without_dust(mwebv)
    if not len(curve):
        return features
    at = curve.mjd[curve.detected]
    features |= {
        "DetectionCount": float(at.size),
        "DetectionSpan": at[-1] - at[0],
        "PositiveDetectionFraction": float(np.mean(curve.flux[curve.detected] > 0)),
    }
    for band, part in curve.per_band():
        features |= {f"{name}_{band}": value for name, value in _band_features(part).items()}
    with np.errstate(divide="ignore", invalid="ignore"):  # a surface of zeros has no shape
        return features | surface_features(curve, fit(curve), photoz, modulus)


def _band_features(curve: Curve) -> dict[str, float]:
    """The features of one band, which has observations."""
    # At a single time MaximumSlope of light-curve 0.13 panics, which no ``except Exception`` stops.
    values = np.full(len(STATISTICS), np.nan)
    if curve.mjd[0] < curve.mjd[-1]:
        values = EXTRACTOR(curve.mjd, curve.flux, curve.flux_err, fill_value=np.nan, sorted=True)
    ratio = curve.flux / curve.flux_err
    largest = np.abs(curve.flux).max()
    return dict(zip(STATISTICS, values, strict=True)) | {
        "SnrMax": ratio.max(),
        "SnrMin": ratio.min(),
        "MinToMax": curve.flux.min() / largest if largest > 0 else np.nan,
        "DetectedFraction": curve.detected.mean(),
    }


def features_table(light_curves: pa.Table, objects: pa.Table) -> pa.Table:
    """One row per row of ``objects``: object_id and the features, float64, null = not computed."""
    _need("the light curves", light_curves, CURVE_COLUMNS)
    _need("the objects", objects, OBJECT_COLUMNS)
    curves = _by_object(light_curves)
    empty = Curve(*(np.empty(0, t) for t in (float, np.int64, float, float, np.bool_)))
    names = feature_names()
    matrix = np.full((objects.num_rows, len(names)), np.nan)
    ids = objects["object_id"].to_pylist()
    context = [_floats(objects, name) for name in OBJECT_COLUMNS[1:]]
    with threadpool_limits(1):  # quicker for small matrices, and sums keep their order
        for row, (name, *known) in enumerate(zip(ids, *context, strict=True)):
            features = object_features(curves.get(name, empty), *(float(value) for value in known))
            matrix[row] = [features.get(feature, np.nan) for feature in names]
    matrix[~np.isfinite(matrix)] = np.nan
    columns = {name: pa.array(matrix[:, i], from_pandas=True) for i, name in enumerate(names)}
    return pa.table({"object_id": objects["object_id"], **columns})


def _by_object(table: pa.Table) -> dict[object, Curve]:
    """Each object's light curve by time; observations that say nothing are left out."""
    table = table.sort_by([(name, "ascending") for name in CURVE_COLUMNS[:3]])
    mjd, flux, flux_err = (_floats(table, name) for name in ("mjd", "flux", "flux_err"))
    band = table["passband"].to_numpy().astype(np.int64)
    if ((band < 0) | (band >= len(BANDS))).any():
        raise InputError("passband must be 0 to 5 (u g r i z Y)")
    usable = np.isfinite(mjd) & np.isfinite(flux) & np.isfinite(flux_err) & (flux_err > 0)
    everything = Curve(mjd, band, flux, flux_err, table["detected_bool"].to_numpy() != 0)
    ids = table["object_id"].to_pylist()
    first = [i for i, name in enumerate(ids) if i == 0 or name != ids[i - 1]]
    parts = (slice(*ends) for ends in zip(first, [*first[1:], len(ids)], strict=True))
    return {ids[part.start]: everything.where(part).where(usable[part]) for part in parts}


def _floats(table: pa.Table, name: str) -> Floats:
    """A column as float64, null as NaN."""
    return np.asarray(table[name].to_numpy(), dtype=np.float64)


def _need(what: str, table: pa.Table, columns: Sequence[str]) -> None:
    if missing := [name for name in columns if name not in table.column_names]:
        raise InputError(f"{what} lack the columns {', '.join(missing)}")


def main(argv: Sequence[str] | None = None) -> None:
    """Compute the features of every object in a file."""
    parser = argparse.ArgumentParser(description="Features for the model plasticc.")
    parser.add_argument("light_curves", type=Path, help="Parquet file, one row per observation")
    parser.add_argument("objects", type=Path, help="Parquet file, one row per object")
    parser.add_argument("out", type=Path, help="Parquet file to write")
    given = parser.parse_args(argv)
    try:
        table = features_table(pq.read_table(given.light_curves), pq.read_table(given.objects))
    except LcclassifyError as error:
        sys.exit(f"plasticc_features: {error}")
    pq.write_table(table, given.out)


if __name__ == "__main__":
    main()
