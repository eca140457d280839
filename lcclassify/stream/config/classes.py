"""The reference's dotted class names, and which of our own things they stand for."""

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from lcclassify.errors import ModelError
from lcclassify.stream.config.options import shown

if TYPE_CHECKING:
    from lcclassify.bundle import ModelBundle


@cache
def meanings(kind: str) -> Mapping[str, str]:
    """End of a class name -> what it means here; nothing where we have no such model."""
    text = (files("lcclassify.stream.config") / "classes.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return {row["ending"]: row["meaning"] for row in rows if row["kind"] == kind}


def class_meaning(kinds: tuple[str, ...], dotted: str) -> str:
    """What a class of these kinds means. ValueError lists what exists"""
    known = {ending: meaning for kind in kinds for ending, meaning in meanings(kind).items()}
    last = last_part(dotted)
    found = max((one for one in known if last.endswith(one)), key=len, default=None)
    if found is not None and known[found]:
        return known[found]
    what = "there is no model for" if found else f"there is no {kinds[0]}"
    listed = ", ".join(f"{one} ({meaning})" for one, meaning in known.items() if meaning)
    raise ValueError(f"{what} {shown(dotted)}; choose from {listed}")


def last_part(dotted: str) -> str:
    """The class's own name."""
    return dotted.rpartition(".")[2]


def survey_of(model: str | None) -> str | None:
    """The survey that a model's name implies; None for models of one's own."""
    return None if model is None else meanings("survey").get(model.partition("@")[0])


def answers_for(bundle: "ModelBundle") -> str:
    """The survey whose classes a model answers with; ztf stands for all others than elasticc."""
    from lcclassify.schemas.elasticc import class_ids

    return "elasticc" if set(bundle.taxonomy.classes) <= set(class_ids()) else "ztf"


def require_kind(bundle: "ModelBundle", expected: str | None) -> None:
    """ModelError unless a bundle is of the kind of model that a class stands for, by what it tells.

    ``expected`` is a name such as ``balto``; None is nothing to check.
    """
    if expected is None:
        return
    for reason in _misfits(bundle, expected):
        raise ModelError(
            f"the class that was told stands for {expected}, and {bundle.label} {reason}: set "
            "another class, or name the model by --model alone"
        )


def _misfits(bundle: "ModelBundle", expected: str) -> Iterator[str]:
    family, survey = meanings("family")[expected], meanings("survey")[expected]
    if bundle.name in meanings("survey") and bundle.name != expected:
        yield "is not that"
    if bundle.family != family:
        yield f"is a {bundle.family}, not a {family}"
    is_elasticc = answers_for(bundle) == "elasticc"
    if is_elasticc != (survey == "elasticc"):
        yield f"answers with classes of {'elasticc' if is_elasticc else 'another survey'}"
