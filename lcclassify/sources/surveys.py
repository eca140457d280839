"""Light curves that show themselves to be of another survey than the one whose bands are known."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import SURVEY
from lcclassify.remarks import Kind, Remarks, remark
from lcclassify.sources.bands import Spellings
from lcclassify.sources.columns import is_text
from lcclassify.sources.curve_forms import CurveForm
from lcclassify.sources.messages import ZTF_ID

ZTF_NUMBERS = {"1", "2", "3"}  # what ZTF has in ``fid``; indices of LSST's bands go from 0 to 5
LSST_NUMBERS = {"0", "4", "5"}


def other_survey(
    form: CurveForm, ids: pa.Array, offsets: np.ndarray, band: np.ndarray, spellings: Spellings
) -> Remarks:
    """How many objects, (N,) ``ids``, show another survey, by the first thing that shows it.

    That is a declaration, a column that only one survey has, an id, or how bands (M,) are written.
    A plain g or r shows nothing. Objects without observations do not count.
    """
    left = np.diff(offsets) > 0
    evidence = [
        (form.survey, form.shown_by, left),
        ("ztf", "ids", _ztf_ids(ids)),
        *_by_bands(form, offsets, band, spellings),
    ]
    found = Remarks()
    for survey, why, rows in evidence:
        if survey is not None and survey != SURVEY:
            found[remark(Kind.OTHER_SURVEY, f"{survey} ({why})")] += int((rows & left).sum())
            left = left & ~rows
    return +found


def _ztf_ids(ids: pa.Array) -> np.ndarray:
    if not is_text(ids.type):
        return np.zeros(len(ids), bool)
    like = pc.fill_null(pc.match_substring_regex(ids, f"^{ZTF_ID}"), False)
    return np.asarray(like.to_numpy(zero_copy_only=False))


def _by_bands(
    form: CurveForm, offsets: np.ndarray, band: np.ndarray, spellings: Spellings
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Surveys of which bands are written, and whether each object has such a band."""
    surveys = [spelling.survey for spelling in spellings.known]
    texts = [spelling.text for spelling in spellings.known]
    if form.band == "fid" and not LSST_NUMBERS & set(texts):
        surveys = ["ztf" if t in ZTF_NUMBERS else s for t, s in zip(texts, surveys, strict=True)]
    for survey in sorted({s for s in surveys if s is not None and s != SURVEY}):
        codes = [number for number, s in enumerate(surveys) if s == survey]
        n_before = np.concatenate([[0], np.cumsum(np.isin(band, codes))])
        names = [texts[number] for number in codes if spellings.known[number].code >= 0]
        if names:
            yield survey, f"band {names[0]!r}", n_before[offsets[1:]] > n_before[offsets[:-1]]
