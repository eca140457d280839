"""What was told of each setting, where, and what of it counts.

Precedence: command line, environment, properties file, TOML or YAML file, default. Every place is a
layer; a setting and the librdkafka property that means the same are one thing in it.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lcclassify.errors import os_reason
from lcclassify.stream.config.options import CONNECTIONS, Value, plain, table
from lcclassify.stream.config.properties import is_secret
from lcclassify.stream.secret import Secret

PASSWORD_FILE = "password_file"  # ends the keys of such options; the rest is the password's


@dataclass(frozen=True, slots=True, repr=False)
class Told:
    """A value and where it comes from."""

    value: Value
    source: str  # command line, environment, default, or a file

    def __repr__(self) -> str:
        return f"Told({plain(self.value)!r}, {self.source!r})"


@dataclass(slots=True)
class Layer:
    """What one place tells, and what is wrong with it."""

    source: str
    settings: dict[str, Told] = field(default_factory=dict)  # by name of the option
    properties: dict[tuple[str, str], Told] = field(default_factory=dict)  # by connection and name
    problems: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # options whose values have no meaning

    def set(self, name: str, told: object, place: str) -> None:
        """Tell a setting, unless by an empty text; ``place`` is what people call it there."""
        if told == "":
            return
        try:
            self.settings[name] = Told(table().options[name].parse(told), self.source)
        except ValueError as error:
            self.problems.append(f"{place}: {error}")
            self.refused.add(name)

    def set_property(self, connections: Iterable[str], key: str, told: object) -> None:
        """Tell a librdkafka property of some connections; what was told first counts."""
        place = f"{self.source}: {key}"
        if not isinstance(told, str | int | float | Secret):
            self.problems.append(f"{place}: expected one value, not a table or a list")
            return
        text = str(told).lower() if isinstance(told, bool) else told
        text = text if isinstance(text, Secret) else str(text)
        if key in table().fixed:
            if text != table().fixed[key]:
                self.problems.append(f"{place}: is always {table().fixed[key]}")
            return
        own = {name: option for name, option in table().options.items() if key in option.librdkafka}
        if own:
            sections = {*connections, "delivery"} if "producer" in connections else {*connections}
            there = [name for name, option in own.items() if option.section in sections]
            if not there:
                self.problems.append(f"{place}: means nothing for {', '.join(connections)}")
            for name in there:
                if name not in self.settings:
                    self.set(name, text, place)
            return
        value = Secret(text) if isinstance(text, str) and is_secret(key) else text
        for connection in connections:
            self.properties.setdefault((connection, key), Told(value, self.source))

    def read_password_files(self) -> None:
        """Put passwords in the place of the files that they are in."""
        for name in [name for name in self.settings if name.endswith(PASSWORD_FILE)]:
            path, password = str(self.settings[name].value), name.removesuffix("_file")
            if password in self.settings:
                option = table().options[name]
                self.problems.append(f"{option.ways}: the password is told as well; tell one")
                continue
            try:
                text = Path(path).read_text("utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                reason = os_reason(error) if isinstance(error, OSError) else "it is no text"
                self.problems.append(f"{table().options[name].ways}: cannot read {path}: {reason}")
                continue
            if not text:
                self.problems.append(f"{table().options[name].ways}: {path} is empty")
            self.settings[password] = Told(Secret(text), path)


@dataclass(frozen=True, slots=True)
class Choice:
    """What counts of everything that was told."""

    settings: Mapping[str, Told]
    properties: Mapping[str, Mapping[str, Told]]  # by connection
    problems: tuple[str, ...]
    refused: frozenset[str]  # options whose values have no meaning: these are not missing

    def __getitem__(self, name: str) -> Any:
        """The value of a setting, or None. KeyError if there is no such setting."""
        told = self.settings.get(table().options[name].name)
        return None if told is None else told.value

    def without(self, *names: str) -> "Choice":
        """The same, had nobody told these settings."""
        kept = {name: told for name, told in self.settings.items() if name not in names}
        return replace(self, settings=kept)

    def source(self, name: str) -> str:
        """Where it was told; nothing if it was not."""
        return self.settings[name].source if name in self.settings else ""


def merge(layers: Iterable[Layer]) -> Choice:
    """One layer over the other, the last one on top."""
    settings = {
        option.name: Told(option.default, "default")
        for option in table().options.values()
        if option.default is not None
    }
    properties: dict[str, dict[str, Told]] = {connection: {} for connection in CONNECTIONS}
    problems: list[str] = []
    refused: set[str] = set()
    for layer in layers:
        layer.read_password_files()
        settings |= layer.settings
        for (connection, key), told in layer.properties.items():
            properties[connection][key] = told
        problems += layer.problems
        refused |= layer.refused
    return Choice(settings, properties, tuple(dict.fromkeys(problems)), frozenset(refused))


def unknown(place: str, key: str, known: Iterable[str]) -> str:
    """A sentence about a key that means nothing, with the nearest that do."""
    near = difflib.get_close_matches(key, list(known), n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; known: {', '.join(known)}"
    return f"{place}: there is no setting {key!r}{hint}"
