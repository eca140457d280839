"""A folder of dead letters: two files each, named by the place of the message.

``TOPIC-PARTITION-OFFSET.bin`` holds the bytes as they came; the ``.json`` beside it, which is
written after it, says what is wrong with them and holds key and headers. A letter that is written
again replaces itself, so that each is there once wherever the writer was killed.
"""

import base64
import json
import os
import re
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from lcclassify.errors import InputError, OutputError, os_reason
from lcclassify.sinks.folders import as_output_error, sync, write_whole
from lcclassify.stream.dead.headers import NAMES, PREFIX, Origin, read_origin
from lcclassify.stream.message import Headers, Outgoing

NAME = re.compile(r"(.+)-([0-9]{5,})-([0-9]{19})\.json")
PARTIAL = re.compile(r"\..*[0-9a-f]{32}")  # as ``write_whole`` calls them
OLD_S = 3600.0  # after which nobody is writing them any more
REPLAYED = "replayed"  # the folder of letters that were fed back
NUMBERS = ("partition", "offset", "timestamp", "replays")


class LetterName(NamedTuple):
    """Which message a letter was."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """The name of its files, without a suffix; names of one partition sort by offset."""
        return f"{self.topic}-{self.partition:05}-{self.offset:019}"

    @classmethod
    def of(cls, origin: Origin) -> "LetterName":
        """Of a letter's facts."""
        facts = origin.facts
        return cls(origin.topic, int(facts["partition"]), int(facts["offset"]))


class LetterFiles:
    """Dead letters in a folder, which several processes may share. OutputError if it takes none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.replayed = folder / REPLAYED
        with as_output_error(folder):
            self.replayed.mkdir(parents=True, exist_ok=True)
            probe = folder / f".{uuid.uuid4().hex}"
            write_whole(probe, b"")
            probe.unlink()
            self._tidy()

    def write(self, letters: Sequence[Outgoing]) -> None:
        """Return when all are safely there; one that was replayed already is not written again.

        OutputError if a file of the same name holds other bytes: its topic was made anew.
        """
        with as_output_error(self.folder):
            for letter in letters:
                origin = read_origin(letter.headers)
                name = LetterName.of(origin)
                value = letter.value or b""
                if not self._is_replayed(name, value):
                    self._refuse_other(name, value)
                    write_whole(self.folder / f"{name}.bin", value)
                    write_whole(self.folder / f"{name}.json", _facts(letter, origin))
            if letters:
                sync(self.folder)

    def names(self) -> list[LetterName]:
        """The letters that are there, in the order of their topics, partitions and offsets."""
        with as_output_error(self.folder):
            found = filter(None, map(NAME.fullmatch, os.listdir(self.folder)))
            return sorted(LetterName(m[1], int(m[2]), int(m[3])) for m in found)

    def read(self, name: LetterName) -> Outgoing:
        """A letter, as it was written. InputError if it is damaged"""
        path = self.folder / f"{name}.json"
        try:
            return _letter(json.loads(path.read_bytes()), path.with_suffix(".bin").read_bytes())
        except OSError as error:
            raise InputError(f"cannot read {path}: {os_reason(error)}") from None
        except InputError as error:
            raise InputError(f"{path} is no dead letter: {error}") from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{path} is no dead letter: {error!r:.100}") from None

    def put_away(self, names: Sequence[LetterName]) -> None:
        """Move letters that were replayed, as far as that was not done before."""
        with as_output_error(self.folder):
            for name in names:
                for suffix in (".json", ".bin"):
                    path = self.folder / f"{name}{suffix}"
                    if path.exists():
                        path.replace(self.replayed / path.name)
            sync(self.replayed)
            sync(self.folder)

    def _tidy(self) -> None:
        """Remove what killed writers have left unfinished."""
        for path in self.folder.iterdir():
            if PARTIAL.fullmatch(path.name):
                with suppress(FileNotFoundError):  # another process finished it
                    if time.time() - path.stat().st_mtime > OLD_S:
                        path.unlink()

    def _is_replayed(self, name: LetterName, value: bytes) -> bool:
        path = self.replayed / f"{name}.bin"
        return path.exists() and path.read_bytes() == value

    def _refuse_other(self, name: LetterName, value: bytes) -> None:
        path = self.folder / f"{name}.bin"
        if path.exists() and path.read_bytes() != value:
            raise OutputError(
                f"{path} holds another message of that place: the topic was made anew; name "
                "another folder by --dead-letters, or move these files away"
            )


def _facts(letter: Outgoing, origin: Origin) -> bytes:
    """What is known of a letter besides its bytes."""
    told: dict[str, Any] = dict(origin.facts)
    told |= {name: int(told[name]) if told[name] else None for name in NUMBERS}
    told["is_tombstone"] = letter.value is None
    told["key"] = _as_text(letter.key)
    told["headers"] = [[name, _as_text(value)] for name, value in origin.headers]
    return json.dumps(told, indent=1).encode()


def _letter(told: dict[str, Any], value: bytes) -> Outgoing:
    facts = [(PREFIX + n, "" if told[n] is None else str(told[n])) for n in NAMES]
    headers: Headers = (
        *((str(name), _as_bytes(text)) for name, text in told["headers"]),
        *((name, text.encode()) for name, text in facts),
    )
    read_origin(headers)
    found = None if told["is_tombstone"] else value
    return Outgoing("dead", "", _as_bytes(told["key"]), found, headers)


def _as_text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _as_bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)
