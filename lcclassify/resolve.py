"""The model that somebody names, wherever it is: at hand, at a path, or at a URL."""

import os
from collections.abc import Mapping
from pathlib import Path, PurePath

from lcclassify.bundle import ModelBundle
from lcclassify.errors import ModelError
from lcclassify.store import NETWORKS, list_models, open_model
from lcclassify.urls import is_url


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
