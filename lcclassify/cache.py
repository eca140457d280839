"""Where lcclassify keeps what it can make again: models, converted models, records of checks."""

import os  # the one module that reads the environment itself: every other takes options
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """The cache folder: $LCCLASSIFY_CACHE or the platform's own place. It may not exist yet."""
    chosen = os.environ.get("LCCLASSIFY_CACHE")  # noqa: TID251
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("lcclassify"))
