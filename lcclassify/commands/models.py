"""lcclassify models: what is at hand, its card, whether it is sound."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lcclassify.commands.options import MODEL_HELP, JsonOpt
from lcclassify.output import emit
from lcclassify.output import show as show_table

if TYPE_CHECKING:
    from lcclassify.bundle import ModelBundle

app = typer.Typer(invoke_without_command=True)
NameArg = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP, show_default=False)]


@app.callback()
def models(context: typer.Context, as_json: JsonOpt = False) -> None:
    """List the models at hand; show, verify, install or remove one.

    Example: lcclassify models
    """
    if context.invoked_subcommand:
        return
    from lcclassify.store import list_models

    found, broken = list_models()
    for sentence in broken:
        typer.echo(f"lcclassify: {sentence}", err=True)
    if as_json:
        rows = [_facts(model.bundle) | {"origin": model.origin} for model in found]
        emit(json.dumps(rows, ensure_ascii=False, default=str))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("model", "origin", "features", "classes", "digest", "description"):
        table.add_column(title, no_wrap=title != "description")
    for model in found:
        facts = _facts(model.bundle)
        counts = (str(len(facts["features"])), str(len(facts["classes"])))
        digest = facts["digest"][:12]
        table.add_row(model.bundle.label, model.origin, *counts, digest, facts["description"])
    show_table(table)


@app.command()
def show(name: NameArg, as_json: JsonOpt = False) -> None:
    """Print the card of a model.

    Example: lcclassify models show plasticc
    """
    from lcclassify.resolve import resolve_model

    bundle = resolve_model(name)
    if as_json:
        facts = _facts(bundle)
        card = {key: value for key, value in bundle.manifest.items() if key not in facts}
        emit(json.dumps(facts | card, ensure_ascii=False, default=str))
    else:
        from lcclassify.commands.card import print_card

        print_card(bundle)


@app.command()
def verify(name: NameArg) -> None:
    """Hash every file of a model, and check its forests and its golden rows.

    Example: lcclassify models verify plasticc
    """
    from lcclassify.bundle import verify_bundle
    from lcclassify.predictors import load_predictor
    from lcclassify.resolve import resolve_model

    bundle = resolve_model(name)
    n_files = verify_bundle(bundle.path)
    load_predictor(bundle)
    emit(f"{bundle.label} ({bundle.digest[:12]}) is sound: {n_files} files, forests, golden rows")


@app.command()
def install(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A bundle, or a folder or archive that ALeRCE published.",
            show_default=False,
        ),
    ],
) -> None:
    """Copy a model to where its name is found.

    Example: lcclassify models install ./ztf
    """
    from lcclassify.store import install as install_model

    bundle = install_model(source)
    typer.echo(f"{bundle.label} ({bundle.digest[:12]}) -> {bundle.path}", err=True)


@app.command()
def path(name: NameArg) -> None:
    """Print where a model lies.

    Example: lcclassify models path plasticc
    """
    from lcclassify.resolve import resolve_model

    emit(str(resolve_model(name).path))


@app.command()
def remove(
    name: Annotated[
        str, typer.Argument(metavar="MODEL", help="NAME or NAME@VERSION.", show_default=False)
    ],
) -> None:
    """Remove an installed model.

    What lock files say of it stays: fetched again, it has to be the same.

    Example: lcclassify models remove toretto
    """
    from lcclassify.store import remove as remove_model

    typer.echo(f"removed {remove_model(name)}", err=True)


def _facts(bundle: "ModelBundle") -> dict[str, Any]:
    return {
        "name": bundle.name,
        "version": bundle.version,
        "digest": bundle.digest,
        "family": bundle.family,
        "description": bundle.manifest.get("description", ""),
        "path": str(bundle.path),
        "classes": bundle.taxonomy.classes,
        "features": [feature.name for feature in bundle.features],
    }
