"""What a replay from a folder is about to send, so that one that was killed is known to have sent.

Each batch has an id. It is written here before the batch is sent, and the transaction that sends
it commits the id as the metadata of an offset: whether it stands there says whether it was sent.
"""

import json
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from lcclassify.errors import InputError, os_reason
from lcclassify.sinks.folders import as_output_error, sync, write_whole
from lcclassify.sinks.letter_files import LetterName

NAME = ".replay.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """The state of a folder's replays."""

    group: str  # of consumers, and transactional id: the folder's own for good
    batch: str | None = None  # the id of the batch under way; None: there is none
    marker: str | None = None  # the topic whose first partition's offset has it as metadata
    letters: tuple[LetterName, ...] = ()  # of the batch

    def begun(self, marker: str, letters: tuple[LetterName, ...]) -> "Entry":
        """With a new batch."""
        return replace(self, batch=uuid.uuid4().hex, marker=marker, letters=letters)

    def ended(self) -> "Entry":
        """Without one."""
        return Entry(self.group)


def read_journal(folder: Path) -> Entry:
    """The folder's entry; a new one where there is none. InputError if it is damaged"""
    path = folder / NAME
    try:
        told = json.loads(path.read_bytes())
        letters = tuple(LetterName(*name) for name in told["letters"])
        return Entry(told["group"], told["batch"], told["marker"], letters)
    except FileNotFoundError:
        return Entry(f"lcclassify-replay-{uuid.uuid4().hex}")
    except OSError as error:
        raise InputError(f"cannot read {path}: {os_reason(error)}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no journal of a replay: {error!r:.100}") from None


def write_journal(folder: Path, entry: Entry) -> None:
    """Return when it is on the disk. OutputError"""
    told = {
        "group": entry.group,
        "batch": entry.batch,
        "marker": entry.marker,
        "letters": entry.letters,
    }
    with as_output_error(folder):
        write_whole(folder / NAME, json.dumps(told).encode())
        sync(folder)
