"""A folder as the destination of a stream: files named by the messages that they answer.

``TOPIC-PARTITION-FIRST-LAST.parquet`` holds the rows of all messages of these offsets, and that it
stands there is the only record that they are done: it is renamed into place before anything is
committed. Who starts at ``done`` neither loses nor doubles a message, wherever it was killed.
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout

from lcclassify.errors import OutputError
from lcclassify.sinks.file import FileSink, JsonLinesFormat, ParquetFormat, Start
from lcclassify.sinks.folders import as_output_error, sync
from lcclassify.stream.message import Spans

FORMATS: dict[str, Start] = {"parquet": ParquetFormat, "jsonl": JsonLinesFormat}
NAME = re.compile(r"(.+)-([0-9]{5,})-([0-9]{19})-([0-9]{19})\.(parquet|jsonl)")
PARTIAL = re.compile(rf"\.{NAME.pattern}\.\w+")  # as ``FileSink`` calls them
LOCK = ".stream.lock"
PATIENCE_S = 60.0  # for another process's files of one batch


@dataclass(frozen=True, slots=True)
class OffsetName:
    """Which messages a file answers."""

    topic: str
    partition: int
    first: int
    last: int
    form: str  # of ``FORMATS``

    def __str__(self) -> str:
        """The file's name; names of one partition sort by offset."""
        offsets = f"{self.first:019}-{self.last:019}"  # the widths of the largest numbers
        return f"{self.topic}-{self.partition:05}-{offsets}.{self.form}"

    @classmethod
    def of(cls, name: str) -> Self | None:
        """From a file's name; None if it is no such file."""
        if not (found := NAME.fullmatch(name)):
            return None
        topic, partition, first, last, form = found.groups()
        return cls(topic, int(partition), int(first), int(last), form)


class OffsetFiles:
    """Tables into a folder, which several processes may share. OutputError if it takes no files."""

    def __init__(self, folder: Path, form: Literal["parquet", "jsonl"]) -> None:
        self.folder = folder
        self._form = form
        with as_output_error(self.folder):
            folder.mkdir(parents=True, exist_ok=True)
            with self._alone():  # who alone may write has nothing unfinished: what is, was killed
                for path in folder.iterdir():
                    if PARTIAL.fullmatch(path.name):
                        path.unlink()

    def done(self, topic: str, partition: int) -> int | None:
        """The offset after everything the folder has of a partition; None if it has nothing."""
        with as_output_error(self.folder):
            return max((name.last + 1 for name in self._names(topic, partition)), default=None)

    def write(self, table: pa.Table, spans: Spans) -> None:
        """Return when a file of each span is safely there, with its rows in their order.

        ``table`` has columns topic, partition and offset; a span may have no rows. A file of the
        same span is replaced; one that shares only some of its messages is another process's, and
        OutputError then says so before anything is written.
        """
        files = {
            OffsetName(topic, partition, first, last, self._form): _rows_of(table, topic, partition)
            for (topic, partition), (first, last) in spans.items()
        }
        with as_output_error(self.folder), self._alone():
            for name in files:
                self._refuse_overlap(name)
            with ExitStack() as stack:
                for name, rows in files.items():
                    path = self.folder / str(name)
                    sink = stack.enter_context(FileSink(path, FORMATS[name.form], force=True))
                    sink.write(rows)
            sync(self.folder)

    def _refuse_overlap(self, new: OffsetName) -> None:
        for name in self._names(new.topic, new.partition):
            if name != new and name.first <= new.last and new.first <= name.last:
                raise OutputError(
                    f"{self.folder / str(name)} answers messages of {new} already: another "
                    "process reads this partition, or its offsets began anew; a new start goes on "
                    "after the files that are there, another folder holds everything again"
                )

    def _names(self, topic: str, partition: int) -> Iterator[OffsetName]:
        for entry in os.listdir(self.folder):
            name = OffsetName.of(entry) if entry.startswith(topic) else None
            if name and (name.topic, name.partition) == (topic, partition):
                yield name

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from writing; a killed one keeps nobody out."""
        try:
            with FileLock(self.folder / LOCK).acquire(timeout=PATIENCE_S):
                yield
        except Timeout:
            raise OutputError(
                f"cannot write {self.folder}: another process has been writing there for "
                f"{PATIENCE_S:g} s"
            ) from None


def _rows_of(table: pa.Table, topic: str, partition: int) -> pa.Table:
    is_topic = pc.equal(table["topic"], topic)
    return table.filter(pc.and_(is_topic, pc.equal(table["partition"], partition)))
