"""Train the model ``plasticc``, which ships inside the package, on the PLAsTiCC training set.

    python training/train_plasticc.py --light-curves LIGHT_CURVES --objects OBJECTS --out DIR

OBJECTS has the columns that ``plasticc_features.py`` needs and ``target``, the class code.
``--features FILE`` keeps the features: computed when FILE is missing, read when it is there.
``--examples DIR`` writes the objects kept out of the training, and apart from them the truth.
"""

import argparse
import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hierarchy import Hierarchy, Names, Settings, engine_matrix, grow, hierarchical_forest
from numpy.typing import NDArray
from plasticc_card import card
from plasticc_features import feature_names, features_table
from sklearn.model_selection import StratifiedKFold

from lcclassify.convert import write_forest
from lcclassify.digest import file_digest
from lcclassify.errors import InputError
from lcclassify.forest import HierarchicalForest
from lcclassify.ranges import Known, of_matrix

SEED = 20180901
FOLDS = 5
MOST_EXAMPLES, EXAMPLE_SHARE = 16, 8  # per class: 16 objects, or one in 8 of a small class
SETTINGS = {
    "root": Settings(n_trees=100, max_features=0.2, most_per_class=1000),
    "Stochastic": Settings(n_trees=100, max_features=0.2, most_per_class=1000),
    "Periodic": Settings(n_trees=100, max_features=0.2, most_per_class=1000),
    "Transient": Settings(n_trees=250, max_features=0.2, most_per_class=250),
}


@dataclass(frozen=True, slots=True)
class Objects:
    """N objects with known classes. F features."""

    object_id: NDArray[np.int64]  # (N,)
    classes: Names  # (N,)
    features: pa.Table  # object_id and F features

    def where(self, keep: NDArray[np.bool_]) -> "Objects":
        """The objects for which ``keep`` is true."""
        return Objects(self.object_id[keep], self.classes[keep], self.features.filter(keep))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Feature values, NaN where missing. (N, F)"""
        columns = [self.features[name].to_numpy() for name in feature_names()]
        return np.column_stack(columns).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Trained:
    """All that the bundle of the model is written from."""

    forest: HierarchicalForest
    features: tuple[str, ...]  # in the order of the training matrix
    known: list[Known]  # of each of them, in the training objects
    card: dict[str, Any]  # what the model is and how well it does; fit for TOML


def class_table() -> dict[int, tuple[str, str]]:
    """PLAsTiCC class code -> class and its parent."""
    path = Path(__file__).with_name("plasticc_classes.csv")
    rows = csv.DictReader(path.read_text("utf-8").splitlines())
    return {int(row["code"]): (row["class"], row["parent"]) for row in rows}


def held_out(object_id: NDArray[np.int64], classes: Names) -> NDArray[np.bool_]:
    """Which objects are examples and never trained on: those of lowest hash in each class. (N,)"""
    order = np.array([hashlib.sha256(str(name).encode()).hexdigest() for name in object_id])
    chosen = np.zeros(len(classes), dtype=np.bool_)
    for name in np.unique(classes):
        of_class = np.flatnonzero(classes == name)
        count = min(MOST_EXAMPLES, len(of_class) // EXAMPLE_SHARE)
        chosen[of_class[np.argsort(order[of_class])[:count]]] = True
    return chosen


def cross_validated(matrix: NDArray[np.float32], classes: Names) -> Names:
    """The most probable class of each object by forests that have not seen it. (N,)"""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    predicted = np.empty_like(classes)
    for seen, unseen in folds.split(matrix, classes):
        fitted = grown(matrix[seen], classes[seen])
        predicted[unseen] = most_probable(fitted, matrix[unseen])
    return predicted


def grown(matrix: NDArray[np.float32], classes: Names) -> Hierarchy:
    """The forests of this model."""
    return grow(matrix, classes, dict(class_table().values()), SETTINGS, SEED)


def most_probable(fitted: Hierarchy, matrix: NDArray[np.float32]) -> Names:
    """The leaf of largest probability for each object. (N,)"""
    names: Names = np.array(fitted.taxonomy.classes)
    return np.asarray(names[fitted.leaf_probability(matrix).argmax(axis=1)])


def trained(objects: Objects, files: dict[str, str]) -> Trained:
    """Cross-validate, fit on all but the examples, and try the result on the examples."""
    example = held_out(objects.object_id, objects.classes)
    training, examples = objects.where(~example), objects.where(example)
    matrix = engine_matrix(training.matrix)
    fitted = grown(matrix, training.classes)
    return Trained(
        forest=hierarchical_forest(fitted, feature_names()),
        features=feature_names(),
        known=of_matrix(training.matrix),
        card=card(
            files=files,
            truth=training.classes,
            out_of_fold=cross_validated(matrix, training.classes),
            example_truth=examples.classes,
            example_predicted=most_probable(fitted, engine_matrix(examples.matrix)),
            order=fitted.taxonomy.classes,
            settings=SETTINGS,
            seed=SEED,
            folds=FOLDS,
        ),
    )


def read_objects(light_curves: Path, objects: Path, cache: Path | None) -> Objects:
    """The objects of the classes in ``plasticc_classes.csv`` with their features."""
    known = pq.read_table(objects)
    if cache is not None and cache.exists():
        features = pq.read_table(cache)
    else:
        features = features_table(pq.read_table(light_curves), known)
        if cache is not None:
            pq.write_table(features, cache)
    if features["object_id"].to_pylist() != known["object_id"].to_pylist():
        raise InputError(f"{cache} is not of the objects in {objects}: delete it, or name another")
    table = class_table()
    codes = known["target"].to_pylist()
    classes = np.array([table[code][0] if code in table else "" for code in codes])
    object_id = known["object_id"].to_numpy()
    return Objects(object_id, classes, features).where(classes != "")


def write_examples(objects: Objects, folder: Path) -> None:
    """The objects that the model has not seen: features in one file, truth in another."""
    examples = objects.where(held_out(objects.object_id, objects.classes))
    pq.write_table(
        examples.features,
        folder / "plasticc_features.parquet",
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
    )
    columns = (examples.object_id, examples.classes)
    lines = [f"{name},{truth}" for name, truth in zip(*columns, strict=True)]
    truth = "\n".join(["object_id,class", *lines, ""])
    (folder / "plasticc_truth.csv").write_text(truth, "utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Train, and write the model."""
    parser = argparse.ArgumentParser(description="Train the model plasticc.")
    parser.add_argument("--light-curves", type=Path, required=True)
    parser.add_argument("--objects", type=Path, required=True)
    parser.add_argument("--features", type=Path, help="where computed features are kept")
    parser.add_argument("--examples", type=Path, help="folder for the held-out objects")
    parser.add_argument("--out", type=Path, required=True, help="bundle to write")
    given = parser.parse_args(argv)
    objects = read_objects(given.light_curves, given.objects, given.features)
    if given.examples:
        given.examples.mkdir(parents=True, exist_ok=True)
        write_examples(objects, given.examples)
    files = {path.name: file_digest(path) for path in (given.light_curves, given.objects)}
    write(trained(objects, files), given.out)


def write(model: Trained, folder: Path) -> None:
    """Write the bundle."""
    write_forest(folder, model.forest, model.features, model.card, model.known)


if __name__ == "__main__":
    main()
