"""ModelBundle: a model on disk as a manifest and flat arrays, every byte of it accounted for.

A bundle is a folder, or a zip of one, with ``manifest.toml``, the ``.npy`` files it names, and
``SHA256SUMS`` (the format of sha256sum(1)) over all of them. The digest of ``SHA256SUMS`` names
the model in outputs. Nothing in a bundle can be executed.
"""

import hashlib
import json
import os
import shutil
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import tomli_w

from lcclassify.cache import cache_dir
from lcclassify.digest import file_digest
from lcclassify.errors import ModelError, OutputError, os_reason
from lcclassify.taxonomy import Taxonomy

FORMAT = 1
MANIFEST = "manifest.toml"
SUMS = "SHA256SUMS"
FAMILIES = ("forest",)


class Feature(NamedTuple):
    """One column of the matrix that a model was trained on."""

    name: str
    accepts: tuple[str, ...]  # column names it is read from; the first that is there wins
    missing_share: float | None  # share of training rows without a value, where known


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A model whose files have been checked against their digests."""

    path: Path
    digest: str  # SHA-256 of SHA256SUMS, hexadecimal
    name: str  # the classifier name in outputs
    version: str  # the classifier version in outputs
    family: Literal["forest"]
    taxonomy: Taxonomy  # as the artefact has it
    features: tuple[Feature, ...]  # in the order of the matrix
    manifest: Mapping[str, Any]  # everything else: card, provenance, parts of the family

    @property
    def label(self) -> str:
        """Name and version as ``--model`` takes them."""
        return f"{self.name}@{self.version}"

    def array(self, name: str) -> np.ndarray:
        """A flat array of the bundle, memory-mapped read-only and so shared between processes."""
        try:
            array: np.ndarray = np.load(
                self.path / f"{name}.npy", mmap_mode="r", allow_pickle=False
            )
        except (OSError, ValueError) as error:
            raise ModelError(f"model {self.path}: cannot read {name}.npy: {error}") from None
        return array


def open_bundle(path: Path) -> ModelBundle:
    """Open a bundle; hash its files unless size and time agree with the last check's record."""
    folder = _unpack(path) if path.is_file() else path
    sums = _read_sums(folder)
    if not _is_recorded(folder, sums):
        verify_bundle(folder)
        _record(folder, sums)
    return _parse(folder)


def verify_bundle(path: Path) -> int:
    """Hash every file of a bundle and return how many there were. ModelError on a difference."""
    folder = _unpack(path) if path.is_file() else path
    sums = _read_sums(folder)
    for name, expected in sums.items():
        try:
            found = file_digest(folder / name)
        except OSError as error:
            raise ModelError(f"model {path}: {name}: {os_reason(error)}") from None
        if found != expected:
            raise ModelError(
                f"model {path}: {name} was changed or damaged: its SHA-256 is {found}, "
                f"{SUMS} says {expected}; install the model again"
            )
    return len(sums)


