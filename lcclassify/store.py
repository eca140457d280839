"""The models at hand: embedded in the package, installed in the cache, or named by a path."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Literal, NamedTuple

from lcclassify.bundle import FORMAT, ModelBundle, copy_bundle, is_bundle, open_bundle
from lcclassify.cache import cache_dir
from lcclassify.errors import LcclassifyError, ModelError, OutputError, os_reason
from lcclassify.urls import is_url

NETWORKS = (".pt", ".pth", ".ckpt")  # what a published transformer is a file of


class StoredModel(NamedTuple):
    """A model at hand."""

    bundle: ModelBundle
    origin: Literal["embedded", "installed"]


def _embedded_dir() -> Path:
    return Path(str(files("lcclassify") / "models"))


def installed_dir() -> Path:
    """Where models lie whose names are found, in folders called NAME@VERSION."""
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
        ("installed", installed_dir()),
    )
    for origin, place in places:
        with suppress(OSError):  # a cache that cannot be read hides no embedded model
            for path in sorted(place.iterdir()):
                if not path.name.startswith(".") and path.is_dir():
                    yield origin, path


def resolve_model(
    name: str, *, quantiles: Mapping[str, str] | None = None, offline: bool = False
) -> ModelBundle:
    """The model of a name, of NAME@VERSION, at a path or URL: a bundle or anything convertible.

    A published artefact is converted into the cache, once per content; one at a URL is downloaded
    first, once, unless ``offline``. ``quantiles`` says where those of a network lie that is one
    file: folder beside it -> path or URL. ModelError if there is no such model.
    """
    # The environment may name quantiles for all runs: other models bring their own, or none.
    apart = quantiles if quantiles and PurePath(name.partition("?")[0]).suffix in NETWORKS else {}
    if is_url(name) or any(map(is_url, apart.values())):
        return _from_elsewhere(name, apart, offline)
    models, broken = list_models()
    named = [model.bundle for model in models if name in (model.bundle.name, model.bundle.label)]
    if len(named) > 1:
        raise ModelError(
            f"{name!r} is ambiguous; name one of {', '.join(bundle.label for bundle in named)}"
        )
    if named:
        return named[0]
    if name and os.path.exists(name):
        return open_model(Path(name), quantiles)
    there = ", ".join(model.bundle.label for model in models) or "none"
    damaged = f"; cannot be opened: {'; '.join(broken)}" if broken else ""
    raise ModelError(
        f"there is no model {name!r}: no installed or embedded model has that name (there are: "
        f"{there}) and no file or folder either{damaged}{_how_to_get(name)}"
    )


def _how_to_get(name: str) -> str:
    from lcclassify.download.catalogue import read_catalogue

    known = read_catalogue().find(name)
    return f"; to fetch it: lcclassify download-model {name}" if known else ""


def _from_elsewhere(name: str, quantiles: Mapping[str, str], offline: bool) -> ModelBundle:
    from lcclassify.download.catalogue import read_catalogue
    from lcclassify.download.install import How, download
    from lcclassify.download.wanted import want_url

    return download(want_url(read_catalogue(), name, quantiles), How(offline=offline))


def open_model(path: Path, quantiles: Mapping[str, str] | None = None) -> ModelBundle:
    """Open a bundle, or convert an artefact into the cache, once per content. ModelError."""
    from lcclassify.legacy.network_files import is_network

    if not os.path.isfile(path) and not os.path.isdir(path):
        raise ModelError(f"{path} is no model: there is no such file or folder")
    if quantiles and path.suffix in NETWORKS:
        with _side_by_side(path, quantiles) as folder:
            return _convert_once(folder)
    if is_bundle(path) and not is_network(path):  # which is a zip as well
        return open_bundle(path)
    return _convert_once(path)


@contextmanager
def _side_by_side(network: Path, quantiles: Mapping[str, str]) -> Iterator[Path]:
    """A folder with a network and its quantiles as they are published, made of links."""
    with tempfile.TemporaryDirectory(prefix="lcclassify-") as folder:
        (Path(folder) / network.name).symlink_to(network.resolve())
        for name, place in quantiles.items():
            source = Path(place).resolve()
            if not source.exists():
                raise ModelError(f"{place} has no quantiles: there is no such file or folder")
            (Path(folder) / (name if source.is_dir() else source.name)).symlink_to(source)
        yield Path(folder)


def _convert_once(source: Path) -> ModelBundle:
    from lcclassify.convert import convert
    from lcclassify.legacy import source_digest

    path = cache_dir() / "converted" / f"{FORMAT}-{source_digest(source)}"
    if there := sound_model(path):
        return there
    try:
        return convert(source, path)
    except LcclassifyError:
        if os.path.isdir(path):  # another process was faster
            return open_bundle(path)
        raise


def sound_model(path: Path) -> ModelBundle | None:
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
    path = installed_dir() / bundle.label
    there = sound_model(path)
    if there and there.digest != bundle.digest:
        raise ModelError(
            f"another {bundle.label} is installed: {there.path} has digest {there.digest[:12]}, "
            f"{source} has {bundle.digest[:12]}; remove it first (lcclassify models remove "
            f"{bundle.label})"
        )
    return copy_bundle(bundle.path, path)


def remove(name: str) -> Path:
    """Remove an installed model, sound or not, and say where it was. ModelError, OutputError"""
    folders = [path for origin, path in _folders() if origin == "installed"]
    named = [path for path in folders if name in (path.name, path.name.partition("@")[0])]
    if len(named) != 1:
        there = ", ".join(path.name for path in named or folders) or "none"
        what = "is ambiguous" if named else "is not installed"
        raise ModelError(f"{name!r} {what}; there are: {there}")
    try:
        # Renamed first: whoever looks meanwhile sees all of it or nothing.
        gone = Path(tempfile.mkdtemp(prefix=".removed-", dir=named[0].parent))
        named[0].rename(gone / "model")
        shutil.rmtree(gone)
    except OSError as error:
        raise OutputError(f"cannot remove {named[0]}: {os_reason(error)}") from None
    return named[0]
