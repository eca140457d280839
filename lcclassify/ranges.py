"""What is known of a feature's values in training: how many were missing, and where the rest lay.

It is taken from the training matrix, or from the tables that a network came with. A forest that
came alone does not say: its thresholds lie among the values, but not always near their ends.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lcclassify.bundle import Range
from lcclassify.transformer import MISSING, QuantileTable

OUTSIDE_SHARE = 0.002  # of a column's values, half of them below its range and half above
FEW = 10  # values: of others like N, so many in N may well lie outside of what N values span


class Known(NamedTuple):
    """What is known of one feature's values in training."""

    missing_share: float | None
    range: Range | None


NOTHING = Known(None, None)


def of_matrix(matrix: np.ndarray) -> list[Known]:
    """What is known of each column of a training matrix. (N, F) float64, NaN where missing

    A range leaves out the outermost values, which are a handful of odd objects. Of few values, it
    says that more of the next may lie outside.
    """
    known = []
    for column in matrix.T:
        values = column[np.isfinite(column)]
        limits = None
        if len(values):
            low, high = np.quantile(values, [OUTSIDE_SHARE / 2, 1 - OUTSIDE_SHARE / 2])
            outside_share = min(max(OUTSIDE_SHARE, FEW / len(values)), 1.0)
            limits = Range(float(low), float(high), outside_share)
        known.append(Known(1 - len(values) / max(len(column), 1), limits))
    return known


def of_quantiles(tables: Sequence[QuantileTable]) -> list[Known]:
    """What is known of each input of a network by its table of quantiles in training.

    Values that were missing are in the tables as ``MISSING``. If none of them holds any, nobody
    knows whether there were none or whether they had been left out.
    """
    are_counted = any((table.quantiles == MISSING).any() for table in tables)
    return [_of_table(table, are_counted=are_counted) for table in tables]


def _of_table(table: QuantileTable, *, are_counted: bool) -> Known:
    values, shares = table.quantiles, table.references
    first = int(np.searchsorted(values, MISSING, "right"))  # landmark that is no missing value
    if not first:
        whole = Range(float(values[0]), float(values[-1]))
        return Known(0.0 if are_counted else None, whole)
    if first + 1 >= len(values) or shares[first - 1] == 1:  # one landmark is no range
        return Known(float(shares[-1]), None)
    # Landmarks are drawn between values: the first may be anywhere from MISSING to the lowest.
    missing = (shares[first - 1] + shares[first]) / 2
    below = (shares[first + 1] - shares[first - 1]) / (1 - shares[first - 1])
    return Known(float(missing), Range(float(values[first + 1]), float(values[-1]), float(below)))
