"""Catalogues of light curves, named by a preset, from the command line."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.cli import main
from lcclassify.jobs.job import BOOKS, JOB
from lcclassify.network_bundle import write_transformer
from lcclassify.network_check import network_classes
from lcclassify.testing import make_transformer

CLASSIFY = ("classify-file", "ztf.parquet", "--columns", "ztf-dr22", "--model", "./net")


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    return stop.value.code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with ZTF light curves, the header of their objects, and a network."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    card = {"name": "net", "version": "1", "licence": "none", "citation": "none"}
    model = make_transformer(inputs=("MWEBV",), classes=network_classes(19))
    write_transformer(work / "net", model, card)
    counts, rng = [3, 0, 5, 2], np.random.default_rng(0)

    def lists(low, high, kind):
        return pa.array([rng.uniform(low, high, n).tolist() for n in counts], pa.list_(kind))

    table = {
        "objectid": pa.array([2**53 + n for n in range(4)]),
        "filterid": pa.array([1, 2, 3, 1], pa.int8()),
        "hmjd": lists(58000, 59000, pa.float64()),
        "mag": lists(15, 21, pa.float32()),
        "magerr": lists(0.01, 0.2, pa.float32()),
        "catflags": pa.array([[0, 32768, 0], [], [0] * 5, [32770] * 2], pa.list_(pa.int32())),
    }
    pq.write_table(pa.table(table), "ztf.parquet", row_group_size=2)
    header = {"objectid": table["objectid"].take(pa.array([3, 2, 1, 0])), "MWEBV": [0.1] * 4}
    pq.write_table(pa.table(header), "header.parquet")
    return work


def test_a_preset_is_all_that_a_catalogue_needs(folder, capsys):
    assert run(*CLASSIFY, "--join", "header.parquet", "--to", "out.jsonl") == 0
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [row["objectid"] for row in rows] == [2**53 + n for n in range(4)]
    assert [(row["status"], row["reason"]) for row in rows] == [
        ("ok", None),
        ("too_few_observations", "the object has no observations"),
        ("ok", None),
        ("too_few_observations", "all of its 2 observations are flagged"),
    ]
    assert (
        "light curves: fluxes of zero point 31.4, as the model's; observations with "
        "catflags & 32768 are left out\n"
    ) in capsys.readouterr().err


def test_flags_that_nobody_names_are_told(folder, capsys):
    one = [{"mjd": 1.0, "band": "r", "psfFlux": 2.0, "psfFlux_flag": True}]
    pq.write_table(pa.table({"objectId": [1], "curve": [one]}), "rubin.parquet")
    argv = ("classify-file", "rubin.parquet", "--model", "./net", "--min-coverage", "0")
    assert run(*argv, "--to", "out.jsonl") == 0
    told = "no flag is looked at (psfFlux_flag): --columns says which\n"
    assert told in capsys.readouterr().err


def test_workers_read_what_a_preset_says(folder, small_shards):
    (folder / "nights").mkdir()
    table = pq.read_table("ztf.parquet")
    pq.write_table(table.slice(0, 2), "nights/0.parquet")
    pq.write_table(table.slice(2), "nights/1.parquet")
    argv = ("classify-file", "nights", *CLASSIFY[2:], "--join", "header.parquet")
    assert run(*argv, "--to", "one/", "--workers", "1") == 0
    assert run(*argv, "--to", "two/", "--workers", "2") == 0
    assert run(*argv, "--to", "whole.parquet") == 0
    one, two = (
        pa.concat_tables(map(pq.read_table, sorted(Path(name).glob("*.parquet"))))
        for name in ("one", "two")
    )
    assert one.equals(two)
    whole = pq.read_table("whole.parquet")
    assert one.equals(whole)
    asked = json.loads((folder / "one" / BOOKS / JOB).read_text())["task"]["names"]
    assert asked["light_curves"]["reject"] == {"catflags": 32768}


def test_another_preset_is_another_job(folder, capsys):
    argv = ("--model", "./net", "--min-coverage", "0", "--to", "results/")
    text = (
        '[light_curves]\nid = "objectid"\nmjd = "hmjd"\nband = "filterid"\nmagnitude = "mag"\n'
        'magnitude_err = "magerr"\nbands.1 = "g"\n'
    )
    (folder / "mine.toml").write_text(text)
    assert run("classify-file", "ztf.parquet", "--columns", "mine.toml", *argv) == 0
    assert run("classify-file", "ztf.parquet", "--columns", "ztf-dr22", *argv) == 5
    assert "results was made for another job: names.light_curves" in capsys.readouterr().err


def test_what_the_preset_finds_is_shown(folder, capsys):
    argv = ("validate-schema", "ztf.parquet", "--columns", "ztf-dr22", "--model", "./net")
    assert run(*argv, "--json") == 1  # for want of MWEBV
    told = json.loads(capsys.readouterr().out)
    assert told["id"] == "objectid"
    assert told["columns"][0] == {
        "feature": "light curves",
        "state": "present",
        "column": "hmjd, filterid, mag, magerr",
        "type": "magnitudes",
    }
    assert [row["column"] for row in told["columns"] if row["state"] == "extra"] == []


def test_a_catalogue_that_a_preset_does_not_fit_is_one_sentence(folder, capsys):
    argv = ("classify-file", "ztf.parquet", "--model", "./net")
    assert run(*argv, "--columns", "rubin-object", "--id", "objectid") == 3
    assert capsys.readouterr().err == (
        "lcclassify: ztf.parquet: expected a column of structs named 'objectForcedSource', as "
        "[light_curves] says of inside; there is none\n"
    )
    assert run(*argv, "--columns", "rubin") == 3
    assert "there is no file 'rubin', and no preset of that name" in capsys.readouterr().err
