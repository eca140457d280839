"""The forest engine against scikit-learn with one thread: speed, loading, first call.

Four forests are fitted on synthetic features, as a hierarchy of classes has them: one below the
root and three below its nodes. Every figure is a median of runs that alternate between the two;
read the ratios, since the times are the machine's. --quick takes a tenth of the trees, for which
the targets were not made.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numba
import numpy as np
import sklearn
from machine import machine
from sklearn.ensemble import RandomForestClassifier

from lcclassify.forest import Forest, Tree
from lcclassify.predictors import packed
from lcclassify.predictors.packed import PackedForest

N_FEATURES = 178
N_ROWS = 7000  # make trees of mean depth 16 from such features
N_CLASSES = (3, 4, 5, 6)
TARGETS = {1: 120.0, 10: None, 100: 9.0, 1000: 3.5, 5000: 2.5}  # batch -> ratio
LOAD_TARGET = 20.0

FIRST_CALL = """
from time import perf_counter
import numpy as np
start = perf_counter()
from lcclassify.predictors import packed
from lcclassify.predictors.packed import PackedForest
leaf = PackedForest(np.zeros(1, np.uint64), np.array([0, 1]), np.ones((1, 1)))
packed.check(leaf, 1, 1)
packed.predict(leaf, packed.keys(np.zeros((1, 1)))[0])
print(perf_counter() - start)
"""


def synthetic(n_classes: int, n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise in which a quarter of the features know a little about the class."""
    random = np.random.default_rng(seed)
    centre = np.random.default_rng(n_classes).normal(size=(n_classes, N_FEATURES))
    centre[:, np.arange(N_FEATURES) % 4 > 0] = 0
    classes = random.integers(0, n_classes, n_rows)
    return random.normal(size=(n_rows, N_FEATURES)) + 0.12 * centre[classes], classes


def fit(n_classes: int, n_trees: int) -> RandomForestClassifier:
    # Few features per split: quick to fit, and the trees come out as deep as published ones.
    model = RandomForestClassifier(n_trees, max_features=3, random_state=1, n_jobs=-1)
    return model.fit(*synthetic(n_classes, N_ROWS, seed=1)).set_params(n_jobs=1)


def pack(model: RandomForestClassifier) -> PackedForest:
    trees = (each.tree_ for each in model.estimators_)
    forest = Forest(
        classes=tuple(map(str, model.classes_)),
        features=tuple(map(str, range(N_FEATURES))),
        trees=tuple(
            Tree(t.children_left, t.children_right, t.feature, t.threshold, t.value[:, 0])
            for t in trees
        ),
    )
    return packed.pack(forest, range(N_FEATURES))


def mean_depth(model: RandomForestClassifier, matrix: np.ndarray) -> float:
    paths = [tree.tree_.decision_path(matrix).sum(1) - 1 for tree in model.estimators_[:20]]
    return float(np.mean(paths))


def seconds(action: Callable[[], object]) -> float:
    start = perf_counter()
    action()
    return perf_counter() - start


def compare(one: Callable[[], object], other: Callable[[], object], n: int) -> tuple[float, float]:
    """Median seconds of each, run alternately."""
    times = [(seconds(one), seconds(other)) for _ in range(n)]
    return median(a for a, _ in times), median(b for _, b in times)


def line(name: str, theirs: float, ours: float, target: float | None, unit: str) -> None:
    wanted = f"{target:>7g}x" if target else f"{'-':>8}"
    print(f"{name:<16}{theirs:>14.1f}{ours:>12.2f} {unit:<10}{theirs / ours:>8.1f}x{wanted}")


def compare_speed(
    models: list[RandomForestClassifier], forests: list[PackedForest], n: int
) -> None:
    matrix, _ = synthetic(4, max(TARGETS), seed=2)
    single = matrix.astype(np.float32)

    def theirs(rows: slice) -> list[np.ndarray]:
        return [model.predict_proba(single[rows]) for model in models]

    def ours(rows: slice) -> list[np.ndarray]:
        keys, _ = packed.keys(matrix[rows])
        return [packed.predict(forest, keys) for forest in forests]

    for expected, found in zip(theirs(slice(None)), ours(slice(None)), strict=True):
        np.testing.assert_array_equal(found, expected)
    for batch, target in TARGETS.items():
        # Other rows at each call, or the caches would know the way.
        calls = [slice(i * batch, (i + 1) * batch) for i in range(max(1, min(20, 500 // batch)))]
        per_object = 1e6 / batch / len(calls)
        they, we = compare(
            lambda calls=calls: [theirs(rows) for rows in calls],
            lambda calls=calls: [ours(rows) for rows in calls],
            n,
        )
        line(f"batch {batch}", they * per_object, we * per_object, target, "us/object")


def compare_loading(
    models: list[RandomForestClassifier], forests: list[PackedForest], folder: Path, n: int
) -> None:
    (folder / "models.pkl").write_bytes(pickle.dumps(models))
    for number, forest in enumerate(forests):
        for name in PackedForest.__slots__:
            np.save(folder / f"{number}.{name}.npy", getattr(forest, name))

    def theirs() -> object:
        return pickle.loads((folder / "models.pkl").read_bytes())

    def ours() -> None:
        for number, n_classes in enumerate(N_CLASSES):
            paths = [folder / f"{number}.{name}.npy" for name in PackedForest.__slots__]
            forest = PackedForest(*(np.load(path, mmap_mode="r") for path in paths))
            packed.check(forest, N_FEATURES, n_classes)

    they, we = compare(theirs, ours, n)
    line("load and check", they * 1e3, we * 1e3, LOAD_TARGET, "ms")


def first_call(cache: Path) -> float:
    """Seconds from importing the engine to its first answer, in a process of its own."""
    code = [sys.executable, "-c", FIRST_CALL]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    return float(subprocess.run(code, env=environment, check=True, capture_output=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50 trees a forest, fewer repeats")
    quick = parser.parse_args().quick
    n_trees, n_repeats = (50, 3) if quick else (500, 5)
    print(f"{machine()},", end=" ")
    print(f"scikit-learn {sklearn.__version__}, numpy {np.__version__}, numba {numba.__version__}")

    models = [fit(n_classes, n_trees) for n_classes in N_CLASSES]
    forests = [pack(model) for model in models]
    matrix = synthetic(4, 1000, seed=3)[0].astype(np.float32)
    depth = np.mean([mean_depth(model, matrix) for model in models])
    n_nodes = sum(tree.tree_.node_count for model in models for tree in model.estimators_)
    size = sum(forest.nodes.nbytes for forest in forests) / 1e6
    print(f"4 forests x {n_trees} trees, mean depth {depth:.1f}, {n_nodes} nodes, {size:.1f} MB\n")

    print(f"{'':<16}{'scikit-learn':>14}{'ours':>12}{'':<11}{'ratio':>9}{'target':>8}")
    compare_speed(models, forests, n_repeats)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compare_loading(models, forests, folder, n_repeats)
        print("\nfrom import to the first answer:", end=" ")
        print(f"{first_call(folder / 'cache'):.2f} s compiling,", end=" ")
        print(f"{first_call(folder / 'cache'):.2f} s from the cache")


if __name__ == "__main__":
    main()
