"""A look at the first light curves of files: what of their observations could be used."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lcclassify.remarks import Kind, Remarks, add_remarks, as_plain, remark
from lcclassify.sources.curve_forms import NANOJANSKY, LightCurveOptions
from lcclassify.sources.file import FileSet, FileSource

ENOUGH = 1 << 17  # observations


@dataclass(slots=True)
class Look:
    """Counts of the observations that were looked at."""

    n_objects: int = 0
    n_observations: int = 0  # of these, but for those that flags leave out
    n_usable: int = 0
    remarks: Remarks = field(default_factory=Remarks)

    @property
    def is_usable(self) -> bool:
        """Whether there is anything to classify, if there are objects at all."""
        return self.n_usable > 0 or not self.n_objects

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain values."""
        return {
            "objects": self.n_objects,
            "observations": self.n_observations,
            "usable": self.n_usable,
            "remarks": as_plain(self.remarks),
        }


def look_at(files: FileSet) -> Look:
    """Look at the first objects of files that have light curves. InputError

    Of fluxes of an unknown unit only the unit is unknown, which does not matter here.
    """
    look = Look()
    form = files.light_curves
    if form is None:
        return look
    options = LightCurveOptions(
        NANOJANSKY if form.zero_point is None else None,
        magnitudes=form.is_magnitude and not form.is_declared,
    )
    for batch in FileSource(files, [], light_curves=options):
        curves = batch.light_curves
        if curves is not None:
            look.n_objects += len(batch)
            look.n_observations += len(curves.band)
            read = curves.band >= 0
            n_zero = int(np.count_nonzero(read & (curves.flux == 0)))
            look.n_usable += int(np.count_nonzero(read)) - n_zero
            add_remarks(look.remarks, {remark(Kind.ZERO_FLUX, form.flux): n_zero})
        add_remarks(look.remarks, batch.remarks)
        if look.n_observations >= ENOUGH:
            break
    return look
