"""What a bundle's manifest says, every value that is used of the type that it must have."""

import math
import tomllib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from lcclassify.errors import MALFORMED, ModelError, told
from lcclassify.taxonomy import Taxonomy

FORMAT = 1
MANIFEST = "manifest.toml"
FAMILIES = ("forest", "transformer")


class Range(NamedTuple):
    """Where the values of a feature lay in training."""

    low: float
    high: float
    outside_share: float = 0.0  # of values like those, at most so many lie outside


class Feature(NamedTuple):
    """One column of the matrix that a model was trained on."""

    name: str
    accepts: tuple[str, ...]  # column names it is read from; the first that is there wins
    missing_share: float | None  # share of training rows without a value, where known
    range: Range | None = None  # of the values, where known

    @property
    def entry(self) -> dict[str, Any]:
        """What a manifest says of it."""
        entry: dict[str, Any] = {"name": self.name, "accepts": self.accepts}
        if self.missing_share is not None:
            entry["missing_share"] = round(self.missing_share, 4)
        if self.range is not None:
            entry["range"] = self.range[:2]
            entry["outside_share"] = round(self.range.outside_share, 4)
        return entry

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Feature":
        """The feature of which a manifest says this. One of MALFORMED"""
        limits, share = None, entry.get("missing_share")
        if "range" in entry:
            low, high = entry["range"]
            limits = Range(number(low), number(high), number(entry.get("outside_share", 0.0)))
        known = None if share is None else number(share)
        return cls(entry["name"], texts(entry["accepts"]), known, limits)


class Said(NamedTuple):
    """What a manifest says of any model."""

    name: str  # the classifier name in outputs
    version: str  # the classifier version in outputs
    family: Literal["forest", "transformer"]
    taxonomy: Taxonomy  # as the artefact has it
    features: tuple[Feature, ...]  # in the order of the matrix
    class_shares: Mapping[str, float] | None  # how often it answers each class, where known
    manifest: Mapping[str, Any]  # everything else: card, provenance, parts of the family


def read_manifest(content: bytes) -> Said:
    """What the bytes of a manifest say. ModelError"""
    try:
        manifest = tomllib.loads(content.decode("utf-8"))
        if manifest["format"] != FORMAT:
            raise ModelError(
                f"its format is {manifest['format']!r:.80} and this lcclassify reads {FORMAT}; "
                "update lcclassify"
            )
        if manifest["family"] not in FAMILIES:
            raise ModelError(f"unknown family {manifest['family']!r:.80}")
        return _said(manifest)
    except MALFORMED as error:
        raise ModelError(f"bad {MANIFEST}: {told(error)}") from None


def texts(value: object) -> tuple[str, ...]:
    """The strings of a list. TypeError if it is anything else."""
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise TypeError(f"{value!r:.80} is no list of texts")
    return tuple(value)


def number(value: object) -> float:
    """A number as a float. TypeError if it is none, OverflowError if it is too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.80} is no number")
    return float(value)


def whole(value: object) -> int:
    """A whole number. TypeError if it is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r:.80} is no whole number")
    return value


def is_model_name(value: object) -> bool:
    """Whether it can be the name or version of a model: told apart, printed, part of a path."""
    return is_name(value) and str(value)[0] not in ".-" and not set(str(value)) & set("/\\@")


def is_name(value: object) -> bool:
    """Whether it can be the name of a column, a class or a file: short, and on one line."""
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= 200


def _said(manifest: dict[str, Any]) -> Said:
    nodes = texts(manifest["taxonomy"]["nodes"])
    parents = texts(manifest["taxonomy"]["parents"])
    taxonomy = Taxonomy(nodes, tuple(nodes.index(name) if name else -1 for name in parents))
    features = tuple(map(Feature.of, manifest["features"]))
    said = Said(
        name=manifest["name"],
        version=manifest["version"],
        family=manifest["family"],
        taxonomy=taxonomy,
        features=features,
        class_shares=_shares(manifest.get("class_shares"), taxonomy),
        manifest=manifest,
    )
    _check_names(said)
    for feature in features:
        _check_known(feature)
    return said


def _check_names(said: Said) -> None:
    """Refuse names that cannot be told apart, printed, or part of a path. ValueError."""
    for label in (said.name, said.version):
        if not is_model_name(label):
            raise ValueError(f"{label!r:.80} cannot be the name or version of a model")
    names = [feature.name for feature in said.features]
    if any(not is_name(name) for name in names):
        raise ValueError(f"one of {names!r:.80} cannot be a name")
    spellings = [spelling for feature in said.features for spelling in feature.accepts]
    if len(set(names)) != len(names) or (not names and said.family == "forest"):
        raise ValueError("there are no features, or one twice")
    for text in (*names, *spellings, *said.taxonomy.nodes):
        if not is_name(text):
            raise ValueError(f"{text!r:.80} cannot be a name")
    if not isinstance(said.manifest.get("description", ""), str):
        raise TypeError("the description is no text")


def _check_known(feature: Feature) -> None:
    """Refuse shares that are none, and ranges without an inside. ValueError"""
    if not 0 <= (feature.missing_share or 0) <= 1:
        raise ValueError(f"missing_share of {feature.name} is {feature.missing_share!r}")
    if feature.range is not None:
        low, high, outside_share = feature.range
        if not -math.inf < low <= high < math.inf:
            raise ValueError(f"range of {feature.name} is {[low, high]!r}")
        if not 0 <= outside_share <= 1:
            raise ValueError(f"outside_share of {feature.name} is {outside_share!r}")


def _shares(shares: Mapping[str, Any] | None, taxonomy: Taxonomy) -> Mapping[str, float] | None:
    """The shares of classes, which must be of all the classes together. ValueError, TypeError."""
    if shares is None:
        return None
    if sorted(shares) != sorted(taxonomy.classes):
        raise ValueError("class_shares are not of the classes of the tree")
    known = {name: number(share) for name, share in shares.items()}
    if not (min(known.values()) >= 0 and abs(sum(known.values()) - 1) <= 0.01):
        raise ValueError("class_shares do not sum to 1")
    return known
