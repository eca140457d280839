"""Hierarchical forests: one matrix, one forest below the root and below each inner node."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from lcclassify.batch import Batch
from lcclassify.bundle import ModelBundle
from lcclassify.errors import InputError, ModelError
from lcclassify.features import Receipt, match_features, some_of
from lcclassify.manifest import texts
from lcclassify.prediction import Prediction
from lcclassify.predictors import packed
from lcclassify.predictors.coverage import MORE_THAN_NONE, ObjectCoverage
from lcclassify.predictors.matrix import count_usable, feature_matrix
from lcclassify.status import Problem, Status
from lcclassify.taxonomy import Taxonomy

FLOAT = np.dtype(np.float64)

# What a manifest may say on missing values, and the limit that ``packed.keys`` then takes.
MISSING_RULES = (
    ({"value": -999.0, "above": 1e32, "above_becomes": 0.0}, 1e32),
    ({"value": -999.0}, math.inf),
)


class ForestPredictor:
    """P(node | parent) by averaging trees; equal to scikit-learn's answers bit for bit."""

    def __init__(
        self,
        bundle: ModelBundle,
        *,
        min_coverage: float = 1.0,
        objects: ObjectCoverage = MORE_THAN_NONE,
        threads: int = 1,
    ) -> None:
        self.bundle = bundle
        self.min_coverage = min_coverage
        self.objects = objects
        self.threads = threads
        self._zero_above = _zero_above(bundle)
        self._forests = _load_forests(bundle)
        self._match = lru_cache(maxsize=8)(self._match_columns)
        self._self_test()

    def predict(self, batch: Batch, /) -> Prediction:
        """Answer every object of the batch. InputError if the columns cover too few features."""
        names = batch.features.column_names
        matrix = feature_matrix(batch.features, self._match(tuple(names)))
        conditional, outside = self._conditional(matrix)
        found = count_usable(matrix, self.bundle)
        problems = dict(batch.problems)
        for row in np.flatnonzero(outside >= 0):
            feature, value = self.bundle.features[outside[row]].name, matrix[row, outside[row]]
            side = "below" if value < 0 else "above"
            reason = f"{feature} = {value:g} is {side} the range of float32"
            problems.setdefault(int(row), Problem(Status.INVALID_FEATURES, reason))
        problems = self.objects.problems(found, matrix.shape[1]) | problems
        conditional[list(problems)] = np.nan
        return Prediction(batch, self.bundle, conditional, problems, matrix=matrix, found=found)

    def _match_columns(self, names: tuple[str, ...]) -> Receipt:
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"columns are there twice: {some_of(twice)}")
        receipt = match_features(self.bundle.features, names)
        receipt.require(self.min_coverage, self.bundle.label)
        return receipt

    def _conditional(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        keys, outside = packed.keys(matrix, self._zero_above)
        conditional = np.empty((len(matrix), len(self.bundle.taxonomy.nodes)))
        for children, forest in self._forests:
            conditional[:, children] = packed.predict(forest, keys, self.threads)
        return conditional, outside

    def _self_test(self) -> None:
        rows, expected = self.bundle.array("golden_rows"), self.bundle.array("golden_answers")
        n_rows = max(rows.shape[0], 1) if rows.ndim else 1
        shapes = (n_rows, len(self.bundle.features)), (n_rows, len(self.bundle.taxonomy.nodes))
        if (rows.shape, expected.shape) != shapes or {rows.dtype, expected.dtype} != {FLOAT}:
            raise ModelError(f"model {self.bundle.path}: golden rows of the wrong shape")
        answers, _ = self._conditional(np.ascontiguousarray(rows))
        if not np.array_equal(answers, expected):
            raise ModelError(
                f"model {self.bundle.path}: its forests do not give the answers it was published "
                "with; the model or this installation is damaged"
            )


def _zero_above(bundle: ModelBundle) -> float:
    for rule, limit in MISSING_RULES:
        if bundle.manifest.get("missing") == rule:
            return limit
    raise ModelError(f"model {bundle.path}: unknown rule for missing values")


def _load_forests(bundle: ModelBundle) -> list[tuple[np.ndarray, packed.PackedForest]]:
    """Each forest with the nodes of the class tree that it chooses between."""
    tree, forests = bundle.taxonomy, []
    with bundle.faults("bad list of forests"):
        parts = [_part(part, tree) for part in bundle.manifest["forests"]]
        for number, (parent, classes) in enumerate(parts):
            forest = packed.PackedForest(
                *(bundle.array(f"forest{number}_{part}") for part in ("nodes", "trees", "leaves"))
            )
            packed.check(forest, len(bundle.features), len(classes))
            forests.append((np.array(classes), forest))
            if sorted(classes) != tree.children(parent).tolist():
                name = tree.nodes[parent] if parent >= 0 else "the root"
                raise ModelError(f"the forest of {name} answers for other classes")
        if sorted(node for _, classes in parts for node in classes) != list(range(len(tree.nodes))):
            raise ModelError("the class tree has nodes that no forest or several answer for")
    return forests


def _part(part: Mapping[str, Any], tree: Taxonomy) -> tuple[int, list[int]]:
    """The node that a forest stands below, -1 for the root, and those between which it chooses."""
    (node,), classes = texts([part["node"]]), texts(part["classes"])
    return tree.nodes.index(node) if node else -1, [tree.nodes.index(name) for name in classes]
