"""Prediction: what one model says about one batch."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lcclassify.batch import Batch
from lcclassify.bundle import ModelBundle
from lcclassify.remarks import Remark, Remarks, all_remarks
from lcclassify.status import Problem, Status


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one model says about one batch, row for row. N objects, K nodes, L leaves."""

    batch: Batch
    bundle: ModelBundle  # name, version, digest and class tree of the speaker
    conditional: np.ndarray  # (N, K) float64, P(node | parent); NaN where there is a problem
    problems: Mapping[int, Problem]  # row -> why it has no answer
    repairs: Mapping[int, str] = field(default_factory=dict)  # row with an answer -> what was
    # put right or left out before
    own_remarks: Mapping[Remark, int] = field(default_factory=dict)  # besides those of the batch
    matrix: np.ndarray | None = None  # (N, F) float64, the features in the bundle's order, NaN
    # where missing; None where the predictor did not have them in one piece
    found: np.ndarray | None = None  # (N,) int32, the features of each row with a usable value,
    # also of those with a problem
    observations: np.ndarray | None = None  # (N,) int32, that a network looked at

    @property
    def notes(self) -> dict[int, Problem]:
        """What is to be said of each row that is not plainly OK."""
        repaired = {row: Problem(Status.REPAIRED, text) for row, text in self.repairs.items()}
        return repaired | dict(self.problems)

    @property
    def remarks(self) -> Remarks:
        """What reader and predictor left out, converted or doubted."""
        return all_remarks((self.batch.remarks, self.own_remarks))

    @property
    def status(self) -> np.ndarray:
        """Status of each row. (N,) int8"""
        status = np.full(len(self.batch), Status.OK, np.int8)
        for row, note in self.notes.items():
            status[row] = note.status
        return status

    @property
    def answered(self) -> np.ndarray:
        """Whether each row has probabilities. (N,) bool"""
        answered = np.ones(len(self.batch), bool)
        answered[list(self.problems)] = False
        return answered

    @property
    def leaf_probability(self) -> np.ndarray:
        """(N, L) float64; rows sum to 1, or are NaN where there is a problem."""
        tree = self.bundle.taxonomy
        return tree.joint(self.conditional)[:, tree.leaves]

    @property
    def ranking(self) -> np.ndarray:
        """Leaves of each row from the most to the least probable; ties in column order. (N, L)"""
        return np.argsort(-self.leaf_probability, axis=1, kind="stable")
