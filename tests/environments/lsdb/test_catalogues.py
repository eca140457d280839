"""What LSDB writes is read, and what is written for it is read by LSDB."""

import shutil

import lsdb
import pyarrow.parquet as pq
import pytest
from hats.io.validation import is_valid_catalog

from lcclassify.cli import main
from lcclassify.sources.places import find_catalogue


def as_folders(collection, folder):
    """The same with a folder for each leaf."""
    shutil.copytree(collection, folder)
    for leaf in (folder / "toy" / "dataset").rglob("Npix=*.parquet"):
        inside = leaf.with_suffix("")
        inside.mkdir()
        leaf.rename(inside / "part0.snappy.parquet")
    for properties in (folder / "toy").glob("*properties"):
        text = properties.read_text()
        properties.write_text(text.replace("npix_suffix=.parquet", "npix_suffix=/"))
    return folder


@pytest.fixture(scope="module")
def source(collection, tmp_path_factory):
    """The collection, one leaf of which has lost its rows."""
    folder = tmp_path_factory.mktemp("source") / "collection"
    shutil.copytree(collection, folder)
    [path] = find_catalogue(str(folder)).files[find_catalogue(str(folder)).leaves[-1]]
    pq.write_table(pq.ParquetFile(path).read().slice(0, 0), path)
    return folder


@pytest.fixture(scope="module")
def classes(source, tmp_path_factory):
    """The catalogue of results that classify-file makes of it."""
    folder = tmp_path_factory.mktemp("results") / "classes"
    with pytest.raises(SystemExit) as stop:
        main(["classify-file", str(source), "-m", "plasticc", "--to", f"{folder}/", "-q"])
    assert stop.value.code == 0
    return folder


def test_every_object_of_a_collection_is_answered_once(collection, frame, classify):
    assert len(find_catalogue(str(collection)).leaves) == 8
    ids = classify(collection)["object_id"].to_pylist()
    assert sorted(ids) == sorted(frame["object_id"])


def test_leaves_that_are_folders_give_the_same(collection, classify, tmp_path):
    folder = as_folders(collection, tmp_path / "folders")
    assert len(lsdb.open_catalog(folder).compute()) == 201  # LSDB takes them for the same too
    assert classify(folder) == classify(collection)


def test_lsdb_takes_the_results_for_a_valid_catalogue(classes):
    assert is_valid_catalog(classes, strict=True)


def test_lsdb_reads_the_results_with_their_types(classes):
    catalogue = lsdb.open_catalog(classes)
    assert len(catalogue) == len(catalogue.compute()) > 100
    assert catalogue.meta.index.name == "_healpix_29"
    assert catalogue.dtypes[:5].map(str).to_dict() == {
        "object_id": "int64[pyarrow]",
        "ra": "double[pyarrow]",
        "dec": "double[pyarrow]",
        "class": "string[pyarrow]",
        "probability": "double[pyarrow]",
    }


def test_an_empty_leaf_is_a_leaf_of_the_results(classes, source):
    leaves = find_catalogue(str(source)).leaves
    assert find_catalogue(str(classes)).leaves == leaves
    assert pq.read_metadata(classes / leaves[-1].path()).num_rows == 0


def test_lsdb_finds_the_same_objects_in_a_cone(classes, collection):
    cone = {"ra": 20, "dec": 0, "radius_arcsec": 8 * 3600}
    found = lsdb.open_catalog(classes).cone_search(**cone).compute()["object_id"]
    there = lsdb.open_catalog(collection).cone_search(**cone).compute()["object_id"]
    assert 10 < len(found) <= len(there)
    left = set(lsdb.open_catalog(classes).compute()["object_id"])
    assert set(found) == set(there) & left


def test_lsdb_joins_the_results_to_their_objects(classes, collection):
    results = lsdb.open_catalog(classes)
    joined = lsdb.open_catalog(collection).join(
        results, left_on="object_id", right_on="object_id", suffix_method="overlapping_columns"
    )
    assert len(joined.compute()) == len(results)


def test_lsdb_finds_each_result_at_the_place_of_its_object(classes, collection):
    results = lsdb.open_catalog(classes)
    matched = results.crossmatch(
        lsdb.open_catalog(collection), radius_arcsec=0.1, suffix_method="all_columns"
    ).compute()
    assert len(matched) == len(results)
    assert (matched["object_id_classes"] == matched["object_id_toy"]).all()
