"""Tabular inputs of a transformer: missing values marked, then quantiles turned to deviates."""

from collections.abc import Mapping

import numpy as np
import torch

from lcclassify.features import header_columns
from lcclassify.status import FEATURES_MISSING, HEADER_MISSING, join_texts
from lcclassify.transformer import MISSING, QuantileTable

EDGE = 1e-7  # values this close to the ends of a table count as its ends, as in scikit-learn
SHARES = (EDGE - np.spacing(1), 1 - (EDGE - np.spacing(1)))  # what no deviate goes beyond


class QuantileTransform:
    """scikit-learn's QuantileTransformer to a normal distribution, all columns at once.

    Indices of landmarks are clamped to those of their column, whatever is looked up, NaN too.
    """

    def __init__(self, tables: tuple[QuantileTable, ...]) -> None:
        width = max((len(table.quantiles) for table in tables), default=0)
        self.quantiles = torch.full((len(tables), max(width, 2)), torch.inf, dtype=torch.float64)
        self.references = torch.ones_like(self.quantiles)
        for row, table in enumerate(tables):
            size = len(table.quantiles)
            self.quantiles[row, :size] = torch.from_numpy(np.array(table.quantiles))
            self.references[row, :size] = torch.from_numpy(np.array(table.references))
        lengths = [len(table.quantiles) for table in tables]
        self.last = torch.tensor(lengths, dtype=torch.int64)[:, None] - 1  # (F, 1)

    def __call__(self, matrix: np.ndarray) -> torch.Tensor:
        """Normal deviates of finite values; both (N, F), float64."""
        x = torch.from_numpy(matrix).T.contiguous()  # (F, N)
        after = torch.searchsorted(self.quantiles, x, right=True)
        before = torch.searchsorted(self.quantiles, x)
        # Of equal quantiles, interpolation takes the last, its mirror image the first.
        share = (self._line(x, after - 1, 0) + self._line(x, before - 1, 1)) / 2
        share[x + EDGE > self.quantiles.gather(1, self.last)] = 1
        share[x - EDGE < self.quantiles[:, :1]] = 0
        lowest, highest = torch.special.ndtri(torch.tensor(SHARES, dtype=torch.float64))
        deviates: torch.Tensor = torch.special.ndtri(share).clamp_(lowest, highest)
        return deviates.T

    def _line(self, x: torch.Tensor, left: torch.Tensor, end: int) -> torch.Tensor:
        """On the line from landmark ``left`` to the next, drawn from its end 0 or 1. (F, N)"""
        left = left.clamp_(min=0).minimum((self.last - 1).clamp(min=0))
        quantile = [self.quantiles.gather(1, left + i) for i in (0, 1)]
        reference = [self.references.gather(1, left + i) for i in (0, 1)]
        slope = (reference[1] - reference[0]) / (quantile[1] - quantile[0])
        line: torch.Tensor = slope * (x - quantile[end]) + reference[end]
        return line


class InputKinds:
    """The header and the features among a network's inputs, G of these two kinds at most."""

    def __init__(self, inputs: tuple[str, ...]) -> None:
        header = np.isin(inputs, sorted(header_columns()))
        told = ((header, HEADER_MISSING), (~header, FEATURES_MISSING))
        self._kinds = [(is_kind, text) for is_kind, text in told if is_kind.any()]

    def __len__(self) -> int:
        return len(self._kinds)

    def there(self, usable: np.ndarray) -> np.ndarray:
        """Whether an object has anything of each kind; ``usable`` is (N, F) bool. (N, G) bool"""
        there = np.empty((len(usable), len(self)), bool)
        for kind, (is_kind, _) in enumerate(self._kinds):
            there[:, kind] = usable[:, is_kind].any(axis=1)
        return there

    def repairs(self, there: np.ndarray, told: Mapping[int, str]) -> dict[int, str]:
        """Row -> what it has nothing of; not again where a reader, who knows why, has ``told``."""
        said: dict[int, str] = {}
        for kind, (_, text) in enumerate(self._kinds):
            rows = map(int, np.flatnonzero(~there[:, kind]))
            said = join_texts(said, {row: text for row in rows if text not in told.get(row, "")})
        return said


def fill_missing(matrix: np.ndarray, inputs: tuple[str, ...]) -> tuple[np.ndarray, dict[int, str]]:
    """Put -9999 for what is not finite; row -> what is said of infinite header values. (N, F)

    Infinite features are as missing as in training; a header has none that could be trusted.
    """
    header = np.isin(inputs, sorted(header_columns()))
    repairs: dict[int, str] = {}
    for row in np.flatnonzero((np.isinf(matrix) & header).any(1)):
        column = int(np.argmax(np.isinf(matrix[row]) & header))
        repairs[int(row)] = f"{inputs[column]} is infinite and counts as missing"
    return np.where(np.isfinite(matrix), matrix, MISSING), repairs
