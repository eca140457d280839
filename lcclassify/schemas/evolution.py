"""Whether data written with one Avro schema can be read with another, and what is lost.

The rules are those of Avro's schema resolution; differences that change nothing are told as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lcclassify.avro.schema import is_legal
from lcclassify.features import accepted_names, some_of
from lcclassify.schemas.avsc import Field, Type


class Effect(StrEnum):
    """What a difference does to data that is read so, the worst first."""

    FAILS = "fails"  # always
    MAY_FAIL = "may fail"  # for some values: one branch, symbol or item
    LOSES = "loses"
    NONE = "none"


# What a reader takes for another type, and what becomes of the value.
PROMOTIONS = {
    ("int", "long"): (Effect.NONE, ""),
    ("int", "float"): (Effect.LOSES, "integers above 2**24 are rounded"),
    ("int", "double"): (Effect.NONE, ""),
    ("long", "float"): (Effect.LOSES, "integers above 2**24 are rounded"),
    ("long", "double"): (Effect.LOSES, "integers above 2**53 are rounded"),
    ("float", "double"): (Effect.NONE, ""),
    ("string", "bytes"): (Effect.NONE, ""),
    ("bytes", "string"): (Effect.MAY_FAIL, "bytes that are no UTF-8 are no text"),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between the schema that wrote and the one that reads."""

    path: str  # detections[].candid; empty for the record itself
    state: str
    effect: Effect
    written: str  # what is there, as a type; empty: nothing
    wanted: str
    note: str = ""


def differences(writer: Type, reader: Type, *, same_first: bool = False) -> list[Difference]:
    """All differences, in the order of the writer's fields; of a named type those at one place.

    Of a reader's union the first type that fits is taken, as Avro and fastavro have it; with
    ``same_first`` the same type is, wherever it stands, which is right for what a schema is.
    """
    comparison = _Comparison(same_first)
    comparison.compare("", writer, reader, True)
    return comparison.found


def worst(found: Sequence[Difference]) -> Effect:
    """What they do together."""
    return next((e for e in Effect if any(d.effect is e for d in found)), Effect.NONE)


