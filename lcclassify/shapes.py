"""Tables of tensors with shapes of symbols, and the sizes that tensors at hand give these."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable

import numpy as np

from lcclassify.features import some_of


class ShapeError(ValueError):
    """Which tensor is missing or has which shape: a sentence without the file's name."""


def read_rows(table: Traversable) -> Iterator[dict[str, str]]:
    """The lines of a table of tensors, column name -> value."""
    return csv.DictReader(table.read_text("utf-8").splitlines())


def spread(template: str, sizes: Mapping[str, int]) -> Iterator[str]:
    """A name for each number that a template leaves open: ``a.{b}.c`` for 0 to ``sizes["b"]``."""
    hole = re.search(r"\{(\w+)\}", template)
    if hole is None:
        yield template
        return
    for number in range(sizes[hole[1]]):
        yield template.replace(hole[0], str(number))


def count_layers(names: Iterable[str], template: str) -> int:
    """How many different numbers the names have where a template leaves one open."""
    start, _, _ = template.partition("{")
    pattern = re.compile(re.escape(start) + r"([0-9]+)\.")
    return len({found[1] for name in names if (found := pattern.match(name))})


def listed(names: Iterable[str]) -> str:
    """Names of any kind for a message: sorted, shortened, and cut after a few."""
    short = sorted(name if len(name) <= 80 else name[:80] + "..." for name in names)
    return some_of([ascii(name)[1:-1] for name in short])


@dataclass(frozen=True, slots=True)
class Sizes:
    """The lengths that symbols stand for; each is learnt from the first tensor that has it."""

    known: dict[str, int] = field(default_factory=dict)

    def check(self, name: str, shape: tuple[int, ...], pattern: str) -> None:
        """Refuse a shape that is not of the pattern: lengths like ``6``, ``2M``, ``D+Dt``."""
        parts = pattern.split()
        if len(parts) == len(shape):
            for length, part in zip(shape, parts, strict=True):
                self._learn(length, part)
        expected = tuple(self._length(part) for part in parts)
        if shape != expected:
            lengths = " x ".join("any" if length is None else str(length) for length in expected)
            found = " x ".join(map(str, shape)) or "no dimensions"
            raise ShapeError(f"tensor {name} is {found}, expected {lengths} ({pattern})")

    def _learn(self, length: int, part: str) -> None:
        (factor, symbol), *others = _terms(part)
        if symbol and not others and length > 0 and length % factor == 0:
            self.known.setdefault(symbol, length // factor)

    def _length(self, part: str) -> int | None:
        terms = _terms(part)
        if any(symbol and symbol not in self.known for _, symbol in terms):
            return None
        return sum(factor * self.known.get(symbol, 1) for factor, symbol in terms)


def _terms(part: str) -> list[tuple[int, str]]:
    """Factors and symbols of ``3D``, ``D+Dt`` or ``6``."""
    found = [re.fullmatch(r"([0-9]*)([A-Za-z]*)", term) for term in part.split("+")]
    return [(int(term[1] or 1), term[2]) for term in found if term]


def check_present(names: Iterable[str], expected: Iterable[str]) -> None:
    """Refuse names that are not exactly those expected, and say which."""
    there, wanted = set(names), set(expected)
    if missing := wanted - there:
        raise ShapeError(f"tensors are missing: {listed(missing)}")
    if surplus := there - wanted:
        raise ShapeError(f"tensors that no such network has: {listed(surplus)}")


def check_finite(name: str, values: np.ndarray) -> None:
    """Refuse a tensor that is not of finite 32-bit floats."""
    if values.dtype != np.float32:
        raise ShapeError(f"tensor {name} is of {values.dtype}, expected float32")
    if not np.isfinite(values).all():
        raise ShapeError(f"tensor {name} holds a value that is not finite")
