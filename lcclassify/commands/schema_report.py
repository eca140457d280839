"""What validate-schema prints."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import typer
from rich.table import Table

from lcclassify.output import emit, show
from lcclassify.remarks import sentences
from lcclassify.schemas.evolution import Difference, Effect, worst
from lcclassify.schemas.known import Fit, Match, known_schemas
from lcclassify.sources.look import Look

STYLES = {"alias": "yellow", "missing": "red", "wrong type": "red", "extra": "dim"}
EFFECT_STYLES = {Effect.FAILS: "red", Effect.MAY_FAIL: "red", Effect.LOSES: "yellow"}
FITS: Mapping[Fit, str] = {
    "exact": "{files}: {name} exactly, {what}",
    "compatible": "{files}: {name} but for differences that lose nothing, {what}",
    "different": "{files}: none of the known schemas; the nearest is {name}, {what}",
    "none": "{files}: like none of the known schemas; --model says whether a model can read it",
}
READINGS = {
    Effect.NONE: "{files}: can be read as {name}, and nothing is lost",
    Effect.LOSES: "{files}: can be read as {name}, with losses",
    Effect.MAY_FAIL: "{files}: cannot always be read as {name}",
    Effect.FAILS: "{files}: cannot be read as {name}",
}


def as_json(match: Match) -> dict[str, Any]:
    """One schema, its files, and what it is like, as plain values."""
    answer = {"readable": match.is_readable} if match.is_given else {"fit": match.fit}
    return {
        "files": list(match.files),
        "schema": match.name,
        **answer,
        "effect": worst(match.differences).value,
        "differences": [asdict(difference) for difference in match.differences],
    }


def show_matches(matches: Sequence[Match], *, brief: bool) -> None:
    """One sentence per schema, and a table of its differences; ``brief``: what is known, alone."""
    for match in matches:
        if not brief:
            emit(_sentence(match))
            if match.differences:
                show(_differences(match.differences))
        elif match.fit in ("exact", "compatible"):
            typer.echo(_sentence(match), err=True)


def _sentence(match: Match) -> str:
    known = known_schemas().get(match.name or "")
    rest = len(match.files) - 1
    files = match.files[0] + (f" and {rest} more" if rest else "")
    text = READINGS[worst(match.differences)] if match.is_given else FITS[match.fit]
    return text.format(files=files, name=match.name, what=known.what if known else "")


def _differences(differences: Sequence[Difference]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("when read", "field", "difference"):
        table.add_column(name, overflow="fold")
    for row in differences:
        effect = "" if row.effect is Effect.NONE else row.effect.value
        types = " instead of ".join(filter(None, (row.written, row.wanted)))
        text = f"{row.state}: {types}" + f"; {row.note}" * bool(row.note)
        table.add_row(effect, row.path or "(record)", text, style=EFFECT_STYLES.get(row.effect, ""))
    return table


def show_features(about: Mapping[str, Any]) -> None:
    """The features of a model and the columns of a table, side by side."""
    rows = about["columns"]
    table = Table("feature", "state", "column", "type", box=None, pad_edge=False)
    for row in rows:
        cells = [row["feature"] or "", row["state"], row["column"] or "", row["type"] or ""]
        table.add_row(*cells, style=STYLES.get(row["state"], ""))
    show(table)
    counts = ", ".join(f"{n} {state}" for state, n in Counter(r["state"] for r in rows).items())
    verdict = "satisfied" if about["satisfied"] else "NOT satisfied"
    typer.echo(f"{about['model']}: {verdict} ({counts}); object id: {about['id']}", err=True)


def show_observations(look: Look) -> None:
    """What of the first observations could be used, and what is to be said of the rest."""
    what = f"{look.n_usable:,} of the first {look.n_observations:,} observations can be used"
    emit(f"light curves: {what}, of {look.n_objects:,} objects")
    for sentence in sentences(look.remarks):
        emit(sentence)
