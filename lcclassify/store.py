"""The models at hand: embedded in the package, installed in the cache, or named by a path."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

from lcclassify.bundle import FORMAT, ModelBundle, copy_bundle, is_bundle, open_bundle
from lcclassify.cache import cache_dir
from lcclassify.errors import LcclassifyError, ModelError


class StoredModel(NamedTuple):
    """A model at hand."""

    bundle: ModelBundle
    origin: Literal["embedded", "installed"]


def _embedded_dir() -> Path:
    return Path(str(files("lcclassify") / "models"))


def _installed_dir() -> Path:
    return cache_dir() / "models"


def list_models() -> tuple[list[StoredModel], list[str]]:
    """The models at hand by name and version, and a sentence for each that cannot be opened."""
    models: dict[str, StoredModel] = {}  # by digest: an embedded model may be installed as well
    broken = []
    for origin, path in _folders():
        try:
            model = StoredModel(open_bundle(path), origin)
            models.setdefault(model.bundle.digest, model)
        except LcclassifyError as error:
            broken.append(str(error))
    return sorted(models.values(), key=lambda model: model.bundle.label), broken


def _folders() -> Iterator[tuple[Literal["embedded", "installed"], Path]]:
    places: tuple[tuple[Literal["embedded", "installed"], Path], ...] = (
        ("embedded", _embedded_dir()),
        ("installed", _installed_dir()),
    )
    for origin, place in places:
        with suppress(OSError):  # a cache that cannot be read hides no embedded model
            for path in sorted(place.iterdir()):
                if not path.name.startswith(".") and path.is_dir():
                    yield origin, path


def resolve_model(name: str) -> ModelBundle:
    """The model of a name, of NAME@VERSION, or at a path: a bundle or anything convertible.

    A published artefact is converted into the cache, once per content. ModelError if there is no
    such model.
    """
    models, broken = list_models()
    named = [model.bundle for model in models if name in (model.bundle.name, model.bundle.label)]
    if len(named) > 1:
        raise ModelError(
            f"{name!r} is ambiguous; name one of {', '.join(bundle.label for bundle in named)}"
        )
    if named:
        return named[0]
    if name and os.path.exists(name):
        return open_model(Path(name))
    there = ", ".join(model.bundle.label for model in models) or "none"
    damaged = f"; cannot be opened: {'; '.join(broken)}" if broken else ""
    raise ModelError(
        f"there is no model {name!r}: no installed or embedded model has that name (there are: "
        f"{there}) and no file or folder either{damaged}"
    )


def open_model(path: Path) -> ModelBundle:
    """Open a bundle, or convert an artefact into the cache, once per content. ModelError."""
    from lcclassify.legacy.network_files import is_network

    if not os.path.isfile(path) and not os.path.isdir(path):
        raise ModelError(f"{path} is no model: there is no such file or folder")
    if is_bundle(path) and not is_network(path):  # which is a zip as well
        return open_bundle(path)
    return _convert_once(path)


def _convert_once(source: Path) -> ModelBundle:
    from lcclassify.convert import convert
    from lcclassify.legacy import source_digest

    path = cache_dir() / "converted" / f"{FORMAT}-{source_digest(source)}"
    if there := _sound(path):
        return there
    try:
        return convert(source, path)
    except LcclassifyError:
        if os.path.isdir(path):  # another process was faster
            return open_bundle(path)
        raise


def _sound(path: Path) -> ModelBundle | None:
    """The bundle in a folder of the cache; a damaged one is removed, to be made again."""
    if not os.path.isdir(path):
        return None
    try:
        return open_bundle(path)
    except ModelError:
        shutil.rmtree(path, ignore_errors=True)
        return None


def install(source: Path) -> ModelBundle:
    """Copy a bundle, or convert an artefact, into the cache, where its name finds it."""
    bundle = open_model(source)
    path = _installed_dir() / bundle.label
    there = _sound(path)
    if there and there.digest != bundle.digest:
        raise ModelError(
            f"another {bundle.label} is installed: {there.path} has digest {there.digest[:12]}, "
            f"{source} has {bundle.digest[:12]}; remove that folder first"
        )
    return copy_bundle(bundle.path, path)