class _Comparison:
    def __init__(self, same_first: bool) -> None:
        self._same_first = same_first
        self.found: list[Difference] = []
        self._seen: set[tuple[int, int, bool]] = set()

    def compare(self, path: str, writer: Type, reader: Type, always: bool) -> None:
        """``always``: whether every datum has something here."""
        key = (id(writer), id(reader), always)
        if key in self._seen:  # a named type that several fields have
            return
        self._seen.add(key)
        if "union" in (writer.kind, reader.kind):
            self._unions(path, writer, reader, always)
        elif writer.kind == reader.kind:
            self._same_kind(path, writer, reader, always)
        elif (writer.kind, reader.kind) in PROMOTIONS:
            effect, note = PROMOTIONS[writer.kind, reader.kind]
            self._add(path, "other type", effect, writer, reader, note)
        else:
            self._add(path, "other type", _failure(always), writer, reader)

    def _unions(self, path: str, writer: Type, reader: Type, always: bool) -> None:
        sure = always and len(writer.branches) == 1
        used, unread = set(), []
        for branch in writer.branches:
            match = self._branch(branch, reader.branches)
            if match is None:
                unread.append(str(branch))
            else:
                used.add(id(match))
                self.compare(path, branch, match, sure)
        if unread:
            some = f"no {' and no '.join(unread)} is taken" if used else ""
            failure = Effect.MAY_FAIL if used else _failure(always)
            self._add(path, "other type", failure, writer, reader, some)
        more = [
            str(part)
            for part in reader.branches
            if id(part) not in used and not any(_matches(b, part) for b in writer.branches)
        ]
        if used and more:
            note = f"{some_of(more)} is taken too"
            self._add(path, "other type", Effect.NONE, writer, reader, note)

    def _branch(self, branch: Type, others: Sequence[Type]) -> Type | None:
        """What a branch is read with; or what else is defined where it cannot be, to compare."""
        fits = [part for part in others if _matches(branch, part)]
        if self._same_first:
            fits.sort(key=lambda part: part.kind != branch.kind)
        if not fits and branch.name:
            fits = [part for part in others if part.kind == branch.kind]
        return fits[0] if fits else None

    def _same_kind(self, path: str, writer: Type, reader: Type, always: bool) -> None:
        if not _same_name(writer, reader):
            self._add(path, "other name", _failure(always), writer, reader)
        elif writer.size != reader.size:
            note = f"{writer.size} bytes, not {reader.size}"
            self._add(path, "other type", _failure(always), writer, reader, note)
        if writer.meaning and reader.meaning and writer.meaning != reader.meaning:
            self._add(
                path, "other type", Effect.LOSES, writer, reader, "values mean something else"
            )
        if writer.name and not all(map(is_legal, writer.name.split("."))):
            self._add(path, "illegal name", Effect.NONE, writer, None)
        if writer.kind == "record":
            self._records(path, writer, reader, always)
        elif writer.kind == "enum":
            self._symbols(path, writer, reader)
        elif writer.kind in ("array", "map"):
            mark = "[]" if writer.kind == "array" else "{}"
            self.compare(path + mark, writer.parts[0], reader.parts[0], False)

    def _records(self, path: str, writer: Type, reader: Type, always: bool) -> None:
        taken = _matched(writer, reader)
        filled = set(taken.values())
        missing = [f for f in reader.fields if f.name not in filled]
        extra = {f.name: f for f in writer.fields if f.name not in taken}
        by_name = {field.name: field for field in reader.fields}
        for field in writer.fields:
            inner = f"{path}.{field.name}".removeprefix(".")
            if not is_legal(field.name):
                self._add(inner, "illegal name", Effect.NONE, field.type, None)
            if field.name in extra:
                continue
            target = by_name[taken[field.name]]
            if target.name != field.name:
                note = f"an alias of {target.name}"
                self._add(inner, "alias", Effect.NONE, field.type, target.type, note)
            self.compare(inner, field.type, target.type, always)
        for target in missing:
            self._missing(path, target, extra, always)
        for field in extra.values():
            inner = f"{path}.{field.name}".removeprefix(".")
            self._add(inner, "extra", Effect.LOSES, field.type, None)
        if list(taken.values()) != [f.name for f in reader.fields if f.name in filled]:
            self._add(
                path, "other order", Effect.NONE, writer, reader, "only names matter to Avro files"
            )

    def _missing(self, path: str, target: Field, extra: dict[str, Field], always: bool) -> None:
        """A field that only the reader has; it may be there under a name that Avro cannot know."""
        inner = f"{path}.{target.name}".removeprefix(".")
        other = next((name for name in accepted_names(target.name) if name in extra), None)
        if other is not None:
            note = f"called {other} here"
            written = extra.pop(other).type
        else:
            note, written = "", None
        state = "missing" if other is None else "alias"
        if target.has_default:
            note = f"{note}; " * bool(note) + "the default is taken"
            effect = Effect.NONE if other is None else Effect.LOSES
            self._add(inner, state, effect, written, target.type, note)
        else:
            self._add(inner, state, _failure(always), written, target.type, note)

    def _symbols(self, path: str, writer: Type, reader: Type) -> None:
        strange = sorted(set(writer.symbols) - set(reader.symbols))
        if strange and reader.default is not None:
            note = f"{some_of(strange)} becomes {reader.default}"
            self._add(path, "other symbols", Effect.LOSES, writer, reader, note)
        elif strange:
            note = f"{some_of(strange)} is not known"
            self._add(path, "other symbols", Effect.MAY_FAIL, writer, reader, note)
        elif len(writer.symbols) < len(reader.symbols):
            self._add(path, "other symbols", Effect.NONE, writer, reader, "all of them are known")

    def _add(
        self,
        path: str,
        state: str,
        effect: Effect,
        writer: Type | None,
        reader: Type | None,
        note: str = "",
    ) -> None:
        self.found.append(Difference(path, state, effect, _text(writer), _text(reader), note))


def _failure(always: bool) -> Effect:
    return Effect.FAILS if always else Effect.MAY_FAIL


def _text(kind: Type | None) -> str:
    return "" if kind is None else str(kind)


def _matched(writer: Type, reader: Type) -> dict[str, str]:
    """The reader's field that each of the writer's fills: that of its name, or of its alias."""
    names = {field.name for field in reader.fields}
    there = {field.name for field in writer.fields}
    aliases = {
        alias: field.name
        for field in reader.fields
        if field.name not in there
        for alias in reversed(field.aliases)
    }
    taken: dict[str, str] = {}  # the reader's -> the writer's
    for field in writer.fields:
        target = field.name if field.name in names else aliases.get(field.name)
        if target is not None:
            taken.setdefault(target, field.name)
    return {written: name for name, written in taken.items()}


def _same_name(writer: Type, reader: Type) -> bool:
    """Whether two named types go by one name; types without names do."""
    if writer.short_name == reader.short_name:
        return True
    return any(name in reader.aliases for name in (writer.name, writer.short_name))


def _matches(writer: Type, reader: Type) -> bool:
    """Whether a branch of a union is the one to read a type with: the first that matches is."""
    if "union" in (writer.kind, reader.kind):
        return True
    if writer.kind != reader.kind:
        return (writer.kind, reader.kind) in PROMOTIONS
    if writer.kind in ("array", "map"):
        return _matches(writer.parts[0], reader.parts[0])
    return _same_name(writer, reader) and writer.size == reader.size
