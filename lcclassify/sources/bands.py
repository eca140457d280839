"""Bands as surveys write them, to the model's: a letter, its index from 0 = u to 5 = Y, or a name.

``catalogue/bands.csv`` has the names. Their case counts for single letters alone, and what stands
between survey and letter does not: ``LSST_g``, ``lsst-g`` and ``lsstg`` are one.
"""

import csv
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import BANDS
from lcclassify.remarks import OTHERS, shortened

LOWER_Y = "y"  # no letter of the model's, and never another band than Y
MOST_SPELLINGS = 1000  # that are told apart; a column of something else has any number
BYTES = re.compile(r"b(['\"])(.*)\1")  # bytes that were made text by Python
GAPS = re.compile(r"(?<=[0-9])\.0+$")  # of a column of integers that had some
SEPARATORS = re.compile(r"[ _:.-]")


class Spelling(NamedTuple):
    """One way in which a band is written."""

    text: str
    code: int  # index into BANDS; -1: none of the model's
    survey: str | None = None  # whose way it is, if only one survey writes so
    system: str | None = None  # of its magnitudes, AB or Vega
    is_guess: bool = False  # not written so by anybody's definition

    @property
    def described(self) -> str:
        """The band for people, with what is known of it."""
        known = ", ".join(filter(None, (self.survey, self.system)))
        return f"{self.text!r} ({known})" if known else repr(self.text)


NO_BAND = Spelling("(none)", -1)


class Spellings:
    """The spellings that were met so far, numbered in the order of their first appearance.

    ``declared`` has the only codes that count as bands; None: those that are known everywhere.
    """

    def __init__(self, declared: Mapping[str, int] | None = None) -> None:
        self._declared = declared
        self._numbers: dict[str, int] = {"": 0}
        self.known: list[Spelling] = [NO_BAND]

    @property
    def codes(self) -> np.ndarray:
        """Index into BANDS of each spelling, or -1. (S,) int8"""
        return np.array([spelling.code for spelling in self.known], np.int8)

    def read(self, column: pa.Array) -> np.ndarray:
        """The number of each value's spelling, 0 for null and empty text. (M,) int16"""
        if pa.types.is_nested(column.type):  # no band: each is what it looks like
            column = pa.array([v if v is None else str(v) for v in column.to_pylist()])
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        numbers = [0 if v is None else self._number(v) for v in column.dictionary.to_pylist()]
        index = pc.fill_null(column.indices, len(numbers)).to_numpy(zero_copy_only=False)
        return np.asarray(np.array([*numbers, 0], np.int16)[index])

    def _number(self, value: object) -> int:
        text = band_text(value)
        if text not in self._numbers:
            if len(self.known) > MOST_SPELLINGS:
                text = OTHERS
            if text not in self._numbers:
                self._numbers[text] = len(self.known)
                self.known.append(self._spelling(text))
        return self._numbers[text]

    def _spelling(self, text: str) -> Spelling:
        if self._declared is not None:
            return Spelling(text, self._declared.get(text, -1))
        name = text if len(text) == 1 else _folded(text)
        return _catalogue().get(name, Spelling(name, -1))._replace(text=text)


def band_text(value: object) -> str:
    """A band as text: padding goes, and so do the traces of floats and of bytes."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value)
    if literal := BYTES.fullmatch(text):
        text = literal[2]
    return shortened(GAPS.sub("", text.rstrip(" \0")))


@cache
def _catalogue() -> Mapping[str, Spelling]:
    """Folded name, or letter -> what is known of it."""
    known = {}
    for code, band in enumerate(BANDS):
        known[band] = known[str(code)] = Spelling(band, code)
    known[LOWER_Y] = Spelling(LOWER_Y, BANDS.index("Y"), is_guess=True)
    text = (files("lcclassify") / "catalogue" / "bands.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        name, band = row["spelling"], row["band"]
        code = BANDS.index(band) if band else -1
        folded = name if len(name) == 1 else _folded(name)
        known[folded] = Spelling(name, code, row["survey"], row["system"] or None)
    return known


def _folded(text: str) -> str:
    """A name without case and separators; one that is a mere letter then stays as it was."""
    folded = SEPARATORS.sub("", text).casefold()
    return folded if len(folded) > 1 else text
