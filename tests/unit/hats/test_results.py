"""A HATS catalogue in, a HATS catalogue of answers out."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shards import content

from lcclassify.cli import main
from lcclassify.hats.leaf import Leaf
from lcclassify.hats.properties import parse_properties


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main([*map(str, argv)])
    return stop.value.code


@pytest.fixture
def catalogue(tmp_path, make_catalogue):
    return make_catalogue(tmp_path / "stars")


@pytest.fixture
def classify(catalogue, model):
    """Classifies the catalogue: classify(folder, *options), with the exit code."""
    argv = [
        "classify-file",
        catalogue,
        "--model",
        model.path,
        "--min-coverage",
        0,
        "--reference-nulls",  # it has no features
        "-q",
        "--workers",
        1,
    ]
    return lambda to, *options: run(*argv, "--to", to, *options)


def read(folder, leaf):
    return pq.ParquetFile(folder / leaf.path()).read()


def test_each_leaf_has_its_part_with_positions_and_answers(catalogue, classify, tmp_path):
    assert classify(f"{tmp_path}/classes/") == 0
    for leaf in (Leaf(1, 16), Leaf(9, 123_456)):
        source, part = read(catalogue, leaf), read(tmp_path / "classes", leaf)
        assert part.column_names[:6] == ["oid", "ra", "dec", "_healpix_29", "class", "probability"]
        assert part.select(["oid", "ra", "dec", "_healpix_29"]).equals(
            source.select(["oid", "ra", "dec", "_healpix_29"])
        )
        assert part["class"].null_count == 0


def test_what_makes_it_a_catalogue_is_written(catalogue, classify, tmp_path):
    assert classify(f"{tmp_path}/classes/") == 0
    out = tmp_path / "classes"
    properties = parse_properties((out / "hats.properties").read_text())
    assert properties["obs_collection"] == "classes"
    assert properties["hats_nrows"] == "12"
    partitions = "partition_info.csv"
    assert (out / partitions).read_text() == (catalogue / partitions).read_text()
    schema = pq.read_schema(out / "dataset" / "_common_metadata")
    assert schema.equals(read(out, Leaf(1, 3)).schema)
    manifest = json.loads((out / "_manifest.json").read_text())
    assert next(shard["file"] for shard in manifest["shards"]) == Leaf(1, 16).path()


def test_it_can_be_classified_again(classify, tmp_path, model):
    """What is written is read as the catalogue that it is, each object once."""
    assert classify(f"{tmp_path}/classes/") == 0
    argv = ["--model", model.path, "--min-coverage", 0, "-q", "--to", tmp_path / "again.parquet"]
    assert run("classify-file", tmp_path / "classes", *argv) == 0
    again = pq.read_table(tmp_path / "again.parquet")
    assert again["oid"].to_pylist() == [f"{leaf}-{row}" for leaf in range(4) for row in range(3)]


def test_shares_and_the_end_give_the_same_bytes(classify, tmp_path):
    assert classify(f"{tmp_path}/whole/classes/", "--workers", 1) == 0
    out = tmp_path / "classes"
    for share in ("0/2", "1/2"):
        assert classify(f"{out}/", "--shard", share) == 0
    assert run("finish", out, "-q") == 0
    assert content(out) == content(tmp_path / "whole" / "classes")


def test_leaves_of_several_files_become_one_part(tmp_path, make_catalogue, model):
    folder = make_catalogue(tmp_path / "stars", hats_npix_suffix="/")
    first = folder / Leaf(1, 16).path("/") / "part0.snappy.parquet"
    pq.write_table(pq.ParquetFile(first).read(), first.with_name("part1.snappy.parquet"))
    argv = ["--model", model.path, "--min-coverage", 0, "-q", "--to", f"{tmp_path}/classes/"]
    assert run("classify-file", folder, *argv) == 0
    assert read(tmp_path / "classes", Leaf(1, 16))["oid"].to_pylist() == ["0-0", "0-1", "0-2"] * 2
    properties = parse_properties((tmp_path / "classes" / "properties").read_text())
    assert properties["hats_npix_suffix"] == ".parquet"


def test_plain_files_where_they_are_asked_for(classify, tmp_path):
    assert classify(f"{tmp_path}/plain/", "--shards", "parquet") == 0
    assert set(content(tmp_path / "plain")) == {
        *("_lcclassify/job.json", "_lcclassify/00000.json"),
        *("_manifest.json", "part-00000.parquet"),
    }
    assert pq.read_table(tmp_path / "plain").num_rows == 12


def test_a_tidy_result_is_no_catalogue(classify, tmp_path):
    assert classify(f"{tmp_path}/tidy/", "--tidy") == 0
    assert (tmp_path / "tidy" / "part-00000.parquet").exists()
    assert classify(f"{tmp_path}/other/", "--tidy", "--shards", "hats") == 2


def test_a_table_that_is_no_catalogue_gives_none(tmp_path, model, capsys):
    pq.write_table(pa.table({"oid": ["a"]}), tmp_path / "a.parquet")
    argv = ["--model", model.path, "--min-coverage", 0, "--to", f"{tmp_path}/o/"]
    assert run("classify-file", tmp_path / "a.parquet", *argv, "--shards", "hats") == 2
    error = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "--shards hats is for one HATS catalogue as input" in error


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"hats_col_ra": ""}, "does not say hats_col_ra and hats_col_dec"),
        ({"hats_col_healpix": "hpx"}, "has no column 'hpx', which its properties name"),
    ],
)
def test_a_catalogue_without_positions_is_refused_at_once(
    tmp_path, make_catalogue, model, capsys, properties, message
):
    folder = make_catalogue(tmp_path / "stars", **properties)
    argv = [
        "classify-file",
        folder,
        "--model",
        model.path,
        "--min-coverage",
        0,
        "-q",
        "--workers",
        1,
    ]
    assert run(*argv, "--to", f"{tmp_path}/classes/") == 3
    assert message in capsys.readouterr().err
    assert not (tmp_path / "classes").exists()
