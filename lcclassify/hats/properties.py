"""The properties files of HATS: a key and its value on each line."""

import re
from collections.abc import Mapping

LINE = re.compile(r"\s*([^\s=:#!][^\s=:]*)\s*[=:]\s*(.*?)\s*")
ESCAPED = re.compile(r"\\(.)")


def parse_properties(text: str) -> dict[str, str]:
    """All values. Comments, and lines without a value, say nothing."""
    found = (LINE.fullmatch(line) for line in text.splitlines())
    return {match[1]: ESCAPED.sub(r"\1", match[2]) for match in found if match}


def format_properties(values: Mapping[str, object]) -> str:
    """The text of such a file."""
    lines = (f"{key}={_escaped(str(value))}\n" for key, value in values.items())
    return "".join(lines)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")
