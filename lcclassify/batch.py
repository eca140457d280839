"""Batch: a number of objects, held as columns; LightCurves: their observations."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lcclassify.errors import InputError
from lcclassify.remarks import Kind, Remark
from lcclassify.status import Problem

BANDS = ("u", "g", "r", "i", "z", "Y")  # of the Rubin Observatory, from short to long wavelengths
SURVEY = "lsst"  # whose bands these are
MAX_ZERO_POINT = 100.0  # of either sign: 31.4 is nJy, -56.1 is W/m2/Hz; 770 is beyond float64
ZERO_POINTS = f"expected an AB magnitude within {-MAX_ZERO_POINT:g} and {MAX_ZERO_POINT:g}"


def is_zero_point(value: float) -> bool:
    """Whether fluxes can be of this zero point; those of NaN cannot."""
    return abs(value) <= MAX_ZERO_POINT


@dataclass(frozen=True, slots=True)
class LightCurves:
    """M observations of N objects, end to end, each object's in the order in which they came."""

    offsets: np.ndarray  # (N + 1,) int64; object n has observations offsets[n] to offsets[n + 1]
    mjd: np.ndarray  # (M,) float64, d (TAI); NaN = no value
    band: np.ndarray  # (M,) int8, index into BANDS; -1 = the observation is left out
    flux: np.ndarray  # (M,) float64, of the zero point below; NaN = no value
    flux_err: np.ndarray  # (M,) float64, likewise
    zero_point: float  # AB magnitude of flux 1, as the reader was told: 31.4 for nJy

    def __post_init__(self) -> None:
        """InputError if the columns are not of the same observations, or of no known unit.

        Whatever is made of light curves goes by their offsets: they are compared, not subtracted,
        since differences of arbitrary integers overflow.
        """
        if not is_zero_point(self.zero_point):
            raise InputError(f"{self.zero_point} is no zero point of fluxes: {ZERO_POINTS}")
        columns = (self.mjd, self.band, self.flux, self.flux_err)
        kinds = [array.dtype.kind for array in (self.offsets, self.band)]
        if any(array.ndim != 1 for array in (self.offsets, *columns)) or kinds != ["i", "i"]:
            raise InputError("light curves are flat columns, with offsets and bands of integers")
        ends = self.offsets[:1].tolist() + self.offsets[-1:].tolist()
        if ends[:1] != [0] or (self.offsets[1:] < self.offsets[:-1]).any():
            raise InputError("offsets of light curves start at 0 and never fall")
        lengths = {len(column) for column in columns}
        if lengths != {ends[-1]}:
            raise InputError(f"columns of {sorted(lengths)} values, not {ends[-1]}")


@dataclass(frozen=True, slots=True)
class Batch:
    """N objects held as columns, in the order in which they came."""

    object_id: pa.Array  # (N,) of the input's own type, under the input's own name
    id_name: str
    features: pa.Table  # N rows; numbers, null = not computed
    problems: Mapping[int, Problem] = field(default_factory=dict)  # row -> why it cannot be used
    context: pa.Table = field(default_factory=lambda: pa.table({}))  # N rows for output schemas:
    # alertId, diaSourceId, elasticcPublishTimestamp, brokerIngestTimestamp (int64; times in ms)
    light_curves: LightCurves | None = None  # of the N objects, where the model looks at them
    repairs: Mapping[int, str] = field(default_factory=dict)  # row -> what its reader put right
    remarks: Mapping[Remark, int] = field(default_factory=dict)  # what was left out, converted or
    # doubted of all its rows together
    first_rows: Mapping[Kind, int] = field(default_factory=dict)  # what was said of observations
    # -> the first row of which it was
    rounded: np.ndarray | None = None  # (N,) bool, whose id went through a float and may be
    # another's as well; None: nobody's

    def __post_init__(self) -> None:
        """InputError if ids, features and light curves are not of the same objects."""
        if len(self.object_id) != len(self.features):
            raise InputError(f"{len(self.object_id)} ids and {len(self.features)} rows of features")
        if self.light_curves is not None and len(self.light_curves.offsets) != len(self) + 1:
            n_curves = len(self.light_curves.offsets) - 1
            raise InputError(f"{len(self.object_id)} ids and {n_curves} light curves")

    def __len__(self) -> int:
        return len(self.object_id)

    @property
    def is_rounded(self) -> np.ndarray:
        """Whether each id went through a float and may be another's. (N,) bool"""
        return np.zeros(len(self), bool) if self.rounded is None else self.rounded
