"""ModelBundle: a model on disk as a manifest and flat arrays, every byte of it accounted for.

A bundle is a folder, or a zip of one, with ``manifest.toml``, the ``.npy`` files it names, and
``SHA256SUMS`` (the format of sha256sum(1)) over all of them. The digest of ``SHA256SUMS`` names
the model in outputs. Nothing in a bundle can be executed.
"""

import hashlib
import json
import lzma
import math
import os
import shutil
import tempfile
import tomllib
import zipfile
import zlib
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
FAMILIES = ("forest", "transformer")
BAD_ZIP = (  # what zipfile lets out of damaged, encrypted or exotic archives
    *(zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError),
    *(zlib.error, lzma.LZMAError),
)


class Range(NamedTuple):
    """Where the values of a feature lay in training."""

    low: float
    high: float
    outside_share: float = 0.0  # of values like those, at most so many lie outside


class Feature(NamedTuple):
    """One column of the matrix that a model was trained on."""

    name: str
    accepts: tuple[str, ...]  # column names it is read from; the first that is there wins
    missing_share: float | None  # share of training rows without a value, where known
    range: Range | None = None  # of the values, where known

    @property
    def entry(self) -> dict[str, Any]:
        """What a manifest says of it."""
        entry: dict[str, Any] = {"name": self.name, "accepts": self.accepts}
        if self.missing_share is not None:
            entry["missing_share"] = round(self.missing_share, 4)
        if self.range is not None:
            entry["range"] = self.range[:2]
            entry["outside_share"] = round(self.range.outside_share, 4)
        return entry

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Feature":
        """The feature of which a manifest says this. KeyError, TypeError or ValueError"""
        limits = None
        if "range" in entry:
            low, high = entry["range"]
            limits = Range(low, high, entry.get("outside_share", 0.0))
        return cls(entry["name"], tuple(entry["accepts"]), entry.get("missing_share"), limits)


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

    @property
    def needs_light_curves(self) -> bool:
        """Whether the model looks at light curves, besides features or without any."""
        return self.family == "transformer"

    @property
    def label(self) -> str:
        """Name and version as ``--model`` takes them."""
        return f"{self.name}@{self.version}"

    def array(self, name: str) -> np.ndarray:
        """A flat array of the bundle, memory-mapped read-only and so shared between processes."""
        try:
            array = np.load(self.path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        except Exception as error:  # numpy's reader lets many kinds out on a damaged header
            raise ModelError(f"model {self.path}: cannot read {name}.npy: {error!r}") from None
        if not isinstance(array, np.ndarray):
            raise ModelError(f"model {self.path}: {name}.npy is no array")
        return array


def open_bundle(path: Path) -> ModelBundle:
    """Open a bundle; hash its files unless size and time agree with the last check's record."""
    folder = _folder(path)
    sums = _read_sums(folder)
    if not _is_recorded(folder, sums):
        verify_bundle(folder)
        _record(folder, sums)
    return _parse(folder)


def verify_bundle(path: Path) -> int:
    """Hash every file of a bundle and return how many there were. ModelError on a difference."""
    folder = _folder(path)
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
    folder = _folder(source)
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
    if os.path.isfile(path):
        return path.suffix == ".zip" or zipfile.is_zipfile(path)
    return os.path.isfile(path / MANIFEST) or os.path.isfile(path / SUMS)


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
        features = tuple(map(Feature.of, manifest["features"]))
        family = manifest["family"]
        _check_names(manifest["name"], manifest["version"], family, taxonomy, features)
        class_shares = manifest.get("class_shares")
        _check_shares(class_shares, taxonomy)
        return ModelBundle(
            path=folder,
            digest=file_digest(folder / SUMS),
            name=manifest["name"],
            version=manifest["version"],
            family=family,
            taxonomy=taxonomy,
            features=features,
            class_shares=class_shares,
            manifest=manifest,
        )
    except OSError as error:
        raise ModelError(f"model {folder}: {os_reason(error)}: {error.filename}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ModelError(f"model {folder}: bad {MANIFEST}: {error!r}") from None


def _check_names(
    name: object, version: object, family: str, taxonomy: Taxonomy, features: tuple[Feature, ...]
) -> None:
    """Refuse names that cannot be told apart, printed, or part of a path. ValueError."""
    for label in (name, version):
        if not is_model_name(label):
            raise ValueError(f"{label!r} cannot be the name or version of a model")
    names = [feature.name for feature in features]
    spellings = [spelling for feature in features for spelling in feature.accepts]
    if len(set(names)) != len(names) or (not names and family == "forest"):
        raise ValueError("there are no features, or one twice")
    for text in (*names, *spellings, *taxonomy.nodes):
        if not _is_name(text):
            raise ValueError(f"{text!r} cannot be a name")
    for feature in features:
        if not 0 <= (feature.missing_share or 0) <= 1:
            raise ValueError(f"missing_share of {feature.name} is {feature.missing_share!r}")
        if feature.range is not None:
            low, high, outside_share = feature.range
            if not -math.inf < low <= high < math.inf:
                raise ValueError(f"range of {feature.name} is {[low, high]!r}")
            if not 0 <= outside_share <= 1:
                raise ValueError(f"outside_share of {feature.name} is {outside_share!r}")


def _check_shares(shares: Mapping[str, float] | None, taxonomy: Taxonomy) -> None:
    """Refuse shares that are not of all the classes together. ValueError."""
    if shares is None:
        return
    if sorted(shares) != sorted(taxonomy.classes):
        raise ValueError("class_shares are not of the classes of the tree")
    if min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 0.01:
        raise ValueError("class_shares do not sum to 1")


def is_model_name(value: object) -> bool:
    """Whether it can be the name or version of a model: told apart, printed, part of a path."""
    return _is_name(value) and str(value)[0] not in ".-" and not set(str(value)) & set("/\\@")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= 200


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
        if len(digest) != 64 or not _is_name(name) or Path(name).name != name or name in sums:
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


def _folder(path: Path) -> Path:
    """The folder of a bundle, unpacked if it is a zip."""
    return _unpack(path) if os.path.isfile(path) else path


def _unpack(archive: Path) -> Path:
    """The folder in the cache that a zipped bundle was unpacked to, once per digest."""
    try:
        folder = cache_dir() / "unpacked" / file_digest(archive)
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive) as bundle, _temporary_folder(folder.parent) as copy:
            for member in bundle.infolist():
                name = member.filename
                if Path(name).name != name or not _is_name(name):
                    raise ModelError(f"it holds {name!r}")
                if (copy / name).exists():
                    raise ModelError(f"it holds {name} twice")
                with bundle.open(member) as source, (copy / name).open("xb") as target:
                    shutil.copyfileobj(source, target)
            if {file.name for file in copy.iterdir()} != {*_read_sums(copy), SUMS}:
                raise ModelError(f"it holds other files than its {SUMS} lists")
            verify_bundle(copy)
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
