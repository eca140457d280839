"""What a smooth surface says about peak, colours and time scales, as observed and at rest."""

from itertools import pairwise

import numpy as np
from curve import AFTER, BANDS, BEFORE, WAVELENGTH, ZERO_POINT, Curve, Floats
from gaussian_process import Surface

STEP = 1.0  # d, of the grid on which the surface is read
PEAK_BANDS = slice(1, 5)  # g r i z: u and Y are too noisy to date the peak
REST_WAVELENGTH = np.array([360.0, 440.0, 550.0, 650.0, 800.0])  # nm
REST_PEAK = slice(1, 4)  # 440, 550, 650 nm
REST_NAMES = tuple(f"{nm:.0f}nm" for nm in REST_WAVELENGTH)
COLOURS = tuple(f"{blue}_{red}" for blue, red in pairwise(REST_NAMES))
EPOCHS = {"M10": -10.0, "P00": 0.0, "P15": 15.0, "P30": 30.0, "P50": 50.0}  # d from peak, at rest
COLOUR_EPOCHS = ("M10", "P00", "P15", "P30")
FLUX_EPOCHS = ("M10", "P15", "P30", "P50")


def surface_features(
    curve: Curve, surface: Surface, photoz: float, distance_modulus: float
) -> dict[str, float]:
    """Every feature read off the surface; times are at rest where ``photoz`` is known."""
    at = curve.mjd[curve.detected]
    grid = np.arange(at[0] - BEFORE, at[-1] + AFTER + STEP / 2, STEP)  # (T,)
    stretch = 1.0 + max(np.nan_to_num(photoz), 0.0)
    flux = surface.flux(grid, WAVELENGTH)  # (6, T)
    peak = int(flux[PEAK_BANDS].sum(axis=0).argmax())
    residual = curve.flux - surface.flux(curve.mjd, WAVELENGTH)[curve.band, np.arange(len(curve))]
    features = {
        "SurfaceTimeScale": surface.time_scale,
        "SurfaceReducedChi2": float(np.mean((residual / curve.flux_err) ** 2)),
        "PeakAfterFirstDetection": grid[peak] - at[0],
        "LastDetectionAfterPeak": at[-1] - grid[peak],
    }
    share = flux[:, peak] / np.abs(flux[:, peak]).sum()
    for band, series, fraction in zip(BANDS, flux, share, strict=True):
        top = int(series.argmax())
        magnitude = _magnitude(series[top])
        shape = _shape(series, top) | {"PeakDelay": (top - peak) * STEP}
        features |= {f"{name}_{band}": days / stretch for name, days in shape.items()}
        features |= {
            f"PeakFraction_{band}": fraction,
            f"PeakMag_{band}": magnitude,
            f"PeakAbsMag_{band}": magnitude - distance_modulus,
            f"MinToPeak_{band}": series.min() / np.abs(series[top]),
        }
    if np.isfinite(photoz):
        rest = surface.flux(grid, REST_WAVELENGTH * stretch)  # (5, T)
        features |= _rest_features(grid / stretch, rest, distance_modulus, stretch)
    return features


def _shape(series: Floats, top: int) -> dict[str, float]:
    """Rise, fall and area of one band about its maximum at index ``top``. d, as observed"""
    relative = series / np.abs(series[top])
    before, after = relative[: top + 1][::-1], relative[top:]
    return {
        "RiseHalf": _first_below(before, 0.5),
        "FallHalf": _first_below(after, 0.5),
        "FallFifth": _first_below(after, 0.2),
        "Area": float(relative[relative > 0].sum()) * STEP,
    }


def _first_below(relative: Floats, level: float) -> float:
    """Days until the series is below ``level`` for the first time; NaN if it never is."""
    below = np.flatnonzero(relative < level)
    return float(below[0]) * STEP if below.size else np.nan


def _rest_features(
    days: Floats, rest: Floats, distance_modulus: float, stretch: float
) -> dict[str, float]:
    """Luminosities, colours and declines at rest; days (T,) at rest, rest (5, T) flux."""
    peak = int(rest[REST_PEAK].sum(axis=0).argmax())
    at = {
        name: np.array([np.interp(days[peak] + epoch, days, series) for series in rest])
        for name, epoch in EPOCHS.items()
    }
    features = {}
    for nm, series in zip(REST_NAMES, rest, strict=True):
        # The last term: a flux per unit frequency is stretched along with the frequencies.
        absolute = _magnitude(series.max()) - distance_modulus + 2.5 * np.log10(stretch)
        features[f"RestPeakAbsMag_{nm}"] = absolute
    for epoch in FLUX_EPOCHS:
        relative = at[epoch] / np.abs(at["P00"])
        features |= {f"RestFlux{epoch}_{nm}": v for nm, v in zip(REST_NAMES, relative, strict=True)}
    for epoch in COLOUR_EPOCHS:
        magnitude = [_magnitude(value) for value in at[epoch]]
        for name, (blue, red) in zip(COLOURS, pairwise(magnitude), strict=True):
            features[f"RestColor{epoch}_{name}"] = blue - red
    return features


def _magnitude(flux: float) -> float:
    """AB magnitude of a FLUXCAL; NaN unless it is above 0."""
    return ZERO_POINT - 2.5 * float(np.log10(flux)) if flux > 0 else np.nan
