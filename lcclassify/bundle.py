"""ModelBundle: a model on disk as a manifest and flat arrays, every byte of it accounted for.

A bundle is a folder, or a zip of one, with ``manifest.toml``, the ``.npy`` files it names, and
``SHA256SUMS`` (the format of sha256sum(1)) over all of them. The digest of ``SHA256SUMS`` names
the model in outputs. Nothing in a bundle can be executed.
"""

import hashlib
import lzma
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import tomli_w

from lcclassify.cache import cache_dir
from lcclassify.check_records import last_stamps, record_stamps, take_stamps
from lcclassify.digest import file_digest, open_regular
from lcclassify.errors import MALFORMED, ModelError, OutputError, os_reason, told
from lcclassify.held import check_digest, read_array, read_checked
from lcclassify.manifest import (
    FORMAT,
    MANIFEST,
    Feature,
    Range,
    is_model_name,
    is_name,
    read_manifest,
)
from lcclassify.taxonomy import Taxonomy

__all__ = [
    "FORMAT",
    "Feature",
    "ModelBundle",
    "Range",
    "copy_bundle",
    "is_bundle",
    "is_model_name",
    "open_bundle",
    "verify_bundle",
    "write_bundle",
]

SUMS = "SHA256SUMS"
HEXADECIMAL = "0123456789abcdef"
BAD_ZIP = (  # what zipfile lets out of damaged, encrypted or exotic archives
    *(zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError),
    *(zlib.error, lzma.LZMAError),
)


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A model whose files have been checked against their digests."""

    path: Path
    digest: str  # SHA-256 of SHA256SUMS, hexadecimal
    name: str  # the classifier name in outputs
    version: str  # the classifier version in outputs
    family: Literal["forest", "transformer"]
    taxonomy: Taxonomy  # as the artefact has it
    features: tuple[Feature, ...]  # in the order of the matrix
    class_shares: Mapping[str, float] | None  # how often it answers each class, where known
    manifest: Mapping[str, Any]  # everything else: card, provenance, parts of the family
    sums: Mapping[str, str] = field(default_factory=dict)  # file -> its SHA-256

    @property
    def needs_light_curves(self) -> bool:
        """Whether the model looks at light curves, besides features or without any."""
        return self.family == "transformer"

    @property
    def label(self) -> str:
        """Name and version as ``--model`` takes them."""
        return f"{self.name}@{self.version}"

    def array(self, name: str) -> np.ndarray:
        """An array of the bundle, read-only, which nobody changes; processes share it. ModelError

        ``lcclassify.held`` says from where it is mapped.
        """
        file = f"{name}.npy"
        with self.faults(f"bad {file}"):
            if file not in self.sums:
                raise ModelError(f"its {SUMS} does not list {file}")
            return read_array(self.path / file, self.sums[file])

    @contextmanager
    def faults(self, what: str) -> Iterator[None]:
        """Let out what is wrong with its content as a ModelError that names it."""
        whose = f"model {self.path}: "
        try:
            yield
        except ModelError as error:
            raise ModelError(whose + str(error).removeprefix(whose)) from None
        except MALFORMED as error:
            raise ModelError(f"{whose}{what}: {told(error)}") from None


class Sums(NamedTuple):
    """What SHA256SUMS says."""

    digest: str  # of itself
    files: Mapping[str, str]  # file -> its SHA-256


def open_bundle(path: Path) -> ModelBundle:
    """Open a bundle; hash its files unless size and time agree with the last check's record."""
    folder = _folder(path)
    sums = _read_sums(folder)
    stamps = take_stamps(
        folder, (*sums.files, SUMS)
    )  # before they are hashed: a change meanwhile will be noticed
    if stamps is None or stamps != last_stamps(folder):
        verify_bundle(folder)
        record_stamps(folder, stamps)
    return _parse(folder, sums)


def verify_bundle(path: Path) -> int:
    """Hash every file of a bundle and return how many there were. ModelError on a difference."""
    folder = _folder(path)
    sums = _read_sums(folder)
    for name, expected in sums.files.items():
        try:
            check_digest(folder / name, file_digest(folder / name), expected)
        except OSError as error:
            raise ModelError(f"model {path}: {name}: {os_reason(error)}") from None
        except ModelError as error:
            raise ModelError(f"model {path}: {error}") from None
    return len(sums.files)


