"""lcclassify validate-schema."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lcclassify.commands.options import (
    MODEL_ENV,
    MODEL_HELP,
    ColumnsOpt,
    FeatureQuantilesOpt,
    IdOpt,
    InputsArg,
    JoinOpt,
    JsonOpt,
    OfflineOpt,
    QuantilesOpt,
    quantile_places,
)
from lcclassify.output import emit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from lcclassify.schemas.known import Known
    from lcclassify.sources.curve_forms import CurveForm
    from lcclassify.sources.file import FileSet
    from lcclassify.sources.look import Look


def validate_schema(
    inputs: InputsArg,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", envvar=MODEL_ENV, metavar="MODEL", help=MODEL_HELP, show_default=False
        ),
    ] = None,
    quantiles: QuantilesOpt = None,
    feature_quantiles: FeatureQuantilesOpt = None,
    offline: OfflineOpt = False,
    read_as: Annotated[
        str | None,
        typer.Option(
            "--read-as",
            metavar="SCHEMA",
            help="A known schema, or a file of one (.avsc, .avro): can it read the data?",
            show_default=False,
        ),
    ] = None,
    id_name: IdOpt = None,
    join: JoinOpt = None,
    columns: ColumnsOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Say which schema files have, and whether a model or another schema can read them.

    Files are data, or schemas (.avsc). Exit code 1 if their schema is none of the known ones, the
    model misses features, none of the first observations can be used, or the other schema cannot
    read all that they may hold.

    Example: lcclassify validate-schema features.parquet --model toretto

    Example: lcclassify validate-schema messages.avro --read-as new.avsc
    """
    if model is None and (join or columns):
        raise typer.BadParameter("--join and --columns say what a model reads: name one by --model")
    from lcclassify.commands import schema_report as report
    from lcclassify.resolve import resolve_model
    from lcclassify.schemas.known import match_inputs
    from lcclassify.schemas.needs import UNMET, feature_rows
    from lcclassify.sources.look import look_at

    reader = _reader(read_as) if read_as is not None else None
    about: dict[str, Any] = {}
    look: Look | None = None
    passed = True
    if model is not None:
        places = quantile_places(quantiles, feature_quantiles)
        bundle = resolve_model(model, quantiles=places, offline=offline)
        there, id_name, form, files = _columns(inputs, id_name, join or [], columns)
        rows = feature_rows(bundle, there, id_name, form)
        passed = all(row["state"] not in UNMET for row in rows)
        if files is not None and bundle.needs_light_curves:
            look = look_at(files)
            passed = passed and look.is_usable
            about["observations"] = look.as_dict()
        about |= {"model": bundle.label, "satisfied": passed, "id": id_name, "columns": rows}
    matches = match_inputs(inputs, reader)
    if reader is not None:
        passed = passed and all(match.is_readable for match in matches)
    elif model is None:
        passed = all(match.fit in ("exact", "compatible") for match in matches)
    if as_json:
        import json

        about["schemas"] = [report.as_json(match) for match in matches]
        emit(json.dumps(about, ensure_ascii=False))
    else:
        if model is not None:
            report.show_features(about)
            if look is not None:
                report.show_observations(look)
        report.show_matches(matches, brief=model is not None and reader is None)
    raise typer.Exit(0 if passed else 1)


def _reader(name: str) -> "Known":
    """A schema by its name, or the one in a file. InputError"""
    from lcclassify.avro.files import AVSC
    from lcclassify.errors import InputError
    from lcclassify.schemas.known import Known, known_schemas
    from lcclassify.schemas.written import read_schema
    from lcclassify.sources.file import FORMATS
    from lcclassify.sources.places import find_places

    if name in known_schemas():
        return known_schemas()[name]
    if not Path(name).suffix and not Path(name).exists():
        known = ", ".join(known_schemas())
        raise InputError(f"there is no schema {name!r}: choose from {known}, or name a file")
    places = find_places(name, (*FORMATS, AVSC))
    if len(places) != 1:
        raise InputError(f"{name} is {len(places)} files; --read-as takes the schema of one")
    return Known(str(places[0]), "", read_schema(places[0]))


def _columns(
    inputs: list[str], id_name: str | None, joins: list[str], mapping: Path | None
) -> "tuple[Mapping[str, pa.DataType], str | None, CurveForm | None, FileSet | None]":
    """The columns of data, or those that data of a schema would have; the id's; light curves.

    And the data, if it is that.
    """
    from lcclassify.avro.files import AVSC
    from lcclassify.errors import InputError
    from lcclassify.schemas.written import read_schemas, schema_columns
    from lcclassify.sources.curve_forms import find_form
    from lcclassify.sources.file import ID_NAMES
    from lcclassify.table import open_table

    if not any(Path(name).suffix == AVSC for name in inputs):
        table = open_table(inputs, id_name, joins, mapping)
        return table.columns, table.files.id_name, table.files.light_curves, table.files
    schemas = [written.schema for written in read_schemas(inputs)]
    if len(schemas) > 1 or schemas[0] is None or mapping or joins:
        raise InputError(
            f"with --model, name one {AVSC} file, without --columns and --join, or data"
        )
    try:
        columns = schema_columns(schemas[0])
    except ValueError as error:
        raise InputError(f"{inputs[0]}: {error}") from None
    found = id_name or next((name for name in ID_NAMES if name in columns), None)
    return columns, found, find_form(columns, schemas[0].name), None
