"""Options of a stream, as ``settings.toml`` has them, and what a text given for one means."""

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from lcclassify.stream.secret import Secret
from lcclassify.urls import is_url, without_secrets

CONNECTIONS = ("consumer", "producer", "scribe", "metrics")
TRUE, FALSE = ("true", "yes", "on", "1", "t", "y"), ("false", "no", "off", "0", "f", "n", "")
Kind = Literal["text", "list", "integer", "number", "flag", "secret"]
Value = str | int | float | bool | tuple[str, ...] | Secret


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: where it may be told, and what may be told."""

    section: str
    key: str
    help: str
    option: str  # on the command line
    short: str = ""
    env: tuple[str, ...] = ()  # variables
    type: Kind = "text"
    choices: tuple[str, ...] = ()
    min: float = -math.inf
    max: float = math.inf
    default: Value | None = None
    metavar: str | None = None
    librdkafka: tuple[str, ...] = ()  # properties that mean the same
    yaml: tuple[str, ...] = ()  # paths in the reference's file
    inert: bool = False  # checked, without effect
    file: bool = True  # whether a TOML file may have it

    @property
    def name(self) -> str:
        """How code calls it."""
        return f"{self.section}.{self.key}"

    @property
    def ways(self) -> str:
        """How people set it: option (variables)."""
        variables = ", ".join(self.env)
        if self.type == "secret":
            return variables
        return f"{self.option} ({variables})" if variables else self.option

    @property
    def words(self) -> str:
        """Help: what it does, which words there are, and the default."""
        no_effect = "No effect. " if self.inert else ""
        choices = f" One of {', '.join(self.choices)}." if self.choices else ""
        is_told = self.default is not None and self.default is not False
        default = f" Default: {self.default}." if is_told else ""
        return no_effect + self.help + choices + default

    def parse(self, told: object) -> Value:
        """What a text, or a value of a TOML or YAML file, means.

        ValueError says what was expected; it never repeats a secret.
        """
        if self.type == "secret":
            if not isinstance(told, str | Secret):
                raise ValueError("expected a text")
            return told if isinstance(told, Secret) else Secret(told)
        if self.type == "list":
            parts = told if isinstance(told, list | tuple) else unquoted(_text(told)).split(",")
            return tuple(filter(None, (unquoted(_text(part)) for part in parts)))
        text = unquoted(_text(told))
        if self.choices:
            return _choose(text, self.choices)
        value = PARSERS[self.type](text)
        if isinstance(value, int | float) and not self.min <= value <= self.max:
            wanted = f" to {self.max:g}" if self.max < math.inf else " upwards"
            raise ValueError(f"{shown(text)} is not from {self.min:g}{wanted}")
        return value


def unquoted(text: str) -> str:
    """A text without white space and one pair of quotes around it, as files of variables have."""
    text = text.strip()
    is_quoted = text[:1] in ("'", '"') and text.endswith(text[0]) and text.count(text[0]) == 2
    return text[1:-1].strip() if is_quoted else text


def shown(text: str) -> str:
    """A text as it may be shown: in quotes, without what a URL says of users."""
    return repr(plain(text))


def plain(value: object) -> Any:
    """A value as it may be shown: without secrets, a list for a tuple."""
    if isinstance(value, Secret):
        return repr(value)
    if isinstance(value, str) and is_url(value):
        return without_secrets(value)
    return list(map(plain, value)) if isinstance(value, tuple) else value


def as_flag(text: str) -> bool:
    """Whether a text means yes. ValueError"""
    if text.lower() not in TRUE + FALSE:
        raise ValueError(f"{shown(text)} is neither true nor false")
    return text.lower() in TRUE


def _text(told: object) -> str:
    if isinstance(told, bool):
        return str(told).lower()
    if not isinstance(told, str | int | float):
        raise ValueError("expected one value, not a table or a list")
    return str(told)


def _choose(text: str, choices: tuple[str, ...]) -> str:
    for choice in choices:
        if text.lower() == choice.lower():
            return choice
    raise ValueError(f"{shown(text)} is none of {', '.join(choices)}")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is no whole number") from None


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{shown(text)} is no number")
    return value


PARSERS: Mapping[str, Callable[[str], Value]] = {
    "text": str,
    "integer": _integer,
    "number": _number,
    "flag": as_flag,
}


@dataclass(frozen=True, slots=True)
class Table:
    """All of ``settings.toml``."""

    options: Mapping[str, Option]  # by name, in order
    panels: Mapping[str, str]  # section -> title in help
    connection: tuple[str, ...]  # keys that every connection has
    fixed: Mapping[str, str]  # properties that are as they are
    yaml: Mapping[str, Any]


@cache
def table() -> Table:
    """The table of options."""
    told = tomllib.loads((files("lcclassify.stream.config") / "settings.toml").read_text("utf-8"))
    options = [
        _option(section, key, row)
        for section in told["panels"]
        for key, row in [*told[section].items(), *_connection(section, told["connection"])]
    ]
    return Table(
        {option.name: option for option in options},
        told["panels"],
        tuple(told["connection"]),
        told["fixed"],
        told["yaml"],
    )


def _connection(section: str, rows: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    if section not in CONNECTIONS:
        return []
    upper = section.upper()
    return [
        (key, {**row, "env": [name.replace("{NAME}", upper) for name in row["env"]]})
        for key, row in rows.items()
    ]


def _option(section: str, key: str, row: Mapping[str, Any]) -> Option:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.items()
    }
    default = f"--{section}-{key}".replace("_", "-")
    return Option(**{"section": section, "key": key, "option": default, **values})
