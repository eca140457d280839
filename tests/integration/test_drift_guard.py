"""A replay of the WISE incident: every colour of one survey missing, which went unnoticed."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lcclassify.bundle import Range
from lcclassify.cli import main
from lcclassify.convert import write_forest
from lcclassify.ranges import Known
from lcclassify.testing import TOY_CLASSES, TOY_FEATURES, make_forest

COLOURS = ["W1-W2", "W2-W3", "g-W2", "g-W3", "r-W2", "r-W3"]
SHARES = [0.0, 0.1, 0.2, 0.3]  # of TOY_FEATURES; W1-W2 is the third
USUAL = Range(-3.0, 3.0, 0.003)
TO = ["out.parquet", "out/"]


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main(["classify-file", *map(str, argv)])
    return stop.value.code


pytestmark = pytest.mark.usefixtures("small_shards")


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ztf(work, golden):
    """Real features of ZTF without WISE, in two files."""
    table = pq.read_table(golden / "ztf_features.parquet")
    for name in COLOURS:
        column = table.column_names.index(name)
        table = table.set_column(column, name, pa.nulls(len(table), pa.float64()))
    (work / "night").mkdir()
    pq.write_table(table.slice(0, 100), "night/0.parquet")
    pq.write_table(table.slice(100), "night/1.parquet")
    return ["night", "--model", golden / "ztf_hrf_1.1"]


@pytest.fixture
def own(work):
    """A model of our own whose card knows all shares, and 2,000 objects without their colour."""
    card = {"name": "own", "version": "1", "licence": "MIT", "citation": "none"}
    leaves = [name for group in TOY_CLASSES.values() for name in group]
    card["class_shares"] = {name: 1.0 if name == leaves[0] else 0.0 for name in leaves}
    forest = make_forest(TOY_FEATURES, TOY_CLASSES)
    known = [Known(share, USUAL) for share in SHARES]
    write_forest(work / "own", forest, TOY_FEATURES, card, known)
    rng = np.random.default_rng(0)
    columns = {}
    for name, share in zip(TOY_FEATURES, SHARES, strict=True):
        missing = rng.random(2000) < (1 if name == "W1-W2" else share)
        columns[name] = pa.array(rng.normal(size=2000), mask=missing)
    (work / "night").mkdir()
    table = pa.table({"oid": np.arange(2000)} | columns)
    pq.write_table(table.slice(0, 50), "night/0.parquet")  # too few to say anything alone
    pq.write_table(table.slice(50), "night/1.parquet")
    return ["night", "--model", "own"]


@pytest.mark.parametrize("to", TO)
def test_missing_colours_are_told(ztf, to, capsys):
    assert run(*ztf, "--to", to) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("drift: ")]
    assert sorted(told) == [f"drift: {name} is missing in every object" for name in COLOURS]


@pytest.mark.parametrize("to", TO)
def test_missing_colours_end_the_run(ztf, to, work, capsys):
    assert run(*ztf, "--to", to, "--on-drift", "fail", "-q") == 7
    assert "W1-W2 is missing in every object; " in capsys.readouterr().err
    assert not (work / "out.parquet").exists()
    assert not (work / "out" / "_manifest.json").exists()


@pytest.mark.parametrize("to", TO)
def test_a_model_that_knows_its_shares_tells_them(own, to, capsys):
    assert run(*own, "--to", to, "--json") == 0
    out, err = capsys.readouterr()
    classes, colour = json.loads(out)["drift"]
    assert colour == "W1-W2 is missing in 100.0% of the objects; 20.0% in training"
    assert "of the answers are of other classes than in training" in classes
    assert f"drift: {colour}" in err


def test_what_was_refused_can_be_accepted_without_doing_it_again(own, work, capsys):
    assert run(*own, "--to", "out/", "--on-drift", "fail", "-q") == 7
    assert capsys.readouterr().err.endswith(
        "W1-W2 is missing in 100.0% of the objects; 20.0% in training; the files are kept, "
        "without a manifest: the same command with --on-drift warn adds it\n"
    )
    times = {path: path.stat().st_mtime_ns for path in (work / "out").glob("part-*")}
    assert run(*own, "--to", "out/") == 0
    assert "going on: 2 of 2 files are there" in capsys.readouterr().err
    left = sorted(path.name for path in (work / "out").iterdir())
    assert left == [
        *("_lcclassify", "_manifest.json", "part-00000.parquet", "part-00001.parquet"),
    ]
    assert all(path.stat().st_mtime_ns == times[path] for path in (work / "out").glob("part-*"))


def test_another_unit_is_told(own, work, capsys):
    """Magnitudes that come as fluxes, counted over all parts of a folder."""
    table = pq.read_table(work / "night")
    column = table.column_names.index("Amplitude_1")
    flux = pc.power(10.0, pc.multiply(table["Amplitude_1"], -0.4))
    flux = pc.multiply(flux, 1000.0)
    table = table.set_column(column, "Amplitude_1", flux)
    for path, part in (("night/0.parquet", table[:50]), ("night/1.parquet", table[50:])):
        pq.write_table(part, path)
    assert run(*own, "--to", "out/", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["outside"]["Amplitude_1"] == 2000
    assert found["drift"][2] == (
        "Amplitude_1 is outside -3 to 3 in 100.0% of the objects that have it; at most 0.3% in "
        "training"
    )


def test_it_can_be_ignored(own, capsys):
    assert run(*own, "--to", "out.parquet", "--on-drift", "ignore", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["drift"] == []
    assert "drift" not in err
