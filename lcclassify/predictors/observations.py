"""What a network sees of light curves, and whether that fits together."""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from lcclassify.batch import BANDS
from lcclassify.errors import InputError


class Observations(NamedTuple):
    """What the network sees of N light curves, end to end, short ones first."""

    counts: np.ndarray  # (N,) int64, ascending
    band: Tensor  # (M,) int64
    time: Tensor  # (M,) float32, d since the first observation
    value: Tensor  # (M, V) float32

    def check(self, n_objects: int) -> None:
        """InputError if these are not the observations of so many objects, at least of one.

        The network counts its tokens by them. Beyond that, torch itself compares every index with
        what it points into, on a CPU at once; on a GPU that would end all work there.
        """
        counts, n_seen = self.counts, len(self.time)
        sound = counts.shape == (n_objects,) and {len(self.band), len(self.value)} == {n_seen}
        if sound:
            sound = n_objects > 0 and counts[0] >= 0 and bool((counts[1:] >= counts[:-1]).all())
            sound = sound and counts[-1] <= n_seen  # so that their sum does not overflow
        if not sound or counts.sum() != n_seen:
            raise InputError(f"{n_seen} observations are not those of {n_objects} objects")
        if n_seen and not 0 <= int(self.band.min()) <= int(self.band.max()) < len(BANDS):
            raise InputError(f"bands are not within 0 and {len(BANDS) - 1}")
