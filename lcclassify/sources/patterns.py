"""Names of files: which ones a folder or a pattern means, and what they tell of a format."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import PurePath

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def split_pattern(path: str) -> tuple[str, list[str]]:
    """The folders and names without a wildcard, and all from the first one with a wildcard on."""
    parts = path.split("/")
    n_fixed = next((row for row, part in enumerate(parts) if has_magic(part)), len(parts))
    return "/".join(parts[:n_fixed]), parts[n_fixed:]


def is_found(folder: str, path: str, wild: Sequence[str], suffixes: Collection[str]) -> bool:
    """Whether a file below a folder is meant by a pattern; by none, if it is a table."""
    parts = path.removeprefix(folder).strip("/").split("/")
    return matches_pattern(parts, wild) if wild else is_data(parts, suffixes)


def is_data(parts: Sequence[str], suffixes: Collection[str]) -> bool:
    """Whether a file below a folder is one of its tables: of a known suffix and not hidden."""
    return table_suffix(parts[-1]) in suffixes and not any(part[0] in "._" for part in parts)


def matches_pattern(parts: Sequence[str], wild: Sequence[str]) -> bool:
    """Whether names match patterns, one to one, as ``glob`` has it: ** is any number of folders."""
    if not wild or not parts:
        return not wild and not parts
    if wild[0] == "**":
        return matches_pattern(parts, wild[1:]) or matches_pattern(parts[1:], wild)
    hidden = parts[0].startswith(".") and not wild[0].startswith(".")
    return not hidden and fnmatchcase(parts[0], wild[0]) and matches_pattern(parts[1:], wild[1:])


def table_suffix(name: str) -> str:
    """What tells the format: .csv for features.csv and for features.csv.gz."""
    return PurePath(name.removesuffix(compression(name))).suffix


def compression(name: str) -> str:
    """The suffix of a compressed file; empty for another."""
    suffix = PurePath(name).suffix
    return suffix if suffix in COMPRESSIONS else ""
