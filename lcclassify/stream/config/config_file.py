"""Settings in files: TOML, the reference's YAML, librdkafka properties."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lcclassify.errors import os_reason
from lcclassify.stream.config.options import CONNECTIONS, table
from lcclassify.stream.config.properties import split_lines
from lcclassify.stream.config.told import Layer, unknown

PROPERTIES = "properties"
GENERAL = "kafka"  # table of properties of all connections


def read_toml(path: str) -> Layer:
    """Settings of a TOML file, laid out as ``settings.toml``."""
    layer = Layer(path)
    text = _read(path, layer)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # What it says is a place and what was expected, at most one character of the text.
        layer.problems.append(f"{path} is no TOML: {error}")
        return layer
    sections = [section for section in table().panels if _keys(section)]
    for section, values in tables.items():
        if section not in (*sections, GENERAL):
            layer.problems.append(unknown(path, section, [*sections, GENERAL]))
        elif not isinstance(values, dict):
            layer.problems.append(f"{path}: {section} is a table: write [{section}]")
        elif section != GENERAL:
            _read_section(layer, section, values)
    for key, value in _properties(layer, GENERAL, tables.get(GENERAL)):
        layer.set_property(CONNECTIONS, key, value)
    return layer


def _read_section(layer: Layer, section: str, values: Mapping[str, Any]) -> None:
    known = _keys(section)
    for key, value in values.items():
        place = f"{layer.source}: [{section}] {key}"
        if key == PROPERTIES and section in CONNECTIONS:
            continue
        if key in known:
            layer.set(f"{section}.{key}", value, place)
        else:
            layer.problems.append(unknown(f"{layer.source}: [{section}]", key, known))
    if section in CONNECTIONS:
        for key, value in _properties(layer, f"{section}.{PROPERTIES}", values.get(PROPERTIES)):
            layer.set_property([section], key, value)


def _keys(section: str) -> list[str]:
    return [o.key for o in table().options.values() if o.section == section and o.file]


def _properties(layer: Layer, place: str, values: object) -> list[tuple[str, Any]]:
    """Properties of a table; TOML takes the dots of bare keys for tables within tables."""
    if values is None:
        return []
    if not isinstance(values, dict):
        layer.problems.append(f"{layer.source}: {place} is a table: write [{place}]")
        return []
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            found += [(f"{key}.{rest}", inner) for rest, inner in _properties(layer, place, value)]
        else:
            found.append((key, value))
    return found


def read_properties(path: str) -> Layer:
    """Librdkafka properties of a file."""
    layer = Layer(path)
    try:
        for connections, key, value in split_lines(_read(path, layer)):
            layer.set_property(connections, key, value)
    except ValueError as error:
        layer.problems.append(f"{path}: {error}")
    return layer


def read_yaml(path: str) -> Layer:
    """Settings of a file that the reference step reads."""
    layer = Layer(path)
    text = _read(path, layer)
    try:
        import yaml
    except ImportError:
        layer.problems.append(
            f"{path}: YAML needs the extra kafka: pip install 'lcclassify[kafka]'"
        )
        return layer
    try:
        tree = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:  # without the lines around it, which may hold a password
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        layer.problems.append(f"{path} is no YAML{line}")
        return layer
    except yaml.YAMLError:
        layer.problems.append(f"{path} is no YAML")
        return layer
    if tree is not None and not isinstance(tree, dict):
        layer.problems.append(f"{path}: expected keys such as CONSUMER_CONFIG")
    elif tree:
        _walk(layer, tree, "")
    return layer


def _walk(layer: Layer, tree: Mapping[Any, Any], above: str) -> None:
    """Tell what the branches mean, each by its path."""
    own = {path: option.name for option in table().options.values() for path in option.yaml}
    branches = {path: name for name, path in table().yaml["properties"].items()}
    strategy = table().yaml["strategy"]
    known = [*own, *branches, strategy, *table().yaml["ignored"]]
    for key, value in tree.items():
        path = f"{above}{key}"
        if value is None or path in table().yaml["ignored"]:
            continue
        if path in own:
            layer.set(own[path], value, f"{layer.source}: {path}")
        elif path == strategy:
            _daily_input(layer, value)
        elif path in branches and isinstance(value, dict):
            for name, told in value.items():
                if f"{path}/{name}" in own:
                    layer.set(own[f"{path}/{name}"], told, f"{layer.source}: {path}/{name}")
                elif told is not None:
                    layer.set_property([branches[path]], str(name), told)
        elif isinstance(value, dict) and any(one.startswith(f"{path}/") for one in known):
            _walk(layer, value, f"{path}/")
        else:
            near = [one.split("/")[above.count("/")] for one in known if one.startswith(above)]
            place = f"{layer.source}: {above.rstrip('/')}" if above else layer.source
            layer.problems.append(unknown(place, str(key), list(dict.fromkeys(near))))


def _daily_input(layer: Layer, strategy: object) -> None:
    """A strategy of daily topics to read from, as a regular expression of their names."""
    params = strategy.get("PARAMS") if isinstance(strategy, dict) else None
    formats = params.get("topic_format") if isinstance(params, dict) else None
    formats = [formats] if isinstance(formats, str) else formats
    if not isinstance(formats, list) or not formats:
        path = table().yaml["strategy"]
        layer.problems.append(f"{layer.source}: {path}/PARAMS/topic_format: expected a text")
        return
    patterns = ["^" + re.escape(str(one)).replace("%s", ".+") + "$" for one in formats]
    layer.set("consumer.topics", patterns, f"{layer.source}: topic_format")


def _read(path: str, layer: Layer) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        layer.problems.append(f"cannot read {path}: {os_reason(error)}")
    except UnicodeDecodeError:
        layer.problems.append(f"cannot read {path}: it is no text")
    return ""
