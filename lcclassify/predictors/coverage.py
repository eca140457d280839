"""ObjectCoverage: how many of a model's features an object must have to be answered."""

from dataclasses import dataclass

import numpy as np

from lcclassify.errors import InputError
from lcclassify.status import Problem, Status


@dataclass(frozen=True, slots=True)
class ObjectCoverage:
    """The least that an object must have of the features that a model takes."""

    share: float = 0.0  # with a usable value, 0 to 1; 0: more than none
    reference_nulls: bool = False  # at share 0 none will do either, as for ALeRCE's own code

    def __post_init__(self) -> None:
        """InputError if the share is none."""
        if not 0 <= self.share <= 1:
            raise InputError(f"min_object_coverage={self.share} is not in 0 to 1")

    def problems(self, found: np.ndarray, n_features: int) -> dict[int, Problem]:
        """Row -> why it is not answered. ``found`` (N,) int: its features with a usable value."""
        if not n_features or (self.reference_nulls and not self.share):
            return {}
        # A quotient, as a share that is written in decimals is the same number then.
        lacking = found / n_features < self.share if self.share else found == 0
        return {
            int(row): Problem(Status.MISSING_FEATURES, self._reason(int(found[row]), n_features))
            for row in np.flatnonzero(lacking)
        }

    def _reason(self, n_found: int, n_features: int) -> str:
        if not n_found:
            return f"none of its {n_features} features has a value"
        return (
            f"{n_found} of its {n_features} features have a value, less than a share of "
            f"{self.share:g}"
        )


MORE_THAN_NONE = ObjectCoverage()
