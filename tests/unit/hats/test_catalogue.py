import shutil

import pytest

from lcclassify.errors import InputError
from lcclassify.hats.leaf import Leaf
from lcclassify.sources.file import FileSource, open_files
from lcclassify.sources.places import find_catalogue


def read_ids(folder):
    batches = FileSource(open_files([str(folder)]), ["a"])
    return [oid for batch in batches for oid in batch.object_id.to_pylist()]


def ids(*leaves):
    return [f"{leaf}-{row}" for leaf in leaves for row in range(3)]


def error_of(folder):
    with pytest.raises(InputError) as error:
        find_catalogue(str(folder))
    return str(error.value).replace(str(folder), "X")


def test_a_catalogue_knows_itself(tmp_path, make_catalogue):
    found = find_catalogue(str(make_catalogue(tmp_path / "x")))
    assert (found.name, found.ra, found.dec, found.healpix) == ("toy", "ra", "dec", "_healpix_29")
    assert found.position_columns == ("ra", "dec", "_healpix_29")
    assert found.properties["dataproduct_type"] == "object"


def test_leaves_come_in_the_order_of_the_partition_info(tmp_path, make_catalogue):
    leaves = (Leaf(1, 16), Leaf(2, 68), Leaf(9, 123_456), Leaf(1, 3))
    found = find_catalogue(str(make_catalogue(tmp_path, leaves)))
    assert found.leaves == leaves
    assert found.paths == tuple(str(tmp_path / leaf.path()) for leaf in leaves)


def test_of_a_collection_the_primary_table_is_read_and_nothing_else(collection):
    assert read_ids(collection) == ids(0, 1, 2, 3)


def test_a_catalogue_is_read_without_its_statistics(collection):
    assert read_ids(collection / "toy") == ids(0, 1, 2, 3)


def test_files_that_the_partition_info_does_not_list_are_not_read(collection):
    stray = collection / "toy" / Leaf(1, 40).path()
    shutil.copy(collection / "toy" / Leaf(1, 16).path(), stray)
    assert read_ids(collection) == ids(0, 1, 2, 3)


def test_a_leaf_may_be_a_folder_of_several_files(tmp_path, make_catalogue):
    folder = make_catalogue(tmp_path, hats_npix_suffix="/")
    part = tmp_path / Leaf(1, 16).path("/") / "part0.snappy.parquet"
    shutil.copy(part, part.with_name("part1.snappy.parquet"))
    part.with_name("_metadata").touch()
    part.with_name(".hidden.parquet").touch()
    assert len(find_catalogue(str(folder)).files[Leaf(1, 16)]) == 2
    assert read_ids(folder) == ids(0, 0, 1, 2, 3)


def test_leaves_may_have_another_suffix(tmp_path, make_catalogue):
    assert read_ids(make_catalogue(tmp_path, hats_npix_suffix=".zstd.parquet")) == ids(0, 1, 2, 3)


def test_leaves_may_lie_behind_a_link(tmp_path, make_catalogue):
    folder = make_catalogue(tmp_path / "x")
    (folder / "dataset").rename(tmp_path / "elsewhere")
    (folder / "dataset").symlink_to(tmp_path / "elsewhere")
    assert read_ids(folder) == ids(0, 1, 2, 3)


def test_the_older_name_of_the_properties_will_do(tmp_path, make_catalogue):
    folder = make_catalogue(tmp_path)
    (folder / "hats.properties").unlink()
    assert read_ids(folder) == ids(0, 1, 2, 3)


@pytest.mark.parametrize("text", ["obs_collection=DSS\ndataproduct_type=image\n", "a b c", ""])
def test_other_properties_make_no_catalogue(tmp_path, make_catalogue, text):
    folder = make_catalogue(tmp_path)
    (folder / "hats.properties").unlink()
    (folder / "properties").write_text(text)
    assert find_catalogue(str(folder)) is None


def test_a_file_a_pattern_and_nothing_are_no_catalogue(tmp_path, make_catalogue):
    folder = make_catalogue(tmp_path)
    names = [
        folder / Leaf(1, 16).path(),
        folder / "*",
        folder / "nowhere",
        "http://x.org/a.parquet",
    ]
    assert [find_catalogue(str(name)) for name in names] == [None] * 4


def test_a_url_names_the_same_catalogue(collection):
    url = collection.as_uri()
    assert find_catalogue(url).paths == find_catalogue(str(collection)).paths
    assert read_ids(url) == ids(0, 1, 2, 3)


