"""Where a published network and its quantile transformers lie: a folder, or a file and others."""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lcclassify.digest import file_digest
from lcclassify.errors import os_reason
from lcclassify.features import network_inputs
from lcclassify.legacy.joblib_files import MAX_JOBLIB_BYTES
from lcclassify.legacy.quantiles import PREFIX, Columns, read_quantiles
from lcclassify.legacy.records import RefusedError
from lcclassify.shapes import listed
from lcclassify.transformer import QuantileTable

MODEL_SUFFIXES = (".pt", ".pth", ".ckpt")
_JOBLIB = ".joblib"
_SLASH = "&&&"  # what stands for / in names of files
_MAX_FILES = 2000


@dataclass(frozen=True, slots=True)
class NetworkFiles:
    """The files of one network."""

    model: Path
    quantiles: tuple[Path, ...]  # joblib files, sorted


def is_network(source: Path) -> bool:
    """Whether a path is, by its name, a network that torch.save wrote, or a folder with one."""
    if source.is_dir():
        with suppress(OSError):  # told by whoever reads it next
            return bool(_files(source, MODEL_SUFFIXES))
    return source.suffix.lower() in MODEL_SUFFIXES


def find_network(source: Path, quantiles: Sequence[Path] = ()) -> NetworkFiles:
    """The files of a network in a folder or at a path, and of its quantiles. RefusedError

    ``quantiles`` are joblib files and folders of them; if there are none, those beside the network
    are taken: joblib files in its folder, and norm_*.joblib in the folders there.
    """
    try:
        models = _files(source, MODEL_SUFFIXES) if source.is_dir() else [source]
        if len(models) != 1:
            raise RefusedError(
                f"holds {len(models)} networks, {listed(model.name for model in models)}; name "
                "the file of one"
            )
        model = models[0]
        return NetworkFiles(model, tuple(_named(quantiles) if quantiles else _beside(model.parent)))
    except OSError as error:
        raise RefusedError(f"cannot be read: {os_reason(error)}") from None


def files_digests(found: NetworkFiles) -> dict[str, str]:
    """Name -> SHA-256 of the network, and of each file or folder of quantiles. RefusedError"""
    try:
        digests = {found.model.name: file_digest(found.model)}
        folders: dict[Path, list[str]] = {}
        for path in found.quantiles:
            line = f"{file_digest(path)}  {path.name}\n"
            folders.setdefault(path.parent, []).append(line)
    except OSError as error:
        raise RefusedError(f"cannot be read: {os_reason(error)}") from None
    for folder, lines in folders.items():
        name = f"{folder.name}/*{_JOBLIB}"
        digests[name] = hashlib.sha256("".join(lines).encode()).hexdigest()
    return digests


def network_digest(found: NetworkFiles) -> str:
    """SHA-256 of all files of a network. RefusedError"""
    lines = sorted(f"{digest}  {name}\n" for name, digest in files_digests(found).items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_inputs(
    found: NetworkFiles, n_inputs: int
) -> tuple[tuple[str, ...], tuple[QuantileTable, ...], frozenset[str]]:
    """Names and quantiles of the inputs of a network that takes so many; versions. RefusedError"""
    if n_inputs == 0:
        return (), (), frozenset()
    names = network_inputs(n_inputs)
    if names is None:
        raise RefusedError(f"the network takes {n_inputs} inputs; known are those of 64 and of 493")
    if not found.quantiles:
        raise RefusedError(
            f"no quantile transformers beside it for its {n_inputs} inputs; name their file or "
            "folders with --quantiles"
        )
    tables: dict[str, QuantileTable] = {}
    versions: set[str] = set()
    for path in found.quantiles:
        try:
            columns = read_quantiles(_read(path))
            labels = _labels(path, columns, names)
            if twice := tables.keys() & set(labels):
                raise RefusedError(f"there are two quantile transformers for {listed(twice)}")
        except RefusedError as refusal:
            raise RefusedError(f"{path.parent.name}/{path.name}: {refusal}") from None
        tables |= zip(labels, columns.tables, strict=True)
        versions.add(columns.saved_with)
    if missing := set(names) - tables.keys():
        raise RefusedError(f"there are no quantile transformers for {listed(missing)}")
    return names, tuple(tables[name] for name in names), frozenset(versions)


def _labels(path: Path, columns: Columns, names: tuple[str, ...]) -> tuple[str, ...]:
    """Which inputs the columns of a file are."""
    count = len(columns.tables)
    if path.name.startswith(PREFIX):
        name = path.name.removeprefix(PREFIX).removesuffix(_JOBLIB).replace(_SLASH, "/")
        if count != 1 or columns.names not in (None, (name,)):
            raise RefusedError(f"{_described(columns)}, expected {name} alone")
        if name not in names:
            raise RefusedError(f"the network has no input {name}")
        return (name,)
    start = names.index(columns.names[0]) if columns.names and columns.names[0] in names else 0
    part = names[start : start + count]
    # The order of the columns must be the network's: nothing else says which one is which.
    if columns.names not in (None, part) or len(part) != count:
        raise RefusedError(f"{_described(columns)}, not those of the network in its order")
    if columns.names is None and count != len(names):
        raise RefusedError(f"{_described(columns)}, expected {len(names)}")
    return part


def _described(columns: Columns) -> str:
    names = f" ({listed(columns.names)})" if columns.names else ""
    return f"it has {len(columns.tables)} columns{names}"


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_JOBLIB_BYTES:
            raise RefusedError(f"it is larger than {MAX_JOBLIB_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise RefusedError(f"cannot be read: {os_reason(error)}") from None


def _files(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.is_file()
    )


def _named(quantiles: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in quantiles:
        inside = _files(path, (_JOBLIB,)) if path.is_dir() else [path]
        if not inside or not path.exists():
            raise RefusedError(f"there are no quantile transformers in {path}")
        found += inside
    return _limited(found)


def _beside(folder: Path) -> list[Path]:
    found = _files(folder, (_JOBLIB,))
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        found += [path for path in _files(inner, (_JOBLIB,)) if path.name.startswith(PREFIX)]
    return _limited(found)


def _limited(paths: list[Path]) -> list[Path]:
    if len(paths) > _MAX_FILES:
        raise RefusedError(f"{len(paths)} joblib files; at most {_MAX_FILES} are read")
    return paths
