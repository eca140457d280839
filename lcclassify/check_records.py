"""Records of checks: the size and time that each file of a bundle had when it was hashed last.

They lie in the cache, so that models that cannot be written to have one too.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lcclassify.cache import cache_dir

Stamps = dict[str, list[int]]  # file -> size, time in ns


def take_stamps(folder: Path, names: Iterable[str]) -> Stamps | None:
    """Those of files as they are now; None if one is not there."""
    try:
        stats = {name: (folder / name).stat() for name in names}
    except OSError:
        return None
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}


def last_stamps(folder: Path) -> Any:
    """Those at the last check of a folder; None if there was none."""
    try:
        return json.loads(_path(folder).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def record_stamps(folder: Path, stamps: Stamps | None) -> None:
    """Write down what the files of a folder were like when they were checked."""
    path = _path(folder)
    with suppress(OSError):  # a read-only cache costs time at the next load, nothing else
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(stamps, file)
        Path(name).replace(path)


def _path(folder: Path) -> Path:
    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return cache_dir() / "checked" / f"{key}.json"
