"""lcclassify validate-schema."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lcclassify.commands.options import MODEL_HELP, ColumnsOpt, IdOpt, InputsArg, JsonOpt
from lcclassify.output import emit, show

if TYPE_CHECKING:
    from lcclassify.bundle import ModelBundle
    from lcclassify.sources.file import FileSet

STYLES = {"alias": "yellow", "missing": "red", "wrong type": "red", "extra": "dim"}


def validate_schema(
    inputs: InputsArg,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="MODEL", help=MODEL_HELP, show_default=False)
    ],
    id_name: IdOpt = None,
    columns: ColumnsOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Say column by column whether files have what a model needs.

    Exit code 0 if every feature is there, 1 if not.

    Example: lcclassify validate-schema features.parquet --model toretto
    """
    from lcclassify.sources.file import open_files
    from lcclassify.sources.names import check_names, read_names
    from lcclassify.store import resolve_model

    bundle = resolve_model(model)
    names = read_names(columns) if columns else {}
    files = open_files(inputs, id_name, names=names)
    if columns:
        check_names(columns, names, files.renamed)
    rows = _rows(bundle, files)
    satisfied = all(row["state"] not in ("missing", "wrong type") for row in rows)
    if as_json:
        import json

        about = {"model": bundle.label, "satisfied": satisfied, "id": files.id_name}
        emit(json.dumps(about | {"columns": rows}, ensure_ascii=False))
    else:
        _show(bundle, files, rows, satisfied)
    raise typer.Exit(0 if satisfied else 1)


def _rows(bundle: "ModelBundle", files: "FileSet") -> list[dict[str, Any]]:
    """One row per feature, in the model's order, then one per column that no feature uses."""
    from lcclassify.features import match_features
    from lcclassify.sources.columns import is_number

    columns = files.columns
    receipt = match_features(bundle.features, list(columns))
    rows = []
    for feature, column in receipt.columns.items():
        if column is None:
            state = "missing"
        elif not is_number(columns[column]):
            state = "wrong type"
        else:
            state = "present" if column == feature else "alias"
        kind = str(columns[column]) if column else None
        rows.append({"feature": feature, "state": state, "column": column, "type": kind})
    extra = columns.keys() - set(receipt.used) - {files.id_name}
    return rows + [
        {"feature": None, "state": "extra", "column": name, "type": str(kind)}
        for name, kind in columns.items()
        if name in extra
    ]


def _show(
    bundle: "ModelBundle", files: "FileSet", rows: list[dict[str, Any]], satisfied: bool
) -> None:
    from collections import Counter

    from rich.table import Table

    table = Table("feature", "state", "column", "type", box=None, pad_edge=False)
    for row in rows:
        cells = [row["feature"] or "", row["state"], row["column"] or "", row["type"] or ""]
        table.add_row(*cells, style=STYLES.get(row["state"], ""))
    show(table)
    counts = ", ".join(f"{n} {state}" for state, n in Counter(r["state"] for r in rows).items())
    verdict = "satisfied" if satisfied else "NOT satisfied"
    typer.echo(f"{bundle.label}: {verdict} ({counts}); object id: {files.id_name}", err=True)
