"""What a pickle asked for, written down instead of done; and the error used inside ``legacy``."""

from dataclasses import dataclass


class RefusedError(ValueError):
    """Why these bytes are refused: a sentence without the file's name, which the border adds."""


@dataclass(frozen=True, slots=True)
class Global:
    """A class or function that a pickle named; ``kind`` is our name for it."""

    kind: str


@dataclass(slots=True, eq=False)
class Record:
    """A call or an object that a pickle asked for. Never made, only noted. Compares by identity."""

    kind: str  # of the class or function, see Global
    args: tuple[object, ...]
    state: object = None  # what its BUILD opcode would have handed over
    items: dict[object, object] | None = None  # what SETITEMS would have stored


def brief(value: object) -> str:
    """A few words on any value for an error message, however large or odd the value is."""
    if isinstance(value, str):
        return repr(value) if len(value) <= 80 else f"{value[:80]!r}..."
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if value.bit_length() <= 128 else "a huge integer"
    if isinstance(value, (Record, Global)):
        return brief_name(value.kind)
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    return "bytes" if isinstance(value, memoryview) else type(value).__name__


def brief_name(name: str) -> str:
    """A dotted name as it stands if it is one, else quoted: pickles may name anything."""
    plain = len(name) <= 120 and name.isascii() and name.isprintable()
    return name if plain else f"{name[:120]!r}"


def attributes(record: Record) -> dict[object, object]:
    """The attributes of a recorded object."""
    if not isinstance(record.state, dict):
        raise RefusedError(f"{brief(record)} has no attributes, but {brief(record.state)}")
    return record.state


def attribute(record: Record, name: str) -> object:
    """One attribute of a recorded object, which must have it."""
    held = attributes(record)
    if name not in held:
        raise RefusedError(f"{brief(record)} has no attribute {name}")
    return held[name]
