"""Trust on first use: what was found at an address is written down, and must be found again.

A lock file is TOML that can be committed: for each model asked for, where it came from, the digest
of the whole set and of each file.
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from filelock import FileLock

from lcclassify.cache import cache_dir
from lcclassify.download.catalogue import DIGEST_LENGTHS, FileSpec
from lcclassify.errors import ModelError, OutputError, os_reason

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Come:
    """A file that came, and what it is."""

    name: str
    url: str  # where it came from, without secrets
    size: int
    sha256: str


def only_one(key: str) -> FileLock:
    """What only one process at a time can hold for a key. OSError if the cache is read-only."""
    folder = cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.lock")


def set_digest(files: Sequence[Come]) -> str:
    """SHA-256 of one file; of several, of the lines that sha256sum would print of them by name."""
    if len(files) == 1:
        return files[0].sha256
    lines = sorted((file.name, file.sha256) for file in files)
    return hashlib.sha256("".join(f"{sha}  {name}\n" for name, sha in lines).encode()).hexdigest()


def measure(path: Path, spec: FileSpec, url: str) -> Come:
    """Size and SHA-256 of a file. ModelError, and the file is gone, if it is not what is known."""
    hashes = {kind: hashlib.new(kind, usedforsecurity=kind != "md5") for kind in DIGEST_LENGTHS}
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            for each in hashes.values():
                each.update(chunk)
    size = path.stat().st_size
    found = {kind: each.hexdigest() for kind, each in hashes.items()}
    expected = {"sha256": spec.sha256, "md5": spec.md5}
    for kind, known in expected.items():
        if not found[kind].startswith(known):
            path.unlink()
            raise ModelError(
                f"{url}: its {kind.upper()} is {found[kind]}, the catalogue says {known}; it was "
                "deleted"
            )
    if spec.size not in (None, size):
        path.unlink()
        raise ModelError(
            f"{url}: it has {size} bytes, the catalogue says {spec.size}; it was deleted"
        )
    return Come(spec.name, url, size, found["sha256"])


@dataclass(frozen=True, slots=True)
class LockFile:
    """What was found at the first use of each model."""

    path: Path

    def digest(self, asked: str) -> str | None:
        """The digest of the set that was found first, if any was."""
        record = self._read().get(asked)
        return str(record["sha256"]) if record else None

    def check(self, asked: str, files: Sequence[Come]) -> None:
        """Refuse files that are not those found first. ModelError with both values"""
        record = self._read().get(asked)
        if record is None or record["sha256"] == set_digest(files):
            return
        known = {name: facts["sha256"] for name, facts in record["files"].items()}
        for file in files:
            if known.get(file.name, file.sha256) != file.sha256:
                self.refuse(f"{file.url} of {asked}", file.sha256, known[file.name])
        self.refuse(asked, set_digest(files), record["sha256"])

    def refuse(self, what: str, found: str, known: str) -> None:
        """Say that something is not what it was."""
        raise ModelError(
            f"{what} is not what it was: its SHA-256 is {found}, {self.path} says {known}; if you "
            "trust the change, remove the model's entry from that file"
        )

    def record(self, asked: str, files: Sequence[Come]) -> None:
        """Write down what was found first. OutputError"""
        facts = {
            file.name: {"url": file.url, "size": file.size, "sha256": file.sha256}
            for file in sorted(files, key=lambda file: file.name)
        }
        self._add(asked, {"sha256": set_digest(files), "files": facts})

    def record_earlier(self, asked: str, digest: str, earlier: "LockFile") -> None:
        """Write down, unless it is, a set that came before, its files as known then. OutputError"""
        if self.digest(asked) is None:
            self._add(asked, earlier._read().get(asked) or {"sha256": digest, "files": {}})

    def _add(self, asked: str, record: Mapping[str, Any]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with only_one(str(self.path.resolve())):
                records = self._read()
                if asked in records:
                    return
                records[asked] = record
                temporary = self.path.with_name(f"{self.path.name}.new")
                temporary.write_text(tomli_w.dumps(dict(sorted(records.items()))), "utf-8")
                temporary.replace(self.path)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {os_reason(error)}") from None

    def _read(self) -> dict[str, Any]:
        try:
            records = tomllib.loads(self.path.read_text("utf-8"))
            for record in records.values():
                _check(record)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ModelError(f"cannot read {self.path}: {os_reason(error)}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{self.path} is not a lock file of models: {error!r}") from None
        return records


def _check(record: Mapping[str, Any]) -> None:
    digests = [record["sha256"], *(facts["sha256"] for facts in record["files"].values())]
    if not all(isinstance(digest, str) and len(digest) == 64 for digest in digests):
        raise ValueError("a SHA-256 is not one")
