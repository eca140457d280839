"""The catalogue: which models have a known address, and which files they consist of."""

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from lcclassify.bundle import is_model_name
from lcclassify.errors import ModelError, os_reason

DIGEST_LENGTHS = {"sha256": 64, "md5": 32}


@dataclass(frozen=True, slots=True)
class FileSpec:
    """One file of a model, and what is known of it."""

    name: str  # below the model's folder, with "/"
    size: int | None = None  # bytes
    sha256: str = ""  # hexadecimal; the beginning of a digest, or nothing
    md5: str = ""  # likewise

    def within(self, folder: str) -> "FileSpec":
        """The same file in a folder, "" or a name that ends in "/"."""
        return replace(self, name=folder + self.name)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a set of files may lie: mirrors of one folder, or of one file."""

    urls: tuple[str, ...]
    files: tuple[FileSpec, ...]
    layout: str = ""  # the kind of folder; nothing for a file


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the catalogue."""

    name: str
    version: str
    is_default: bool  # whether the name without a version means this one
    aliases: tuple[str, ...]
    addresses: tuple[Address, ...]  # tried in order
    card: Mapping[str, str]  # licence, citation and what else the card says

    @property
    def label(self) -> str:
        """Name and version as commands take them."""
        return f"{self.name}@{self.version}"

    def answers_to(self, name: str) -> bool:
        """Whether NAME or NAME@VERSION, or an alias likewise, means this entry."""
        base, _, version = name.partition("@")
        return base in (self.name, *self.aliases) and (
            version == self.version if version else self.is_default
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Models by name, and the kinds of folders that models are published as."""

    entries: tuple[Entry, ...]
    layouts: Mapping[str, tuple[FileSpec, ...]]
    mirrors: Mapping[str, str]  # start of a URL -> start of another one for the same files

    def find(self, name: str) -> Entry | None:
        """The entry that a name or alias means; the last one, so that a user's own wins."""
        return next((entry for entry in reversed(self.entries) if entry.answers_to(name)), None)

    def address(self, urls: Sequence[str], layout: str = "") -> Address:
        """Where these URLs, with their mirrors, have the files of a layout or one file."""
        return Address(
            urls=tuple(_with_mirrors(urls, self.mirrors)),
            files=self.layouts[layout] if layout else (FileSpec(file_name(urls[0])),),
            layout=layout,
        )


def read_catalogue(own: Path | None = None) -> Catalogue:
    """The catalogue of the package and, after it, a user's own. ModelError"""
    folder = files("lcclassify") / "catalogue"
    catalogue = _read(folder / "models.toml", Catalogue((), {}, {}))
    return _read(own, catalogue) if own else catalogue


def file_name(url: str) -> str:
    """What to call the one file at a URL."""
    return PurePosixPath(unquote(urlsplit(url).path)).name or "model"


def _read(path: Path | Traversable, base: Catalogue) -> Catalogue:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
        layouts = dict(base.layouts)
        for name, parts in tables.get("layouts", {}).items():
            layouts[name] = tuple(FileSpec(_plain(file)) for part in parts for file in _names(part))
        known = Catalogue(base.entries, layouts, {**base.mirrors, **tables.get("mirrors", {})})
        cards = tables.get("cards", {})
        entries = tuple(_entry(table, known, cards) for table in tables.get("model", []))
        return Catalogue(base.entries + entries, layouts, known.mirrors)
    except OSError as error:
        raise ModelError(f"cannot read the catalogue {path}: {os_reason(error)}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"the catalogue {path} is not as expected: {error!r}") from None


def _entry(table: Mapping[str, Any], known: Catalogue, cards: Mapping[str, Any]) -> Entry:
    facts = {name: _spec(name, **values) for name, values in table.get("files", {}).items()}
    addresses = []
    for source in table["sources"]:
        urls = [source["url"]] if isinstance(source["url"], str) else source["url"]
        for url in urls:
            urlsplit(url)  # ValueError if it is none
        address = known.address(urls, source.get("layout", ""))
        specs = tuple(facts.get(file.name, file) for file in address.files)
        addresses.append(Address(address.urls, specs, address.layout))
    named = {spec.name for address in addresses for spec in address.files}
    if strange := sorted(facts.keys() - named):  # a digest that nothing would be compared with
        raise ValueError(f"{strange} are in no source of {table['name']}")
    for part in (table["name"], table["version"]):
        if not is_model_name(part):
            raise ValueError(f"{part!r} cannot be the name or version of a model")
    if not addresses:
        raise ValueError(f"{table['name']} has no sources")
    return Entry(
        name=table["name"],
        version=table["version"],
        is_default=table.get("default", False),
        aliases=tuple(table.get("aliases", ())),
        addresses=tuple(addresses),
        card={"licence": "not stated", "citation": "not stated"}
        | cards.get(table.get("card", ""), {})
        | {key: table[key] for key in ("licence", "citation", "description") if key in table},
    )


def _spec(name: str, size: int | None = None, sha256: str = "", md5: str = "") -> FileSpec:
    for kind, digest in (("sha256", sha256), ("md5", md5)):
        if digest and not re.fullmatch(f"[0-9a-f]{{8,{DIGEST_LENGTHS[kind]}}}", digest):
            raise ValueError(f"{kind} of {name}: {digest!r}")
    if size is not None and (not isinstance(size, int) or size < 0):
        raise ValueError(f"size of {name}: {size!r}")
    return FileSpec(_plain(name), size, sha256, md5)


def _names(part: str | Mapping[str, str]) -> Iterator[str]:
    """The file names that an item of a layout stands for."""
    if isinstance(part, str):
        yield part
        return
    text = (files("lcclassify") / "catalogue" / _plain(part["table"])).read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        yield part["name"].replace("{}", row[part["column"]].replace("/", "&&&"))


def _plain(name: str) -> str:
    """A name that stays below the folder it is written to."""
    parts = name.split("/")
    if not name.isprintable() or "\\" in name or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{name!r} cannot be the name of a file")
    return name


def _with_mirrors(urls: Sequence[str], mirrors: Mapping[str, str]) -> Iterator[str]:
    yield from urls
    for url in urls:
        for start, other in mirrors.items():
            if url.startswith(start):
                yield other + url.removeprefix(start)
