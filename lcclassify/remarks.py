"""Remarks: what a run left out, converted or doubts of its input, counted by kind and by name."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import NamedTuple

from lcclassify.errors import InputError

MOST_NAMES = 50  # of a kind that are told apart; those beyond it are counted together
MOST_TOLD = 8  # of a kind that a sentence names
LONGEST = 60  # characters of a name
OTHERS = "(others)"


class Kind(Enum):
    """What there is to say: a key for machines, what is counted, and a sentence about names."""

    UNKNOWN_BAND = ("unknown_band", "observation", "left out, the band is not known: {}")
    BAD_TIME = ("bad_time", "observation", "left out, the time is missing or none: {}")
    BAD_FLUX = ("bad_flux", "observation", "left out, the flux is missing or none: {}")
    BAD_ERROR = ("bad_error", "observation", "left out, the error is missing or none: {}")
    BAD_SIGN = ("bad_sign", "observation", "left out, the sign of the flux is none: {}")
    BAD_FLAG = ("bad_flag", "observation", "left out, the flag is none: {}")
    NON_DETECTION = ("non_detection", "observation", "left out, not detected: {}")
    FLAGGED = ("flagged", "observation", "left out by flags: {}")
    ZERO_FLUX = ("zero_flux", "observation", "left out, the flux is 0, as padding in training: {}")
    JULIAN_DATE = ("julian_date", "observation", "with a Julian Date, read as MJD: {}")
    LOWER_Y = ("lower_y", "observation", "in a band that is read as Y: {}")
    NO_SIGN = ("no_sign", "observation", "whose flux has no sign and is taken for positive: {}")
    OTHER_SURVEY = ("other_survey", "object", "with light curves of another survey: {}")
    ROUNDED_ID = ("rounded_id", "object", "whose id went through a float: {}")
    COLLIDING_ID = ("colliding_id", "object", "that may be several, their ids are rounded: {}")

    def __init__(self, key: str, unit: str, sentence: str) -> None:
        self.key, self.unit, self.sentence = key, unit, sentence


UNREAD = frozenset(
    (
        *(Kind.UNKNOWN_BAND, Kind.BAD_TIME, Kind.BAD_FLUX, Kind.BAD_ERROR),
        *(Kind.BAD_SIGN, Kind.BAD_FLAG),
    )
)


USUAL = frozenset(  # by a definition: nothing is wrong with what has these
    (Kind.NON_DETECTION, Kind.FLAGGED, Kind.ZERO_FLUX, Kind.JULIAN_DATE, Kind.LOWER_Y)
)


class Remark(NamedTuple):
    """One thing to say, and what it is about: a band, a column or an id as the input writes it."""

    kind: Kind
    name: str


Remarks = Counter[Remark]


def remark(kind: Kind, name: object) -> Remark:
    """A remark about something as the input writes it, which may be of any length."""
    return Remark(kind, shortened(str(name)))


def shortened(text: str) -> str:
    """A name, cut after so many characters."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def add_remarks(total: Remarks, more: Mapping[Remark, int]) -> None:
    """Add counts, in place. An input can have any number of names: only so many are told apart."""
    for each, count in more.items():
        if count and each not in total and _n_names(total, each.kind) >= MOST_NAMES:
            each = Remark(each.kind, OTHERS)
        if count:
            total[each] += count


def all_remarks(parts: Iterable[Mapping[Remark, int]]) -> Remarks:
    """Counts of several parts together."""
    total: Remarks = Counter()
    for part in parts:
        add_remarks(total, part)
    return total


def as_plain(remarks: Mapping[Remark, int]) -> dict[str, dict[str, int]]:
    """Kind -> name -> count, in the order of kinds, the most frequent name first."""
    plain: dict[str, dict[str, int]] = {}
    for each, count in in_order(remarks):
        plain.setdefault(each.kind.key, {})[each.name] = count
    return plain


def of_plain(plain: Mapping[str, Mapping[str, int]]) -> Remarks:
    """What ``as_plain`` wrote. KeyError for a kind that is not known."""
    kinds = {kind.key: kind for kind in Kind}
    return Counter(
        {Remark(kinds[key], name): n for key, names in plain.items() for name, n in names.items()}
    )


def kind_sentences(remarks: Mapping[Remark, int]) -> dict[Kind, str]:
    """A sentence for each kind, with the most frequent of its names."""
    names = as_plain(remarks)
    return {kind: _sentence(kind, names[kind.key]) for kind in Kind if kind.key in names}


def sentences(remarks: Mapping[Remark, int], but: Collection[Kind] = ()) -> list[str]:
    """The sentences of all kinds, but for some."""
    return [sentence for kind, sentence in kind_sentences(remarks).items() if kind not in but]


def require_observations(
    n_objects: int, n_observed: int, remarks: Mapping[Remark, int], hint: str = ""
) -> None:
    """InputError if there are light curves of which nothing could be read, with what was written.

    ``n_observed`` of the objects have observations that a network looked at.
    """
    lost = {each: count for each, count in remarks.items() if each.kind in UNREAD}
    if n_objects and not n_observed and lost:
        raise InputError(
            f"none of the observations can be used: {'; '.join(sentences(lost))}; --columns says "
            f"what codes of bands mean, and which column is what{hint}"
        )


def in_order(remarks: Mapping[Remark, int]) -> list[tuple[Remark, int]]:
    """Remarks with their counts, in the order of kinds, the most frequent name first."""
    kinds = {kind: place for place, kind in enumerate(Kind)}
    found = [(each, count) for each, count in remarks.items() if count]
    return sorted(found, key=lambda item: (kinds[item[0].kind], -item[1], item[0].name))


def _sentence(kind: Kind, names: Mapping[str, int]) -> str:
    total = sum(names.values())
    told = [f"{name!r} {count:,}" for name, count in list(names.items())[:MOST_TOLD]]
    rest = len(names) - len(told)
    words = ", ".join(told) + (f" and {rest} more" if rest else "")
    many = f"{total:,} {kind.unit}{'' if total == 1 else 's'}"
    return f"{many} {kind.sentence.format(words)}"


def _n_names(remarks: Mapping[Remark, int], kind: Kind) -> int:
    return sum(each.kind is kind for each in remarks)
