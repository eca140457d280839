"""librdkafka properties as lines: of a file, or of --property."""

import re
from collections.abc import Sequence

from lcclassify.stream.config.options import CONNECTIONS

SECRET = re.compile(r"pass|secret|token|jaas|key\.pem|credential|private|oauthbearer\.config")


def is_secret(key: str) -> bool:
    """Whether a property's value is to be hidden, by the property's name."""
    return SECRET.search(key.lower()) is not None


def split_line(line: str) -> tuple[Sequence[str], str, str]:
    """Connections, key and value of [CONNECTION.]KEY=VALUE. ValueError without the line's text"""
    name, equals, value = line.partition("=")
    name = name.strip()
    if not equals or not name:
        raise ValueError("expected KEY=VALUE")
    first, _, rest = name.partition(".")
    connections, key = ((first,), rest) if first in CONNECTIONS else (CONNECTIONS, name)
    return connections, key, value.strip()


def split_lines(text: str) -> list[tuple[Sequence[str], str, str]]:
    """Those of a file but empty lines and comments (#, !), as ``ranked``. ValueError"""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and line.strip()[0] not in "#!":
            try:
                found.append(split_line(line))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
    return ranked(found)


def ranked(
    found: Sequence[tuple[Sequence[str], str, str]],
) -> list[tuple[Sequence[str], str, str]]:
    """First what counts: what is meant for one connection, and of several lines the last."""
    order = sorted(range(len(found)), key=lambda number: (len(found[number][0]), -number))
    return [found[number] for number in order]
