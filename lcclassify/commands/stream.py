"""lcclassify stream."""

from collections.abc import Iterable, Mapping
from inspect import Parameter, Signature
from typing import Annotated, Any, cast

import typer

from lcclassify.commands.options import JsonOpt
from lcclassify.errors import SettingsError
from lcclassify.stream.config.options import Option, table
from lcclassify.stream.secret import Secret

PROPERTY = "files_property"
VARIABLE = "_variable"  # ends the names of parameters that only the environment sets
CHECKS = "Checks"
OWN = {  # what is done instead of, or before, streaming
    "show_config": "Print what all settings come to, secrets masked, and stop.",
    "show_lag": "Print how many messages wait in each partition, and stop.",
    "dry_run": "Check settings, model, brokers and topics, and stop.",
}


def stream(context: typer.Context, **told: object) -> None:
    """Classify messages from Kafka as they come, as ALeRCE's step does.

    Options win over environment variables, these over --properties, it over --config or
    --config-from-yaml. Every setting: docs/settings.md.

    Example: lcclassify stream --model toretto --consumer-topics features --until-eos
    """
    from lcclassify.stream.config.gather import gather
    from lcclassify.stream.config.read_settings import read_settings

    lines = cast("list[Secret] | None", told.pop(PROPERTY))
    as_json = bool(told["as_json"])
    options, variables = by_origin(context, told)
    if told["show_lag"]:
        options["output.to"] = "-"  # nothing is written: nobody needs to say where
    choice = gather(options, variables, lines or [])
    if told["show_lag"]:
        choice = choice.without("shadow.model", "dead_letters.to")
    if told["show_config"]:
        from lcclassify.commands.stream_config import show_config

        show_config(choice, as_json=as_json)
        return
    settings = read_settings(choice, dry_run=bool(told["dry_run"]))
    need_kafka()
    if told["show_lag"]:
        from lcclassify.stream.brokers.lag import show_lag

        show_lag(settings, as_json)
        return
    if as_json:
        raise typer.BadParameter("--json is for --show-config and --show-lag")
    from lcclassify.stream.run import run_stream

    run_stream(settings)


def need_kafka() -> None:
    """SettingsError without the extra that talks to Kafka."""
    try:
        import confluent_kafka  # noqa: F401
    except ModuleNotFoundError:
        raise SettingsError(
            "streams need confluent-kafka: pip install 'lcclassify[kafka]'"
        ) from None


def by_origin(
    context: typer.Context, told: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """What options and what variables tell, by name of the option."""
    command_line: dict[str, object] = {}
    environment: dict[str, object] = {}
    for option in table().options.values():
        name = _parameter(option)
        for parameter in (name, name + VARIABLE):
            value = told.get(parameter)
            if value is None:
                continue
            source = context.get_parameter_source(parameter)
            if source is not None and source.name == "ENVIRONMENT":
                environment[option.name] = value
            elif parameter.endswith(VARIABLE):
                raise typer.BadParameter(_refusal(option))
            else:
                command_line[option.name] = value
    return command_line, environment


def _refusal(option: Option) -> str:
    if option.type != "secret":
        return f"{option.option} takes no value here: set {', '.join(option.env)}"
    file = f"--{option.section}-{option.key}-file".replace("_", "-")
    return (
        f"{option.option} is not taken from the command line, where others see it: set "
        f"{', '.join(option.env)}, or name a file by {file}"
    )


def _parameter(option: Option) -> str:
    return f"{option.section}_{option.key}"


def parameters(option: Option) -> Iterable[Parameter]:
    """What Typer is to know of an option: one parameter, or one more for the variable of a flag.

    Values stay as they were told: ``Option.parse`` says what they mean, and tells all that is wrong
    at once. A secret has an option that is refused, so that Typer reads its variable.
    """
    words: dict[str, Any] = {
        "help": _help(option),
        "show_envvar": False,  # the help has them: Typer cuts long ones off
        "rich_help_panel": table().panels[option.section],
    }
    hidden: dict[str, Any] = {
        "envvar": list(option.env),
        "hidden": True,
        "help": "From the environment alone.",
    }
    name = _parameter(option)
    if option.type == "secret":
        info = typer.Option(option.option, parser=Secret, **hidden)
        yield _optional(name + VARIABLE, str, info)
    elif name == PROPERTY:  # which may hold a secret by mistake
        lines = typer.Option(option.option, parser=Secret, metavar=option.metavar, **words)
        yield _optional(name, list[str], lines)
    elif option.type == "flag":
        both = f"{option.option}/--no-{option.option.removeprefix('--')}"
        if option.env:
            variable = typer.Option(f"{option.option}-variable", **hidden)
            yield _optional(name + VARIABLE, str, variable)
        yield _optional(name, bool, typer.Option(both, **words))
    else:
        names = [one for one in (option.option, option.short) if one]
        metavar = option.metavar or "WORD"
        info = typer.Option(*names, envvar=list(option.env) or None, metavar=metavar, **words)
        yield _optional(name, str, info)


def _help(option: Option) -> str:
    variables = f" [env var: {', '.join(option.env)}]" if option.env else ""
    return (option.words + variables).replace("[", r"\[")


def _optional(name: str, kind: Any, info: Any) -> Parameter:
    return Parameter(
        name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, info]
    )


def _flag(name: str, words: str) -> Parameter:
    info = typer.Option("--" + name.replace("_", "-"), help=words, rich_help_panel=CHECKS)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, info])


def _signature() -> Signature:
    """Of ``stream`` as Typer is to see it."""
    context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    options = [one for option in table().options.values() for one in parameters(option)]
    flags = [_flag(name, words) for name, words in OWN.items()]
    as_json = Parameter("as_json", Parameter.KEYWORD_ONLY, default=False, annotation=JsonOpt)
    return Signature([context, *options, *flags, as_json])


_SIGNATURE = _signature()
stream.__signature__ = _SIGNATURE  # type: ignore[attr-defined]
stream.__annotations__ = {name: one.annotation for name, one in _SIGNATURE.parameters.items()}
