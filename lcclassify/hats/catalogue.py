"""Catalogue: which files a HATS catalogue consists of, read with pyarrow alone.

A collection is a folder of catalogues: its primary table has every object once, its margins have
some of them again.
"""

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pyarrow import fs

from lcclassify.errors import InputError
from lcclassify.hats.leaf import Leaf
from lcclassify.hats.properties import parse_properties

COLLECTION = "collection.properties"
PROPERTIES = ("hats.properties", "properties")  # the second is also a name of other formats
PARTITIONS = "partition_info.csv"
KINDS = ("object", "source")  # that have a row for each of what they are named after
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A HATS catalogue that has been looked at."""

    name: str
    properties: Mapping[str, str]
    filesystem: fs.FileSystem
    files: Mapping[Leaf, tuple[str, ...]]  # in the order of partition_info.csv; paths there

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The pixels that have files, in the order of partition_info.csv."""
        return tuple(self.files)

    @property
    def paths(self) -> tuple[str, ...]:
        """Its files, in the order of the leaves."""
        return tuple(path for paths in self.files.values() for path in paths)

    @property
    def ra(self) -> str | None:
        """The column of right ascensions, in degrees."""
        return self.properties.get("hats_col_ra")

    @property
    def dec(self) -> str | None:
        """The column of declinations, in degrees."""
        return self.properties.get("hats_col_dec")

    @property
    def healpix(self) -> str | None:
        """The column of HEALPix pixels of a high order, by which rows are sorted."""
        return self.properties.get("hats_col_healpix")

    @property
    def position_columns(self) -> tuple[str, ...]:
        """What tells where an object is: a catalogue of the same objects has these as well."""
        return tuple(name for name in (self.ra, self.dec, self.healpix) if name)

    def require_positions(self, columns: Collection[str]) -> None:
        """InputError if the table, which has these columns, does not say where its objects are."""
        if not self.ra or not self.dec:
            raise InputError(
                f"HATS catalogue {self.name} does not say hats_col_ra and hats_col_dec, so that no "
                "catalogue can be made of the results; --shards parquet makes plain files"
            )
        if missing := [name for name in self.position_columns if name not in columns]:
            raise InputError(
                f"HATS catalogue {self.name} has no column {missing[0]!r}, which its properties "
                "name; --shards parquet makes plain files"
            )


def read_catalogue(filesystem: fs.FileSystem, folder: str, name: str) -> Catalogue | None:
    """The HATS catalogue in a folder, of a collection its primary table; None if there is none.

    ``name`` is what messages call the folder. InputError if a file is missing or has no meaning,
    or if it is a catalogue of something else than objects; OSError.
    """
    return _Folder(filesystem, folder, name).catalogue()


