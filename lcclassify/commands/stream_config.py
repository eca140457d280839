"""What --show-config prints."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lcclassify.errors import SettingsError
from lcclassify.output import emit, show
from lcclassify.stream.config.chosen_model import SCHEMAS
from lcclassify.stream.config.options import CONNECTIONS, plain, table
from lcclassify.stream.config.read_settings import read_settings
from lcclassify.stream.config.told import Choice
from lcclassify.stream.settings import Client, Settings

if TYPE_CHECKING:
    from rich.table import Table


def show_config(choice: Choice, *, as_json: bool) -> None:
    """Print every setting with where it was told, and what follows. SettingsError afterwards"""
    problem, settings = None, None
    try:
        settings = read_settings(choice)
    except SettingsError as error:
        problem = error
    told = {
        name: {"value": plain(choice.settings[name].value), "from": choice.settings[name].source}
        for name in table().options
        if name in choice.settings
    }
    for connection in CONNECTIONS:
        for key, value in choice.properties[connection].items():
            told[f"{connection}.properties.{key}"] = {
                "value": plain(value.value),
                "from": value.source,
            }
    result = None if settings is None else dict(_result(settings))
    if as_json:
        emit(json.dumps({"settings": told, "result": result}, ensure_ascii=False))
    else:
        _print(told, result or {})
    if problem is not None:
        raise problem


def _result(settings: Settings) -> Iterator[tuple[str, Any]]:
    """What was decided, and how connections are made."""
    yield "model", plain(settings.model.name)
    yield "output schema", settings.output.schema or _schema_later(settings)
    yield "reference nulls", settings.reference_nulls
    yield "classifier name", settings.output.classifier_name
    yield "classifier version", settings.output.classifier_version
    yield "input format", settings.input.form
    yield "encoding", settings.encoding
    yield "scribe form", settings.scribe_form if settings.scribe else None
    clients: dict[str, Client | None] = {
        "consumer": settings.input.client,
        "producer": settings.results,
        "scribe": settings.scribe.client if settings.scribe else None,
        "metrics": settings.metrics.client if settings.metrics else None,
    }
    for name, client in clients.items():
        if client is not None:
            properties = {"bootstrap.servers": client.servers, **client.properties}
            yield name, {key: plain(value) for key, value in sorted(properties.items())}


def _schema_later(settings: Settings) -> str | None:
    """What is said of a schema that the model decides, once it is open."""
    if settings.to != "kafka":
        return None
    return " or ".join(f"{schema} ({survey})" for survey, schema in SCHEMAS.items())


def _print(told: dict[str, dict[str, Any]], result: dict[str, Any]) -> None:
    settings = _table("setting", "value", "from")
    for name, row in told.items():
        settings.add_row(name, _text(row["value"]), row["from"])
    follows = _table("result", "")
    for name, value in result.items():
        for key, one in value.items() if isinstance(value, dict) else [("", value)]:
            if one is not None:
                follows.add_row(f"{name} {key}".strip(), _text(one))
    show(settings, *([follows] if result else []))


def _table(*titles: str) -> "Table":
    """One that shortens nothing: what is too long goes on in the next line."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, list) else str(value)
