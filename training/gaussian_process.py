"""A smooth light curve in all bands at once: Gaussian-process regression in time and wavelength.

To describe a PLAsTiCC light curve by one two-dimensional Gaussian process is the idea of
Boone 2019, AJ 158, 257, doi:10.3847/1538-3881/ab5182. Here the scales come from a fixed grid
instead of an optimiser: a run always gives the same numbers.
"""

from dataclasses import dataclass

import numpy as np
from curve import WAVELENGTH, Curve, Floats

WAVELENGTH_SCALE = 600.0  # nm: neighbouring bands vary together, u and Y much less
TIME_SCALES = (4.0, 8.0, 16.0, 32.0, 64.0)  # d, from fast transients to slow ones
AMPLITUDES = (0.3, 1.0, 3.0)  # in units of the largest significant |flux|
SIGNIFICANT = 3.0  # |flux| over its error


@dataclass(frozen=True, slots=True)
class Surface:
    """Mean flux of one object as a function of time and wavelength. M observations."""

    mjd: Floats  # (M,) d
    wavelength: Floats  # (M,) nm
    weight: Floats  # (M,) 1 / flux, inverse covariance times flux
    time_scale: float  # d
    amplitude: float  # flux
    log_likelihood: float

    def flux(self, mjd: Floats, wavelength: Floats) -> Floats:
        """Mean flux at W wavelengths (nm) and T times (d). (W, T)"""
        in_time = _matern(np.subtract.outer(self.mjd, mjd) / self.time_scale)  # (M, T)
        distance = np.subtract.outer(wavelength, self.wavelength) / WAVELENGTH_SCALE
        surface: Floats = self.amplitude**2 * (_matern(distance) * self.weight) @ in_time
        return surface


def fit(curve: Curve) -> Surface:
    """The surface of largest likelihood on the grid of scales, for at least one observation."""
    wavelength = WAVELENGTH[curve.band]
    size = np.abs(curve.flux)
    significant = size[size >= SIGNIFICANT * curve.flux_err]
    unit = float(significant.max() if significant.size else size.max())
    in_time = np.abs(np.subtract.outer(curve.mjd, curve.mjd))  # (M, M)
    in_wavelength = _matern(np.subtract.outer(wavelength, wavelength) / WAVELENGTH_SCALE)
    surfaces = []
    for time_scale in TIME_SCALES:
        correlation = _matern(in_time / time_scale) * in_wavelength
        for amplitude in (unit * factor for factor in AMPLITUDES):
            covariance = amplitude**2 * correlation + np.diag(curve.flux_err**2)
            lower = np.linalg.cholesky(covariance)
            white = np.linalg.solve(lower, curve.flux)
            likelihood = -0.5 * white @ white - np.log(np.diag(lower)).sum()
            weight = np.linalg.solve(lower.T, white)
            surfaces.append(
                Surface(curve.mjd, wavelength, weight, time_scale, amplitude, float(likelihood))
            )
    return max(surfaces, key=lambda surface: surface.log_likelihood)


def _matern(distance: Floats) -> Floats:
    """Matern 3/2 correlation: once differentiable, as light curves are."""
    scaled = np.sqrt(3.0) * np.abs(distance)
    correlation: Floats = (1.0 + scaled) * np.exp(-scaled)
    return correlation
