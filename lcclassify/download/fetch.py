"""A set of files, looked for and then fetched in parallel, each from a mirror that has it."""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from lcclassify.download.catalogue import Address, FileSpec
from lcclassify.download.remote import (
    AbsentError,
    Patience,
    Persistence,
    Remote,
    TransientError,
    Transport,
    below,
    failed,
)
from lcclassify.download.staging import Staging, fetch_file
from lcclassify.errors import DownloadError, OutputError
from lcclassify.urls import without_secrets

Item = TypeVar("Item")
Value = TypeVar("Value")


class Progress(Protocol):
    """What is told about files on their way. May be called by several threads."""

    def __call__(self, n_bytes: int, n_files: int = 0, /) -> None:
        """So many more bytes are here, fewer if negative, and so many more whole files."""
        ...


class Found(NamedTuple):
    """A file of a model, and every mirror that it may be fetched from."""

    spec: FileSpec
    remote: Remote  # where it was found
    others: tuple[str, ...]  # URLs of the other mirrors


@dataclass(slots=True)
class Fetcher:
    """What all files of a download share: connections, patience, which mirrors failed."""

    patience: Patience
    say: Callable[[str], None] = lambda _: None
    stop: Event = field(default_factory=Event)
    failures: Counter[str] = field(default_factory=Counter)  # host -> how often
    stack: ExitStack = field(default_factory=ExitStack)
    transports: dict[bool, Transport] = field(default_factory=dict)

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop.set()
        self.stack.close()

    def look(self, address: Address) -> list[Found]:
        """Every file of an address. AbsentError if one is at none of its mirrors."""
        if not address.layout:
            return [self._look(spec, address.urls) for spec in address.files]
        first, *rest = (  # one at first: an address that has not even that is not asked for 500
            (spec, tuple(below(url, spec.name) for url in address.urls)) for spec in address.files
        )
        found = self._look(*first)
        return [found, *self._in_parallel(rest, lambda item: self._look(*item))]

    def fetch(self, found: Sequence[Found], staging: Staging, progress: Progress) -> list[Found]:
        """Bring files to the staging folder; says where each came from in the end."""

        def one(item: Found) -> Found:
            come = self._fetch(item, staging, progress)
            progress(0, 1)
            return come

        return self._in_parallel(found, one)

    def _look(self, spec: FileSpec, urls: Sequence[str]) -> Found:
        def look(url: str) -> Remote:
            transport = self.transport(url)
            return self._persistence(url).run(lambda: transport.look(url))

        remote = self._at_any(urls, look)
        return Found(spec, remote, tuple(url for url in urls if url != remote.url))

    def _fetch(self, item: Found, staging: Staging, progress: Progress) -> Found:
        def fetch(url: str) -> Remote:
            transport = self.transport(url)
            remote = item.remote
            if url != remote.url:
                remote = self._persistence(url).run(lambda: transport.look(url))
            name = item.spec.name
            fetch_file(transport, name, remote, staging, self._persistence(url), progress)
            return remote

        remote = self._at_any((item.remote.url, *item.others), fetch)
        return item._replace(remote=remote)

    def _at_any(self, urls: Sequence[str], act: Callable[[str], Remote]) -> Remote:
        """Do something with the first mirror that lets it; those that failed before come last."""
        errors: list[DownloadError] = []
        absent = ""
        for url in sorted(urls, key=lambda url: self.failures[urlsplit(url).netloc]):
            try:
                return act(url)
            except AbsentError as error:
                absent = absent or f"{without_secrets(url)}: {error}"
            except (TransientError, DownloadError) as error:
                self.failures[urlsplit(url).netloc] += 1
                ours = error if isinstance(error, DownloadError) else failed(url, str(error))
                errors.append(ours)
        if errors:
            raise DownloadError("; ".join(map(str, errors)))
        raise AbsentError(absent)

    def _persistence(self, url: str) -> Persistence:
        host = urlsplit(url).netloc.rpartition("@")[2]
        return Persistence(self.patience, self.stop, lambda line: self.say(f"{host}: {line}"))

    def transport(self, url: str) -> Transport:
        """The way to a URL, opened once."""
        is_web = url.startswith(("http://", "https://"))
        if is_web not in self.transports:
            if is_web:
                from lcclassify.download.web import Web

                self.transports[is_web] = self.stack.enter_context(Web(self.patience))
            else:
                from lcclassify.download.objects import Objects

                self.transports[is_web] = Objects()
        return self.transports[is_web]

    def _in_parallel(self, items: Sequence[Item], act: Callable[[Item], Value]) -> list[Value]:
        """Results in the order of the items; the first error ends it all.

        Daemon threads, not an executor: Ctrl-C does not wait for a server that hangs.
        """
        todo: SimpleQueue[tuple[int, Item]] = SimpleQueue()
        done: SimpleQueue[tuple[int, Value | BaseException]] = SimpleQueue()
        for row, item in enumerate(items):
            todo.put((row, item))

        def work() -> None:
            while not self.stop.is_set():
                try:
                    row, item = todo.get_nowait()
                except Empty:
                    return
                try:
                    done.put((row, act(item)))
                except BaseException as error:  # handed to the main thread, which raises it
                    done.put((row, error))

        for _ in range(min(self.patience.connections, len(items))):
            Thread(target=work, daemon=True).start()
        results: dict[int, Value] = {}
        while len(results) < len(items):
            row, result = done.get()
            if isinstance(result, BaseException):
                raise result
            results[row] = result
        return [results[row] for row in range(len(items))]


def require_space(folder: Path, found: Sequence[Found], staging: Staging) -> None:
    """Refuse files for which there is no room, and none for the model made of them. OutputError"""
    total = sum(item.remote.size or item.spec.size or 0 for item in found)
    here = sum(staging.there(item.spec.name, item.remote) for item in found)
    free = shutil.disk_usage(folder).free
    if 2 * total - here > free:
        to_come, model = (f"{n_bytes / 1e6:,.0f} MB" for n_bytes in (total - here, total))
        raise OutputError(
            f"not enough disk in {folder}: {free / 1e6:,.0f} MB are free, {to_come} are to come, "
            f"and the model made of them takes about {model}; free some, or name another folder by "
            "LCCLASSIFY_CACHE"
        )
