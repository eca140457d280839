"""Files on their way: parts that a killed run leaves and the next one goes on with."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import IO
from urllib.parse import quote

from lcclassify.download.remote import (
    Persistence,
    Remote,
    StaleError,
    TransientError,
    Transport,
)
from lcclassify.errors import OutputError, os_reason

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Staging:
    """A folder with the whole files of a model, and beside it what is there of the others."""

    folder: Path
    title: str  # what to call the folder of whole files

    @property
    def whole(self) -> Path:
        """The folder of whole files."""
        return self.folder / "files" / self.title

    def file(self, name: str) -> Path:
        """Where a whole file is."""
        return self.whole / name

    def part(self, name: str) -> Path:
        """Where the beginning of a file is."""
        return self.folder / "parts" / f"{quote(name, safe='')}.part"

    def there(self, name: str, remote: Remote) -> int:
        """How many bytes of this very state of a file are here."""
        if not remote.validator or self._described(name) != _description(remote):
            return 0
        for path in (self.file(name), self.part(name)):
            with suppress(OSError):
                size = path.stat().st_size
                return size if remote.size is None or size <= remote.size else 0
        return 0

    def begin(self, name: str, remote: Remote, start: int) -> IO[bytes]:
        """The part of a file, open for what follows its first ``start`` bytes."""
        part = self.part(name)
        if not start:
            part.unlink(missing_ok=True)
            self.file(name).unlink(missing_ok=True)
            part.parent.mkdir(parents=True, exist_ok=True)
            part.with_suffix(".json").write_text(json.dumps(_description(remote)), "utf-8")
        file = part.open("r+b" if start else "wb")
        file.truncate(start)
        file.seek(start)
        return file

    def finish(self, name: str) -> None:
        """Make a part a file, at once or not at all."""
        self.file(name).parent.mkdir(parents=True, exist_ok=True)
        self.part(name).replace(self.file(name))

    def forget(self, name: str) -> None:
        """Remove a file and whatever is known of it."""
        for path in (self.file(name), self.part(name), self.part(name).with_suffix(".json")):
            path.unlink(missing_ok=True)

    def _described(self, name: str) -> Mapping[str, object] | None:
        try:
            described = json.loads(self.part(name).with_suffix(".json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return described if isinstance(described, dict) else None


def _description(remote: Remote) -> dict[str, object]:
    return {"place": remote.place, "size": remote.size, "validator": remote.validator}


@dataclass(slots=True)
class _State:
    remote: Remote  # as the last answer described it
    done: int  # bytes that are here
    furthest: int  # the most that ever were: whoever always starts anew makes no progress


def fetch_file(
    transport: Transport,
    name: str,
    remote: Remote,
    staging: Staging,
    persistence: Persistence,
    advance: Advance,
) -> None:
    """Bring one file to the staging folder, going on with what is there of it.

    ``advance`` is called with every number of new bytes, a negative one if bytes are thrown away.
    AbsentError, TransientError after the last retry, DownloadError, OutputError.
    """
    done = staging.there(name, remote)
    is_whole = staging.file(name).exists()
    if is_whole and done == remote.size:
        advance(done)
        return
    state = _State(remote, 0 if is_whole else done, done)
    advance(state.done)

    def try_once() -> None:
        _go_on(transport, name, state, staging, persistence.stop, advance)

    persistence.run(try_once, lambda: state.furthest)
    with _writing(staging.file(name)):
        staging.finish(name)


def _go_on(
    transport: Transport,
    name: str,
    state: _State,
    staging: Staging,
    stop: Event,
    advance: Advance,
) -> None:
    try:
        with transport.read(state.remote, state.done) as answer, _writing(staging.part(name)):
            advance(answer.start - state.done)
            state.remote, state.done = answer.remote, answer.start
            with staging.begin(name, answer.remote, answer.start) as file:
                for chunk in answer.chunks:
                    if stop.is_set():
                        raise TransientError("stopped")
                    file.write(chunk)
                    state.done += len(chunk)
                    state.furthest = max(state.furthest, state.done)
                    advance(len(chunk))
    except StaleError:
        advance(-state.done)
        state.done = 0
        raise
    if state.remote.size not in (None, state.done):
        missing = f"{state.done:,} of {state.remote.size:,} bytes came"
        raise TransientError(f"the connection broke off: {missing}")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {os_reason(error)}; what is there of it is kept, and the same "
            "command goes on from it"
        ) from None
