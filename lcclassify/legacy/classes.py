"""The class lists of the surveys, which a published model must agree with (classes.csv)."""

import csv
from collections.abc import Iterable
from pathlib import Path

from lcclassify.legacy.records import RefusedError, brief

_MAX_LISTED = 20
_TABLE = Path(__file__).with_name("classes.csv")


def allowed_parents(survey: str) -> dict[str, frozenset[str]]:
    """Class -> the nodes it may hang under. uLens has two: published models differ about it."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {
            row["class"]: frozenset(row["parents"].split("|"))
            for row in csv.DictReader(file)
            if row["survey"] == survey
        }


def check_top(classes: Iterable[str], expected: Iterable[str]) -> None:
    """Refuse a first level whose classes are not the nodes ``expected`` below it."""
    if set(classes) != set(expected):
        raise RefusedError(
            f"its classes are {listed_names(classes)}, expected {listed_names(expected)}"
        )


def check_children(survey: str, node: str, classes: Iterable[str]) -> None:
    """Refuse classes below ``node`` that the survey does not have there."""
    parents = allowed_parents(survey)
    if stray := [name for name in classes if node not in parents.get(name, ())]:
        raise RefusedError(f"{survey} has no class {listed_names(stray)} under {node}")


def check_leaves(survey: str, forests: Iterable[Iterable[str]]) -> None:
    """Refuse forests that together do not give exactly the classes of the survey, each once."""
    leaves = [name for classes in forests for name in classes]
    known = allowed_parents(survey).keys()
    if stray := set(leaves) - known:
        raise RefusedError(f"{survey} has no class {listed_names(stray)}")
    if missing := known - set(leaves):
        raise RefusedError(f"no forest gives the class {listed_names(missing)} of {survey}")
    if twice := {name for name in leaves if leaves.count(name) > 1}:
        raise RefusedError(f"two forests give the class {listed_names(twice)}")


def listed_names(names: Iterable[object]) -> str:
    """Some names for an error message."""
    listed = sorted(brief(name) for name in names)
    return ", ".join(listed if len(listed) <= _MAX_LISTED else [*listed[:_MAX_LISTED], "..."])
