"""A PLAsTiCC light curve as columns, and what is done to it before any statistic."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BANDS = ("u", "g", "r", "i", "z", "Y")  # position = value of the column passband
WAVELENGTH = np.array([367.1, 482.7, 622.3, 754.6, 869.1, 971.2])  # nm, effective, per band
# Extinction over E(B-V) in the LSST bands for R_V = 3.1: Schlafly & Finkbeiner 2011, ApJ 737, 103.
EXTINCTION = np.array([4.145, 3.237, 2.273, 1.684, 1.323, 1.088])
ZERO_POINT = 27.5  # AB, of FLUXCAL
BEFORE, AFTER = 30.0, 100.0  # d around first and last detection, as alert streams publish them


@dataclass(frozen=True, slots=True)
class Curve:
    """The M observations of one object by time. Fluxes are FLUXCAL."""

    mjd: Floats  # (M,) d
    band: NDArray[np.int64]  # (M,) index into BANDS
    flux: Floats  # (M,)
    flux_err: Floats  # (M,) above 0
    detected: NDArray[np.bool_]  # (M,)

    def __len__(self) -> int:
        return len(self.mjd)

    def where(self, keep: NDArray[np.bool_] | slice) -> Self:
        """The observations for which ``keep`` is true, or a slice of them."""
        return type(self)(
            self.mjd[keep],
            self.band[keep],
            self.flux[keep],
            self.flux_err[keep],
            self.detected[keep],
        )

    def window(self) -> Self:
        """First detection - 30 d to last detection + 100 d, ends included; empty if undetected."""
        at = self.mjd[self.detected]
        if not at.size:
            return self.where(np.zeros(len(self), dtype=np.bool_))
        return self.where((self.mjd >= at[0] - BEFORE) & (self.mjd <= at[-1] + AFTER))

    def without_dust(self, mwebv: float) -> Self:
        """Fluxes as they would be without the dust of the Milky Way; unchanged if it is unknown."""
        factor = 10 ** (0.4 * EXTINCTION[self.band] * np.nan_to_num(mwebv))
        return type(self)(
            self.mjd, self.band, self.flux * factor, self.flux_err * factor, self.detected
        )

    def per_band(self) -> Iterator[tuple[str, Self]]:
        """Each band that has observations, with those."""
        for index, name in enumerate(BANDS):
            if (here := self.band == index).any():
                yield name, self.where(here)
