"""What was told of a stream, from everywhere."""

from collections.abc import Mapping, Sequence

from lcclassify.stream.config.config_file import read_properties, read_toml, read_yaml
from lcclassify.stream.config.options import Option, as_flag, table
from lcclassify.stream.config.properties import is_secret, ranked, split_line
from lcclassify.stream.config.told import Choice, Layer, merge
from lcclassify.stream.secret import Secret

COMMAND_LINE, ENVIRONMENT = "command line", "environment"
YAML_PLACE = "/config/config.yaml"  # where the reference's containers have it


def gather(
    command_line: Mapping[str, object],
    environment: Mapping[str, object],
    lines: Sequence[Secret] = (),
) -> Choice:
    """What counts of options and variables, both by name of the option, and of the files they name.

    ``lines`` are those of --property, which may hold a secret by mistake. Nothing is raised: what
    is wrong is among the problems of the choice.
    """
    upper = [Layer(ENVIRONMENT), Layer(COMMAND_LINE)]
    for layer, told in zip(upper, (environment, command_line), strict=True):
        for name, value in told.items():
            layer.set(name, value, _place(table().options[name], layer))
    _add_properties(upper[-1], lines)
    named = {name: str(told.value) for layer in upper for name, told in layer.settings.items()}
    below: list[Layer] = []
    if path := named.get("files.config"):
        below.append(read_toml(path))
    if path := _yaml_place(named.get("files.config_from_yaml", "")):
        if below:
            below[0].problems.append(
                f"settings are in two files, {below[0].source} and {path}: name one by --config "
                "(LCCLASSIFY_CONFIG) or --config-from-yaml (CONFIG_FROM_YAML)"
            )
        below.append(read_yaml(path))
    if path := named.get("files.properties"):
        below.append(read_properties(path))
    return merge([*below, *upper])


def _place(option: Option, layer: Layer) -> str:
    return option.option if layer.source == COMMAND_LINE else " or ".join(option.env)


def _add_properties(layer: Layer, lines: Sequence[Secret]) -> None:
    found = []
    for line in lines:
        try:
            found.append(split_line(line.reveal()))
        except ValueError as error:  # the line may hold a password: it is not repeated
            layer.problems.append(f"--property: {error}")
    for connections, key, value in ranked(found):
        if is_secret(key):
            layer.problems.append(
                f"--property {key}: a secret is not told on the command line, where others see "
                "it: write it in a file, see --properties and --config"
            )
        else:
            layer.set_property(connections, key, value)


def yaml_source(choice: Choice) -> str:
    """The YAML file that was read; nothing if there was none."""
    return _yaml_place(str(choice["files.config_from_yaml"] or ""))


def _yaml_place(told: str) -> str:
    """The path that CONFIG_FROM_YAML means; nothing if it is off."""
    try:
        return YAML_PLACE if as_flag(told) else ""
    except ValueError:
        return told
