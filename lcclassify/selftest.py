"""Golden rows of a forest: inputs with the answers of a plain walk, checked at every load.

The walk here shares nothing with the engine: it reads the trees as they came from the file, one
row and one node at a time, in float64 arithmetic.
"""

import numpy as np

from lcclassify.forest import Forest, HierarchicalForest, Tree
from lcclassify.taxonomy import Taxonomy

N_ROWS = 8


def golden_rows(
    forest: HierarchicalForest,
    features: tuple[str, ...],
    taxonomy: Taxonomy,
    zero_above: float | None = 1e32,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (R, D) float64 that hit thresholds and special values, and their answers (R, K)."""
    rng = np.random.default_rng(0)
    column = {name: index for index, name in enumerate(features)}
    rows = rng.normal(size=(N_ROWS, len(features)))
    for part in (forest.root, *forest.children.values()):
        # Each tree is asked for once: it may be made from a file.
        splits = [(tree.left, tree.feature, tree.threshold) for tree in part.trees]
        for row, _ in np.ndindex(rows.shape):
            left, feature, threshold = splits[rng.integers(len(splits))]
            node = rng.integers(len(left))
            if left[node] >= 0:
                side = rng.choice([-np.inf, np.inf, threshold[node]])  # below, above, on it
                value = np.nextafter(threshold[node], side)
                rows[row, column[part.features[feature[node]]]] = value
    special = rng.choice([np.nan, np.inf, -np.inf, 1e33, 1e32, -1e33, -0.0], size=rows.shape)
    rows = np.where(rng.random(rows.shape) < 0.1, special, rows)
    rows[-1] = np.nan
    return rows, _conditional(forest, column, taxonomy, rows, zero_above)


def _conditional(
    forest: HierarchicalForest,
    column: dict[str, int],
    taxonomy: Taxonomy,
    rows: np.ndarray,
    zero_above: float | None = 1e32,
) -> np.ndarray:
    """P(node | parent) of rows (..., D), one after the other. (..., K) float64"""
    values = [
        [_prepare(float(value), zero_above) for value in row]
        for row in rows.reshape(-1, rows.shape[-1])
    ]
    answer = np.full((len(values), len(taxonomy.nodes)), np.nan)
    for part in (forest.root, *forest.children.values()):
        mine = [[row[column[name]] for name in part.features] for row in values]
        nodes = [taxonomy.nodes.index(name) for name in part.classes]
        answer[:, nodes] = _vote(part, mine)
    return answer.reshape(*rows.shape[:-1], len(taxonomy.nodes))


def _prepare(value: float, zero_above: float | None) -> float:
    if not np.isfinite(value):
        value = -999.0
    if zero_above is not None and value > zero_above:
        value = 0.0
    return float(np.float32(value))


def _vote(forest: Forest, rows: list[list[float]]) -> list[list[float]]:
    totals = [[0.0] * len(forest.classes) for _ in rows]
    for tree in forest.trees:
        for row, values in enumerate(rows):
            leaf = tree.probability[_walk(tree, values)]
            totals[row] = [a + float(b) for a, b in zip(totals[row], leaf, strict=True)]
    return [[sum_ / len(forest.trees) for sum_ in total] for total in totals]


def _walk(tree: Tree, values: list[float]) -> int:
    node = 0
    while tree.left[node] >= 0:
        below = values[tree.feature[node]] <= tree.threshold[node]
        node = int(tree.left[node] if below else tree.right[node])
    return node
