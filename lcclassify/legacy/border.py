"""Where what ``legacy`` refuses becomes the user's error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lcclassify.errors import ModelError
from lcclassify.legacy.records import RefusedError


@contextmanager
def concerning(subject: Path) -> Iterator[None]:
    """Turn a refusal into a ModelError, with the path that it is about."""
    try:
        yield
    except (RefusedError, ModelError) as error:
        raise ModelError(f"{subject}: {error}") from None
