"""Light curves as a transformer sees them: days since the first observation, flux, band.

Nothing here is compiled by us: numpy refuses a place behind the end of an array, and none is
counted from its end, as owners are counted up and bands are looked at first.
"""

from dataclasses import dataclass

import numpy as np

from lcclassify.batch import BANDS, LightCurves
from lcclassify.errors import InputError
from lcclassify.remarks import Kind, Remarks, remark


@dataclass(frozen=True, slots=True)
class Sequences:
    """The observations of N objects that a network looks at, end to end; M in all."""

    counts: np.ndarray  # (N,) int64, of each object
    band: np.ndarray  # (M,) int64, index into BANDS
    time: np.ndarray  # (M,) float32, d since the object's first observation
    value: np.ndarray  # (M, V) float32, flux of the model's zero point, and its error if V = 2
    repairs: dict[int, str]  # object -> what was left out
    remarks: Remarks  # likewise, and what counts as padding


@np.errstate(over="ignore", invalid="ignore")  # an overflow is infinite, and so left out
def sequences(curves: LightCurves, zero_point: float, n_values: int) -> Sequences:
    """The observations in known bands with a flux other than 0, fluxes scaled to ``zero_point``.

    A flux of exactly 0 was padding in training, and so was an mjd of 0: the one hides an
    observation, though its time may still be the first, the other is at the first time itself.

    Nothing here is compiled: numpy compares every index with its array. ``LightCurves`` has seen to
    it that offsets fit, bands that are none are left out, and what is counted are indices.
    """
    n_objects = len(curves.offsets) - 1
    owner = np.repeat(np.arange(n_objects), np.diff(curves.offsets))
    scale = 10 ** ((zero_point - curves.zero_point) / 2.5)  # exactly 1 for equal zero points
    columns = (curves.flux, curves.flux_err)[:n_values]
    value = np.stack([(column * scale).astype(np.float32) for column in columns], 1)
    known = (curves.band >= 0) & (curves.band < len(BANDS))
    sound = np.isfinite(curves.mjd) & np.isfinite(value).all(1)
    repairs = _repairs(owner, known & ~sound, known, n_objects)
    bad_flux = known & ~(np.isfinite(curves.mjd) & np.isfinite(value[:, 0]))
    remarks = Remarks(
        {
            remark(Kind.BAD_FLUX, "flux"): int(bad_flux.sum()),
            remark(Kind.BAD_ERROR, "flux_err"): int((known & ~sound & ~bad_flux).sum()),
        }
    )

    kept = np.flatnonzero(known & sound)
    owner, mjd, flux = owner[kept], curves.mjd[kept], curves.flux[kept]
    first = np.full(n_objects, np.inf)
    np.minimum.at(first, owner[mjd != 0], mjd[mjd != 0])
    time = np.zeros(len(mjd))
    np.subtract(mjd, first[owner], out=time, where=mjd != 0)
    seen = flux != 0
    remarks[remark(Kind.ZERO_FLUX, "flux")] += int((~seen).sum())
    kept, owner = kept[seen], owner[seen]
    return Sequences(
        counts=np.bincount(owner, minlength=n_objects),
        band=curves.band[kept].astype(np.int64),
        time=time[seen].astype(np.float32),
        value=value[kept],
        repairs=repairs,
        remarks=+remarks,
    )


def cut(curves: LightCurves, rows: slice) -> LightCurves:
    """The light curves of these objects, without copying observations.

    Only slices are taken, which end where the columns do. InputError if there are no such objects.
    """
    offsets = curves.offsets[rows.start : rows.stop + 1]
    if not len(offsets):
        raise InputError(f"there are no objects {rows.start} to {rows.stop}")
    here = slice(offsets[0], offsets[-1])
    return LightCurves(
        offsets=offsets - offsets[0],
        mjd=curves.mjd[here],
        band=curves.band[here],
        flux=curves.flux[here],
        flux_err=curves.flux_err[here],
        zero_point=curves.zero_point,
    )


def _repairs(
    owner: np.ndarray, out: np.ndarray, known: np.ndarray, n_objects: int
) -> dict[int, str]:
    left_out = np.bincount(owner[out], minlength=n_objects)
    among = np.bincount(owner[known], minlength=n_objects)
    return {
        int(row): f"{left_out[row]} of {among[row]} observations are left out: "
        "their mjd or flux is not finite"
        for row in np.flatnonzero(left_out)
    }
