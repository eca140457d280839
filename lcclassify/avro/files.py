"""Schemas in files of their own, which may name types that lie in files beside them."""

import json
from pathlib import Path
from typing import Any

from lcclassify.avro.schema import bounded, is_legal, shown

AVSC = ".avsc"
LIMIT = 1 << 22  # bytes of a file


def read_avsc(path: Path) -> Any:
    """The schema in a file, with the types that files beside it define, ``bounded``.

    OSError if the file cannot be read, ValueError if there is no such schema.
    """

    def find(name: str) -> Any:
        if not all(map(is_legal, name.split("."))):
            return None
        beside = path.with_name(f"{name}{AVSC}")
        return _load(beside) if beside.is_file() else None

    return bounded(_load(path), find)


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        text = file.read(LIMIT + 1)
    if len(text) > LIMIT:
        raise ValueError(f"{shown(path.name)} is larger than {LIMIT:,} bytes")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{shown(path.name)} is no JSON: {error}") from None
