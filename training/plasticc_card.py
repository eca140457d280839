"""The card of the model ``plasticc``: what it is, what it learned from and how well it does."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from platform import python_version
from typing import Any

import numpy as np
from hierarchy import Names, Settings
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

LIBRARIES = ("imbalanced-learn", "light-curve", "numpy", "pyarrow", "scikit-learn")


def card(
    *,
    files: dict[str, str],
    truth: Names,
    out_of_fold: Names,
    example_truth: Names,
    example_predicted: Names,
    order: Sequence[str],
    settings: dict[str, Settings],
    seed: int,
    folds: int,
) -> dict[str, Any]:
    """The card as a nested dict of strings, numbers, lists and dicts, fit for TOML.

    ``files`` are the files trained on: name -> SHA-256.
    """
    return {
        "name": "plasticc",
        "version": "1.0.0",
        "description": "small hierarchical forest trained on PLAsTiCC, for trying things out",
        "about": (
            "For simulated LSST light curves in u g r i z Y with the redshift of the host galaxy. "
            "It is not one of ALeRCE's models and was not made by them."
        ),
        "licence": "MIT; the data it was trained on are public, CC BY, credit: The PLAsTiCC team",
        "citation": (
            "The PLAsTiCC team, Allam et al. 2018, arXiv:1810.00001; "
            "Kessler et al. 2019, PASP 131, 094501, doi:10.1088/1538-3873/ab26f1"
        ),
        "data": {
            "training": "PLAsTiCC training set without Mira (13 classes), simulated light curves",
            "source": "as distributed in the package snmachine 2.0.0.post3 (BSD-3-Clause)",
            "files": files,
            "objects": len(truth),
            "held_out": len(example_truth),
            "held_out_rule": (
                "per class the 16 objects (an eighth of a smaller class) whose identifier has "
                "the lowest SHA-256; set aside before training and scoring, kept in examples/"
            ),
        },
        "input": {
            "script": "training/plasticc_features.py; names in training/plasticc_features.csv",
            "window": "first detection - 30 d to last detection + 100 d",
            "flux": "FLUXCAL (AB zero point 27.5), corrected for Milky Way dust with mwebv",
            "context": ["hostgal_photoz", "hostgal_photoz_err", "mwebv"],
            "missing": "NaN and infinities are read as -999, values above 1e32 as 0",
        },
        "training": {
            "seed": seed,
            "forests": {name: asdict(value) for name, value in settings.items()},
            "selection": (
                "features and settings were chosen among a few by this cross-validation (the "
                "features with the held-out objects in it), which flatters the scores a little; "
                "from seed to seed macro F1 moves by up to 0.008"
            ),
            "balance": "each tree draws at most most_per_class objects of a class",
            "python": python_version(),
            "libraries": {name: version(name) for name in LIBRARIES},
        },
        "scores": {
            "cross_validation": _scores(truth, out_of_fold, order)
            | {"method": f"{folds} stratified folds, every object scored out of fold"},
            "held_out": _scores(example_truth, example_predicted, order),
        },
        "class_shares": class_shares(out_of_fold, order),
    }


def class_shares(answers: Names, order: Sequence[str]) -> dict[str, float]:
    """How often each class is the answer to an object that the forest has not seen."""
    return {name: round(float(np.mean(answers == name)), 4) for name in order}


def _scores(truth: Names, predicted: Names, order: Sequence[str]) -> dict[str, Any]:
    """Scores per class and their plain means; the confusion matrix has one row per true class."""
    columns = precision_recall_fscore_support(truth, predicted, labels=order, zero_division=0.0)
    per_class = [
        {"class": name, "precision": p, "recall": r, "f1": f, "support": int(n)}
        for name, p, r, f, n in zip(order, *np.round(columns, 3).tolist(), strict=True)
    ]
    precision, recall, f1 = (round(float(column.mean()), 4) for column in columns[:3])
    return {
        "macro_precision": precision,
        "macro_recall": recall,
        "macro_f1": f1,
        "accuracy": round(float(accuracy_score(truth, predicted)), 4),
        "per_class": per_class,
        "confusion": confusion_matrix(truth, predicted, labels=order).tolist(),
    }
