"""Small files of the kinds that people really have, each with its right answer."""

import json

import pyarrow.parquet as pq
import pytest

from lcclassify.cli import main
from lcclassify.network_bundle import write_transformer
from lcclassify.testing import make_transformer

CARD = {"name": "net", "version": "1", "licence": "none", "citation": "none"}


@pytest.fixture(scope="module")
def wild(shared):
    return shared / "wild"


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A bundle of a small network that looks at light curves alone."""
    model = make_transformer(table="none", widths=(12, 8))
    return write_transformer(tmp_path_factory.mktemp("net") / "net", model, CARD).path


@pytest.fixture
def classify(network, tmp_path, capsys):
    """Rows, summary and words of a run: classify(path, *options)."""

    def run(path, *argv, code=0):
        to = tmp_path / "answers.parquet"
        options = ["--model", str(network), "--to", str(to), "--force", "--json", *argv]
        with pytest.raises(SystemExit) as stop:
            main(["classify-file", str(path), *options])
        out, err = capsys.readouterr()
        assert stop.value.code in (code, None if code == 0 else code), err
        if code:
            return err
        return pq.read_table(to).to_pylist(), json.loads(out), err

    return run


def answers(rows):
    return [(row["class"], row["probability"]) for row in rows]


def test_known_spellings_of_bands_give_the_answers_of_letters(wild, classify, tmp_path):
    for name in ("lsstg", "zg"):
        text = (wild / "bands" / f"{name}.csv").read_text()
        plain = tmp_path / "plain.csv"
        plain.write_text(text.replace("lsst", "").replace("zg", "g").replace("zr", "r"))
        rows, summary, _ = classify(wild / "bands" / f"{name}.csv", "--zero-point", "27.5")
        same, _, _ = classify(plain, "--zero-point", "27.5")
        assert answers(rows) == answers(same)
        assert {row["status"] for row in rows} == {"ok"}
        assert "unknown_band" not in summary["remarks"]


def test_bands_that_nobody_knows_are_named_and_mark_their_object(wild, classify):
    rows, summary, err = classify(wild / "bands" / "gR.csv", "--zero-point", "27.5")
    assert {row["status"] for row in rows} == {"repaired"}
    assert summary["remarks"]["unknown_band"]["R"] > 0
    assert "the band is not known: 'R'" in err
    assert "in band 'R' (johnson-cousins, Vega)" in rows[0]["reason"]


def test_a_band_may_have_gone_through_a_float(wild, classify):
    rows, _, _ = classify(wild / "bands" / "fid_1.0.csv", "--zero-point", "27.5")
    same, _, _ = classify(wild / "bands" / "fid_1.csv", "--zero-point", "27.5")
    assert answers(rows) == answers(same)


def test_nothing_but_unknown_bands_is_refused_and_writes_nothing(classify, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("oid,mjd,band,flux\na,60000,q1,5\nb,60001,q2,6\n")
    err = classify(path, "--zero-point", "27.5", code=3)
    assert "none of the observations can be used" in err
    assert "'q1' 1" in err
    assert not (tmp_path / "answers.parquet").exists()


def test_isdiffpos_is_the_sign_of_the_flux(wild, classify):
    rows, summary, _ = classify(wild / "magnitudes" / "isdiffpos.csv", "--magnitudes")
    assert answers(rows)[0] != answers(rows)[1]
    assert "no_sign" not in summary["remarks"]
    assert any("another survey" in sentence for sentence in summary["drift"])


def test_validate_schema_counts_what_it_cannot_read(wild, network, capsys):
    argv = ["validate-schema", str(wild / "bands" / "gR.csv"), "--model", str(network), "--json"]
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 0
    observations = json.loads(capsys.readouterr().out)["observations"]
    assert observations["remarks"]["unknown_band"]["R"] == 2
    assert observations["usable"] == observations["observations"] - 2


@pytest.mark.parametrize("name", ["text_time", "text_alertid", "dbl_alertid"])
def test_what_cannot_be_carried_over_is_null(wild, classify, name):
    rows, *_ = classify(wild / "alerts" / f"{name}.parquet")
    assert [row["class"] is not None for row in rows] == [True, True]


@pytest.mark.parametrize("name", ["double_object_id", "double_source_id"])
def test_the_exact_id_wins(wild, classify, name):
    rows, *_ = classify(wild / "alerts" / f"{name}.parquet")
    assert [row["diaObjectId"] for row in rows] == [169813006680588318, 169813006129561660]


def test_an_asteroid_is_no_object(wild, classify):
    rows, *_ = classify(wild / "alerts" / "asteroids.parquet")
    without = [row for row in rows if row["status"] == "invalid_record"]
    assert len(rows) - len(without) == 2
    assert {(row["diaObjectId"], row["class"]) for row in without} <= {(None, None), (0, None)}


@pytest.mark.parametrize("name", ["band_only", "fits_to_pandas"])
def test_padded_bytes_are_text(wild, classify, name):
    rows, summary, _ = classify(wild / "bytes" / f"{name}.parquet")
    assert [row["SNID"] for row in rows] == ["397127"]
    assert summary["remarks"] == {}
    assert rows[0]["status"] == "ok"


def test_a_rounded_id_is_told(wild, classify):
    _, summary, err = classify(wild / "ids" / "rounded_ids.csv")
    assert summary["remarks"]["rounded_id"]
    assert "went through a float" in err
