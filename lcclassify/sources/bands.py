"""Bands as surveys write them: a letter, or its index from 0 = u to 5 = Y."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import BANDS

LOWER_Y = len(BANDS)  # code of y as it is not written here; readers put it right and say so
CODES = {name: code for code, band in enumerate(BANDS) for name in (band, str(code))}
CODES |= {"y": LOWER_Y}


def band_codes(column: pa.Array, codes: Mapping[str, int] = CODES) -> np.ndarray:
    """Index into BANDS of each value, ``LOWER_Y`` for y, -1 for all else and for null. (M,) int8

    ``codes`` has what counts as a band, as text.
    """
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    known = [codes.get(_text(value), -1) for value in column.dictionary.to_pylist()]
    index = pc.fill_null(column.indices, len(known)).to_numpy(zero_copy_only=False)
    return np.asarray(np.array([*known, -1], np.int8)[index])


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():  # a column of integers that had gaps
        value = int(value)
    return str(value).rstrip(" \0")  # columns of fixed width end in spaces or zero bytes