def write_bundle(
    path: Path, manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> ModelBundle:
    """Write a bundle (a zip if the name ends in .zip) under a temporary name, then rename it."""
    if path.exists():
        raise OutputError(f"{path} exists already; remove it or choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary_folder(path.parent) as folder:
            for name, values in arrays.items():
                np.save(folder / f"{name}.npy", values, allow_pickle=False)
            (folder / MANIFEST).write_text(tomli_w.dumps({"format": FORMAT, **manifest}), "utf-8")
            names = sorted(file.name for file in folder.iterdir())
            sums = "".join(f"{file_digest(folder / name)}  {name}\n" for name in names)
            (folder / SUMS).write_text(sums, "utf-8")
            _parse(folder)
            if path.suffix == ".zip":
                _zip(folder, path)
            else:
                folder.rename(path)
    except OSError as error:
        raise OutputError(f"cannot write the model {path}: {os_reason(error)}") from None
    return open_bundle(path)


def copy_bundle(source: Path, path: Path) -> ModelBundle:
    """Copy a bundle, every hash checked on the copy; an identical one that exists is kept."""
    folder = _unpack(source) if source.is_file() else source
    sums = _read_sums(folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary_folder(path.parent) as copy:
            for name in (*sums, SUMS):
                shutil.copyfile(folder / name, copy / name)
            verify_bundle(copy)
            with suppress(FileExistsError):
                _move(copy, path)
    except OSError as error:
        raise OutputError(f"cannot write the model {path}: {os_reason(error)}") from None
    return open_bundle(path)


def is_bundle(path: Path) -> bool:
    """Whether a path holds a bundle, whole or not."""
    if path.is_dir():
        return (path / MANIFEST).is_file() or (path / SUMS).is_file()
    return zipfile.is_zipfile(path)


def _parse(folder: Path) -> ModelBundle:
    try:
        manifest = tomllib.loads((folder / MANIFEST).read_text("utf-8"))
        if manifest["format"] != FORMAT:
            raise ModelError(
                f"model {folder}: its format is {manifest['format']!r} and this lcclassify reads "
                f"{FORMAT}; update lcclassify"
            )
        if manifest["family"] not in FAMILIES:
            raise ModelError(f"model {folder}: unknown family {manifest['family']!r}")
        nodes = tuple(manifest["taxonomy"]["nodes"])
        parents = manifest["taxonomy"]["parents"]
        taxonomy = Taxonomy(nodes, tuple(nodes.index(name) if name else -1 for name in parents))
        features = tuple(
            Feature(entry["name"], tuple(entry["accepts"]), entry.get("missing_share"))
            for entry in manifest["features"]
        )
        return ModelBundle(
            path=folder,
            digest=file_digest(folder / SUMS),
            name=str(manifest["name"]),
            version=str(manifest["version"]),
            family=manifest["family"],
            taxonomy=taxonomy,
            features=features,
            manifest=manifest,
        )
    except OSError as error:
        raise ModelError(f"model {folder}: {os_reason(error)}: {error.filename}") from None
    except (KeyError, TypeError, ValueError) as error:  # TOML and Unicode errors are ValueErrors
        raise ModelError(f"model {folder}: bad {MANIFEST}: {error!r}") from None


def _read_sums(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
    except OSError:
        raise ModelError(f"{folder} is not a model bundle: it has no {SUMS}") from None
    except UnicodeDecodeError:
        raise ModelError(f"model {folder}: {SUMS} is damaged") from None
    sums = {}
    for line in lines:
        digest, _, name = line.partition("  ")
        if len(digest) != 64 or not name or Path(name).name != name or name in sums:
            raise ModelError(f"model {folder}: bad line in {SUMS}: {line!r}")
        sums[name] = digest
    if MANIFEST not in sums:
        raise ModelError(f"model {folder}: {SUMS} does not list {MANIFEST}")
    return sums


def _record_path(folder: Path) -> Path:
    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return cache_dir() / "checked" / f"{key}.json"


def _stamps(folder: Path, sums: Mapping[str, str]) -> dict[str, list[int]]:
    stats = {name: (folder / name).stat() for name in (*sums, SUMS)}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}


def _is_recorded(folder: Path, sums: Mapping[str, str]) -> bool:
    try:
        recorded = json.loads(_record_path(folder).read_text("utf-8"))
        return bool(recorded == _stamps(folder, sums))
    except (OSError, ValueError):
        return False


def _record(folder: Path, sums: Mapping[str, str]) -> None:
    path = _record_path(folder)
    with suppress(OSError):  # a read-only cache costs time at the next load, nothing else
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(_stamps(folder, sums), file)
        Path(name).replace(path)


def _unpack(archive: Path) -> Path:
    """The folder in the cache that a zipped bundle was unpacked to, once per digest."""
    try:
        folder = cache_dir() / "unpacked" / file_digest(archive)
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive) as bundle, _temporary_folder(folder.parent) as copy:
            for member in bundle.infolist():
                if Path(member.filename).name != member.filename:
                    raise ModelError(f"{archive} is not a model bundle: it holds {member.filename}")
                with bundle.open(member) as source, (copy / member.filename).open("xb") as target:
                    shutil.copyfileobj(source, target)
            verify_bundle(copy)
            with suppress(FileExistsError):
                _move(copy, folder)
        return folder
    except zipfile.BadZipFile as error:
        raise ModelError(f"{archive} is not a model bundle: {error}") from None
    except OSError as error:
        raise ModelError(f"cannot unpack the model {archive}: {os_reason(error)}") from None


def _move(folder: Path, path: Path) -> None:
    """Rename a folder; FileExistsError if somebody else's copy stands there already."""
    try:
        folder.rename(path)
    except OSError as error:  # ENOTEMPTY on Linux, EEXIST elsewhere
        if path.is_dir():
            raise FileExistsError(str(path)) from error
        raise


def _zip(folder: Path, path: Path) -> None:
    partial = folder.with_suffix(".part")
    try:
        with zipfile.ZipFile(partial, "x", zipfile.ZIP_STORED) as bundle:
            for file in sorted(folder.iterdir()):
                bundle.write(file, file.name)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    """A folder that is gone afterwards, unless it was renamed."""
    folder = Path(tempfile.mkdtemp(prefix=".lcclassify-", dir=parent))
    folder.chmod(0o755)  # mkdtemp's 0o700 would make an installed model private
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
