"""The models at hand: embedded in the package, installed in the cache, or named by a path."""

from collections.abc import Iterator
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
    models, broken = [], []
    for origin, path in _folders():
        try:
            models.append(StoredModel(open_bundle(path), origin))
        except LcclassifyError as error:
            broken.append(str(error))
    return sorted(models, key=lambda model: model.bundle.label), broken


def _folders() -> Iterator[tuple[Literal["embedded", "installed"], Path]]:
    for path in sorted(_embedded_dir().glob("*/")):
        yield "embedded", path
    for path in sorted(_installed_dir().glob("[!.]*/")):
        yield "installed", path


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
    if (path := Path(name)).exists():
        return open_bundle(path) if is_bundle(path) else _convert_once(path)
    there = ", ".join(model.bundle.label for model in models) or "none"
    raise ModelError(
        f"there is no model {name!r}: no installed or embedded model has that name (there are: "
        f"{there}) and no file or folder either" + "".join(f"\n{line}" for line in broken)
    )


def _convert_once(source: Path) -> ModelBundle:
    from lcclassify.convert import convert
    from lcclassify.legacy import source_digest

    path = cache_dir() / "converted" / f"{FORMAT}-{source_digest(source)}"
    if path.is_dir():
        return open_bundle(path)
    try:
        return convert(source, path)
    except LcclassifyError:
        if path.is_dir():  # another process was faster
            return open_bundle(path)
        raise


def install(source: Path) -> ModelBundle:
    """Copy a bundle, or convert an artefact, into the cache, where its name finds it."""
    bundle = open_bundle(source) if is_bundle(source) else _convert_once(source)
    path = _installed_dir() / bundle.label.replace("/", "_")
    if path.is_dir() and (there := open_bundle(path)).digest != bundle.digest:
        raise ModelError(
            f"another {bundle.label} is installed: {there.path} has digest {there.digest[:12]}, "
            f"{source} has {bundle.digest[:12]}; remove that folder first"
        )
    return copy_bundle(bundle.path, path)
