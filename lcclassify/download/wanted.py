"""What is asked for: a model of the catalogue, or whatever lies at a URL."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from lcclassify.bundle import is_model_name
from lcclassify.download.catalogue import Address, Catalogue, Entry, file_name
from lcclassify.errors import ModelError
from lcclassify.urls import is_url, without_secrets


class Part(NamedTuple):
    """Files that go to one folder of the model."""

    folder: str  # "" or a name that ends in "/"
    addresses: tuple[Address, ...]  # tried in order


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model that may have to be fetched."""

    asked: str  # NAME@VERSION or a URL without secrets: what lock files call it
    parts: tuple[Part, ...]
    name: str | None = None  # None: as the files say
    version: str | None = None
    card: Mapping[str, str] = field(default_factory=dict)
    is_elsewhere: bool = False  # the user named other addresses than the catalogue's

    @property
    def label(self) -> str | None:
        """Name and version, if both are known before the files are."""
        return f"{self.name}@{self.version}" if self.name and self.version else None

    @property
    def urls(self) -> tuple[str, ...]:
        """Every URL that it may come from, without secrets."""
        addresses = [address for part in self.parts for address in part.addresses]
        return tuple(
            dict.fromkeys(without_secrets(url) for address in addresses for url in address.urls)
        )

    @property
    def is_local(self) -> bool:
        """Whether no network is needed."""
        return all(url.startswith("file://") for url in self.urls)

    @property
    def is_found_anew(self) -> bool:
        """Whether it is whatever lies at a path now, and so nothing that was there before."""
        return self.is_local and not self.label

    @property
    def key(self) -> str:
        """A name for what is here of it: other addresses, another key."""
        return hashlib.sha256("\n".join((self.asked, *self.urls)).encode()).hexdigest()[:32]


def want_entry(entry: Entry) -> Wanted:
    """A model of the catalogue."""
    parts = (Part("", entry.addresses),)
    return Wanted(entry.label, parts, entry.name, entry.version, entry.card)


def want_label(catalogue: Catalogue, label: str, urls: Sequence[str]) -> Wanted:
    """NAME@VERSION, or a model of the catalogue, from URLs (mirrors) of the user's own."""
    entry = catalogue.find(label)
    name, _, version = (entry.label if entry else label).partition("@")
    if not name or not version:
        raise ModelError(f"{label!r} is not in the catalogue; with --url, name it NAME@VERSION")
    if wrong := [part for part in (name, version) if not is_model_name(part)]:
        raise ModelError(f"{wrong[0]!r} cannot be the name or version of a model")
    addresses = _addresses(catalogue, urls)
    if entry:  # what is known of the files stays known, wherever they come from
        facts = {spec.name: spec for address in entry.addresses for spec in address.files}
        addresses = tuple(
            Address(a.urls, tuple(facts.get(spec.name, spec) for spec in a.files), a.layout)
            for a in addresses
        )
    card = entry.card if entry else {}
    parts = (Part("", addresses),)
    return Wanted(f"{name}@{version}", parts, name, version, card, is_elsewhere=True)


def want_url(
    catalogue: Catalogue, model: str, quantiles: Mapping[str, str] | None = None
) -> Wanted:
    """A model at a URL or path and, for a transformer, its quantiles: folder -> URL or path.

    The folder is one of HeaderNorm1QT and FeatNorm1QT; its URL may be of one file for all columns.
    """
    parts = [Part("", _addresses(catalogue, [model]))]
    for folder, url in (quantiles or {}).items():
        layout = "feature-quantiles" if folder.startswith("Feat") else "header-quantiles"
        address = to_url(url)
        if address.partition("?")[0].endswith("/"):
            parts.append(Part(f"{folder}/", (catalogue.address([address], layout),)))
        else:
            parts.append(Part("", (catalogue.address([address]),)))
    asked = " ".join(_asked(to_url(url)) for url in (model, *(quantiles or {}).values()))
    return Wanted(asked, tuple(parts))


def to_url(place: str) -> str:
    """A path as a URL, with "/" at its end if it is a folder. ModelError if it is neither."""
    if is_url(place):
        try:
            urlsplit(place)
        except ValueError:  # whose text may hold what is secret
            raise ModelError(f"{without_secrets(place)} is no URL") from None
        return place
    if not os.path.exists(place):
        raise ModelError(f"{place} is no model: there is no such file or folder")
    path = Path(place).resolve()
    return path.as_uri() + ("/" if path.is_dir() else "")


def title(wanted: Wanted) -> str:
    """What the folder of its files is called, and the card says."""
    return wanted.label or file_name(wanted.urls[0]).strip(".") or "model"


def _addresses(catalogue: Catalogue, urls: Sequence[str]) -> tuple[Address, ...]:
    """Where these mirrors have one file or, if they are folders, one of the known layouts."""
    places = [to_url(url) for url in urls]
    folders = [url.partition("?")[0].endswith("/") for url in places]
    if not any(folders):
        return (catalogue.address(places),)
    if not all(folders):
        raise ModelError(f"mirrors are all folders (ending in /) or all files: {', '.join(urls)}")
    kinds = (layout for layout in catalogue.layouts if not layout.endswith("-quantiles"))
    return tuple(catalogue.address(places, layout) for layout in kinds)


def _asked(url: str) -> str:
    """A URL in a lock file: without secrets, but another one for another query."""
    public = without_secrets(url)
    return public if public == url else f"{public}#{hashlib.sha256(url.encode()).hexdigest()[:12]}"