@dataclass(frozen=True, slots=True)
class _Folder:
    filesystem: fs.FileSystem
    path: str
    name: str

    def catalogue(self) -> Catalogue | None:
        own = self._properties()
        if own is not None:
            return self._read(own)
        text = self._text(COLLECTION)
        return None if text is None else self._primary(parse_properties(text))

    def _primary(self, collection: Mapping[str, str]) -> Catalogue:
        table = collection.get("hats_primary_table_url")
        if not table:
            raise InputError(
                f"{self.name}/{COLLECTION} names no hats_primary_table_url: name the folder of the "
                "catalogue itself"
            )
        if "://" in table or PurePosixPath(table).is_absolute():
            raise InputError(f"{self.name}: its primary table is elsewhere: name {table} itself")
        folder = _Folder(self.filesystem, f"{self.path}/{table}", f"{self.name}/{table}")
        properties = folder._properties()
        if properties is None:
            raise InputError(
                f"{self.name}/{COLLECTION} names {table!r} as its primary table, and there is no "
                "HATS catalogue of that name beside it: fetch it as well"
            )
        return folder._read(properties)

    def _read(self, properties: Mapping[str, str]) -> Catalogue:
        kind = properties.get("dataproduct_type", KINDS[0])
        if kind not in KINDS:
            raise InputError(
                f"{self.name} is a HATS catalogue of type {kind!r}, not of objects: name the "
                "catalogue that it belongs to"
            )
        suffix = properties.get("hats_npix_suffix", ".parquet")
        files = self._files(self._leaves(), suffix)
        own_name = properties.get("obs_collection") or PurePosixPath(self.path).name
        return Catalogue(own_name, properties, self.filesystem, files)

    def _properties(self) -> dict[str, str] | None:
        for file in PROPERTIES:
            text = self._text(file)
            values = parse_properties(text) if text is not None else {}
            if any(key.startswith("hats_") for key in values):
                return values
        return None

    def _leaves(self) -> list[Leaf]:
        text = self._text(PARTITIONS)
        if text is None:
            raise InputError(
                f"{self.name}/{PARTITIONS} is missing, which says what belongs to the catalogue: "
                f"fetch it as well, or name {self.name}/dataset to read all files there"
            )
        rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
        try:
            leaves = [_leaf(row) for row in rows]
        except (csv.Error, KeyError, TypeError, ValueError):
            raise InputError(
                f"{self.name}/{PARTITIONS}, line {rows.line_num}: expected columns Norder and Npix "
                "with the number of a HEALPix pixel; fetch the file again"
            ) from None
        if not leaves:
            raise InputError(f"{self.name}/{PARTITIONS} lists no pixel: the catalogue is empty")
        if len(set(leaves)) < len(leaves):
            twice = next(leaf for leaf in leaves if leaves.count(leaf) > 1)
            raise InputError(
                f"{self.name}/{PARTITIONS} lists {_pixel(twice)} twice: its objects would come "
                "twice; fetch the file again"
            )
        return leaves

    def _files(self, leaves: list[Leaf], suffix: str) -> dict[Leaf, tuple[str, ...]]:
        there = self._listing()
        files = {}
        for leaf in leaves:
            path = leaf.path(suffix)
            found = there.get(path, []) if suffix == "/" else [path] * (path in there)
            if not found:
                what = "no Parquet file in" if suffix == "/" else "there is no"
                raise InputError(
                    f"{self.name}: {what} {path}, which {PARTITIONS} lists: fetch it as well"
                )
            files[leaf] = tuple(f"{self.path}/{file}" for file in found)
        return files

    def _listing(self) -> dict[str, list[str]]:
        """All files below ``dataset`` and, under the name of each folder, the tables in it.

        One call, since a catalogue may have tens of thousands of leaves on a server.
        """
        selector = fs.FileSelector(f"{self.path}/dataset", allow_not_found=True, recursive=True)
        listed = self.filesystem.get_file_info(selector)
        below = [
            info.path.removeprefix(selector.base_dir).strip("/")
            for info in listed
            if info.type == fs.FileType.File
        ]
        there: dict[str, list[str]] = {}
        for path in sorted(below):
            there[f"dataset/{path}"] = []
            file = PurePosixPath(path)
            if file.suffix in PARQUET and file.name[0] not in "._":
                there.setdefault(f"dataset/{file.parent}", []).append(f"dataset/{path}")
        return there

    def _text(self, file: str) -> str | None:
        path = f"{self.path}/{file}"
        if self.filesystem.get_file_info(path).type != fs.FileType.File:
            return None
        try:
            with self.filesystem.open_input_stream(path) as stream:
                return bytes(stream.read()).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.name}/{file} is no text in UTF-8: {error}") from None


def _leaf(row: Mapping[str, str]) -> Leaf:
    leaf = Leaf(int(row["Norder"]), int(row["Npix"]))
    if not leaf.exists:
        raise ValueError(leaf)
    return leaf


def _pixel(leaf: Leaf) -> str:
    return f"Norder {leaf.order}, Npix {leaf.pixel}"
