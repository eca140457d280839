"""Where batches come from."""

from collections.abc import Iterator
from typing import Protocol, Self

from lcclassify.batch import Batch


class Source(Protocol):
    """Where batches come from. Leaving the context closes files and connections."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

    def __iter__(self) -> Iterator[Batch]:
        """The batches, at least one: an input without objects gives one of no rows."""

    def commit(self) -> None:
        """Every batch yielded so far is safely delivered; never hand it out again."""
