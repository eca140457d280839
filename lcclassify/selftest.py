"""Golden rows of a forest: inputs with the answers of a plain walk, checked at every load.

The walk here shares nothing with the engine: it reads the trees as they came from the file, one
row and one node at a time, in float64 arithmetic.
"""

import numpy as np

from lcclassify.forest import Forest, HierarchicalForest, Tree
from lcclassify.taxonomy import Taxonomy

N_ROWS = 8


def golden_rows(
    forest: HierarchicalForest, features: tuple[str, ...], taxonomy: Taxonomy
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (R, D) float64 that hit thresholds and special values, and their answers (R, K)."""
    rng = np.random.default_rng(0)
    column = {name: index for index, name in enumerate(features)}
    rows = rng.normal(size=(N_ROWS, len(features)))
    for part in (forest.root, *forest.children.values()):
        for row, _ in np.ndindex(rows.shape):
            tree = part.trees[rng.integers(len(part.trees))]
            node = rng.integers(len(tree.left))
            if tree.left[node] >= 0:
                side = rng.choice([-np.inf, np.inf, tree.threshold[node]])  # below, above, on it
                value = np.nextafter(tree.threshold[node], side)
                rows[row, column[part.features[tree.feature[node]]]] = value
    special = rng.choice([np.nan, np.inf, -np.inf, 1e33, 1e32, -1e33, -0.0], size=rows.shape)
    rows = np.where(rng.random(rows.shape) < 0.1, special, rows)
    rows[-1] = np.nan
    return rows, np.stack([_conditional(forest, column, taxonomy, row) for row in rows])


def _conditional(
    forest: HierarchicalForest, column: dict[str, int], taxonomy: Taxonomy, row: np.ndarray
) -> np.ndarray:
    values = [_prepare(float(value)) for value in row]
    answer = np.full(len(taxonomy.nodes), np.nan)
    for part in (forest.root, *forest.children.values()):
        mine = [values[column[name]] for name in part.features]
        for name, probability in zip(part.classes, _vote(part, mine), strict=True):
            answer[taxonomy.nodes.index(name)] = probability
    return answer


def _prepare(value: float) -> float:
    if not np.isfinite(value):
        value = -999.0
    if value > 1e32:
        value = 0.0
    return float(np.float32(value))


def _vote(forest: Forest, values: list[float]) -> list[float]:
    total = [0.0] * len(forest.classes)
    for tree in forest.trees:
        leaf = tree.probability[_walk(tree, values)]
        total = [sum_ + float(share) for sum_, share in zip(total, leaf, strict=True)]
    return [sum_ / len(forest.trees) for sum_ in total]


def _walk(tree: Tree, values: list[float]) -> int:
    node = 0
    while tree.left[node] >= 0:
        below = values[tree.feature[node]] <= tree.threshold[node]
        node = int(tree.left[node] if below else tree.right[node])
    return node