def test_its_folders_are_no_keys(tmp_path, make_catalogue):
    make_catalogue(tmp_path / "release=3")
    files = open_files([str(tmp_path / "release=3")])
    assert files.keys == ["release"]
    leaf = tmp_path / "release=3" / Leaf(1, 16).path()
    assert open_files([str(leaf)]).keys == ["release"]  # as a worker opens it


def test_a_key_of_that_name_elsewhere_is_one(tmp_path, make_catalogue):
    make_catalogue(tmp_path / "x")
    (tmp_path / "Dir=north").mkdir()
    shutil.copy(tmp_path / "x" / Leaf(1, 16).path(), tmp_path / "Dir=north" / "a.parquet")
    assert open_files([str(tmp_path / "Dir=north")]).keys == ["Dir"]


def test_without_partition_info(tmp_path, make_catalogue):
    folder = make_catalogue(tmp_path)
    (folder / "partition_info.csv").unlink()
    assert error_of(folder) == (
        "X/partition_info.csv is missing, which says what belongs to the catalogue: fetch it as "
        "well, or name X/dataset to read all files there"
    )
    assert sorted(read_ids(folder / "dataset")) == ids(0, 1, 2, 3)


@pytest.mark.parametrize("suffix", [".parquet", "/"])
def test_a_leaf_that_is_missing(tmp_path, make_catalogue, suffix):
    folder = make_catalogue(tmp_path, hats_npix_suffix=suffix)
    path = Leaf(2, 68).path(suffix)
    shutil.move(folder / path, tmp_path / "away")
    what = "no Parquet file in" if suffix == "/" else "there is no"
    assert error_of(folder) == (
        f"X: {what} {path}, which partition_info.csv lists: fetch it as well"
    )


def test_a_primary_table_that_is_missing(collection):
    shutil.rmtree(collection / "toy")
    assert error_of(collection) == (
        "X/collection.properties names 'toy' as its primary table, and there is no HATS catalogue "
        "of that name beside it: fetch it as well"
    )


def test_a_collection_without_a_primary_table(collection):
    (collection / "collection.properties").write_text("obs_collection=toy\n")
    assert error_of(collection) == (
        "X/collection.properties names no hats_primary_table_url: name the folder of the catalogue "
        "itself"
    )


@pytest.mark.parametrize("url", ["s3://bucket/toy", "/data/toy"])
def test_a_primary_table_elsewhere(collection, url):
    (collection / "collection.properties").write_text(f"hats_primary_table_url={url}\n")
    assert error_of(collection) == f"X: its primary table is elsewhere: name {url} itself"


def test_a_margin_is_no_catalogue_of_objects(collection):
    assert error_of(collection / "toy_10arcs") == (
        "X is a HATS catalogue of type 'margin', not of objects: name the catalogue that it "
        "belongs to"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Norder,Npix\n1,16\n1,x\n", 3),
        ("Norder,Npix\n1,48\n", 2),
        ("Norder,Npix\n1\n", 2),
        ("order,pixel\n1,16\n", 2),
        ("Norder,Npix\n" + "1" * 200_000, 1),
    ],
)
def test_a_partition_info_without_meaning(tmp_path, make_catalogue, text, line):
    folder = make_catalogue(tmp_path)
    (folder / "partition_info.csv").write_text(text)
    assert error_of(folder) == (
        f"X/partition_info.csv, line {line}: expected columns Norder and Npix with the number of a "
        "HEALPix pixel; fetch the file again"
    )


def test_a_partition_info_that_lists_nothing(tmp_path, make_catalogue):
    folder = make_catalogue(tmp_path)
    (folder / "partition_info.csv").write_text("Norder,Npix\n")
    assert error_of(folder) == "X/partition_info.csv lists no pixel: the catalogue is empty"


def test_a_leaf_that_is_listed_twice(tmp_path, make_catalogue):
    folder = make_catalogue(tmp_path)
    (folder / "partition_info.csv").write_text("Norder,Npix\n1,16\n2,68\n1,16\n")
    assert error_of(folder) == (
        "X/partition_info.csv lists Norder 1, Npix 16 twice: its objects would come twice; fetch "
        "the file again"
    )


def test_properties_that_are_no_text(tmp_path, make_catalogue):
    folder = make_catalogue(tmp_path)
    (folder / "hats.properties").write_bytes(b"\xff\xfe\x00")
    assert error_of(folder).startswith("X/hats.properties is no text in UTF-8: ")