def write_bundle(
    path: Path, manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> ModelBundle:
    """Write a bundle (a zip if the name ends in .zip) under a temporary name, then rename it."""
    if os.path.lexists(path):
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
            _parse(folder, _read_sums(folder))
            if path.suffix == ".zip":
                _zip(folder, path)
            else:
                folder.rename(path)
    except OSError as error:
        raise OutputError(f"cannot write the model {path}: {os_reason(error)}") from None
    return open_bundle(path)


def copy_bundle(source: Path, path: Path) -> ModelBundle:
    """Copy a bundle, every hash checked on the copy; an identical one that exists is kept."""
    folder = _folder(source)
    sums = _read_sums(folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary_folder(path.parent) as copy:
            for name in (*sums.files, SUMS):
                shutil.copyfile(folder / name, copy / name)
            verify_bundle(copy)
            with suppress(FileExistsError):
                _move(copy, path)
    except OSError as error:
        raise OutputError(f"cannot write the model {path}: {os_reason(error)}") from None
    return open_bundle(path)


def is_bundle(path: Path) -> bool:
    """Whether a path holds a bundle, whole or not."""
    if os.path.isfile(path):
        return path.suffix == ".zip" or zipfile.is_zipfile(path)
    return os.path.isfile(path / MANIFEST) or os.path.isfile(path / SUMS)


def _parse(folder: Path, sums: Sums) -> ModelBundle:
    try:
        said = read_manifest(read_checked(folder / MANIFEST, sums.files[MANIFEST]))
    except OSError as error:
        raise ModelError(f"model {folder}: {os_reason(error)}: {MANIFEST}") from None
    except ModelError as error:
        raise ModelError(f"model {folder}: {error}") from None
    return ModelBundle(path=folder, digest=sums.digest, sums=sums.files, **said._asdict())


def _read_sums(folder: Path) -> Sums:
    try:
        with open_regular(folder / SUMS) as file:
            content = file.read()
        lines = content.decode("utf-8").splitlines()
    except OSError:
        raise ModelError(f"{folder} is not a model bundle: it has no {SUMS}") from None
    except UnicodeDecodeError:
        raise ModelError(f"model {folder}: {SUMS} is damaged") from None
    sums: dict[str, str] = {}
    for line in lines:
        digest, _, name = line.partition("  ")
        is_digest = len(digest) == 64 and set(digest) <= set(HEXADECIMAL)  # it names a file of ours
        if not is_digest or not is_name(name) or Path(name).name != name or name in sums:
            raise ModelError(f"model {folder}: bad line in {SUMS}: {line!r:.200}")
        sums[name] = digest
    if MANIFEST not in sums:
        raise ModelError(f"model {folder}: {SUMS} does not list {MANIFEST}")
    return Sums(hashlib.sha256(content).hexdigest(), sums)


def _folder(path: Path) -> Path:
    """The folder of a bundle, unpacked if it is a zip."""
    return _unpack(path) if os.path.isfile(path) else path


def _unpack(archive: Path) -> Path:
    """The folder in the cache that a zipped bundle was unpacked to, once per digest."""
    try:
        digest = file_digest(archive)
        folder = cache_dir() / "unpacked" / digest
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive) as bundle, _temporary_folder(folder.parent) as copy:
            for member in bundle.infolist():
                name = member.filename
                if Path(name).name != name or not is_name(name):
                    raise ModelError(f"it holds {name!r:.200}")
                if (copy / name).exists():
                    raise ModelError(f"it holds {name} twice")
                with bundle.open(member) as source, (copy / name).open("xb") as target:
                    shutil.copyfileobj(source, target)
            if {file.name for file in copy.iterdir()} != {*_read_sums(copy).files, SUMS}:
                raise ModelError(f"it holds other files than its {SUMS} lists")
            verify_bundle(copy)
            if file_digest(archive) != digest:
                raise ModelError("it was changed while it was read")
            with suppress(FileExistsError):
                _move(copy, folder)
        return folder
    except (*BAD_ZIP, ModelError) as error:
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
