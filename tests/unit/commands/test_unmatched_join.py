"""A table that is joined and has none of the objects."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lcclassify.cli import main
from lcclassify.store import install
from lcclassify.testing import TOY_FEATURES as FEATURES

OWN, JOINED = FEATURES[:2], FEATURES[2:]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, model):
    """A working folder, and the model toy installed."""
    install(model.path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, ids, names):
    kind = pa.int64() if ids and isinstance(ids[0], int) else pa.string()
    columns = {name: pa.array([0.5] * len(ids), pa.float64()) for name in names}
    pq.write_table(pa.table({"oid": pa.array(ids, kind)} | columns), path)


def run(*argv, command="classify-file"):
    with pytest.raises(SystemExit) as stop:
        main([command, *map(str, argv)])
    return stop.value.code


def classify(*more, inputs=("a.parquet",), to="out.parquet"):
    argv = ("--join", "j.parquet", "--model", "toy", "--to", to, "-q")
    return run(*inputs, *argv, *more)


REFUSAL = (
    "lcclassify: error: --join j.parquet has none of the 2 objects: ids here are like 'ZTF1', "
    "there like '17'; name the input's column of these ids by --id, or go on without the table's "
    "values by --allow-unmatched\n"
)


def test_it_is_refused_in_one_line_and_nothing_is_written(folder, capsys):
    write("a.parquet", ["ZTF1", "ZTF2"], OWN)
    write("j.parquet", [17, 18], JOINED)
    assert classify() == 3
    assert capsys.readouterr().err.endswith(REFUSAL.partition("error: ")[2])
    assert {path.name for path in folder.iterdir()} >= {"a.parquet", "j.parquet"}
    assert not (folder / "out.parquet").exists()
    assert not list(folder.glob(".out*"))


def test_it_may_be_allowed(capsys):
    write("a.parquet", ["ZTF1", "ZTF2"], OWN)
    write("j.parquet", [17, 18], JOINED)
    assert classify("--allow-unmatched", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["unmatched"] == {"j.parquet": 2}
    assert told["unmatched_examples"] == {"j.parquet": {"input": "ZTF1", "table": "17"}}
    assert pq.read_table("out.parquet")["features_found"].to_pylist() == [2, 2]


def test_an_empty_table_to_join_is_refused_and_an_empty_input_is_not(capsys):
    write("a.parquet", ["ZTF1"], OWN)
    write("j.parquet", [], JOINED)
    assert classify() == 3
    assert "ids here are like 'ZTF1', and it has no rows; " in capsys.readouterr().err
    write("a.parquet", [], OWN)
    assert classify() == 0
    assert pq.read_table("out.parquet").num_rows == 0


def test_objects_without_ids_are_no_reason(capsys):
    write("a.parquet", [None, ""], OWN)
    write("j.parquet", ["ZTF1"], JOINED)
    assert classify() == 0
    assert pq.read_table("out.parquet")["status"].to_pylist() == ["invalid_record"] * 2


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True),
    st.lists(st.sampled_from("abcdef"), max_size=6, unique=True),
)
def test_one_match_is_enough(ids, there):
    write("a.parquet", ids, OWN)
    write("j.parquet", there, JOINED)
    matched = set(ids) & set(there)
    assert classify("--force") == (0 if matched else 3)
    if matched:
        found = pq.read_table("out.parquet")["features_found"].to_pylist()
        assert found == [4 if oid in matched else 2 for oid in ids]


def test_one_of_several_tables_that_matches_nobody_is_refused(capsys):
    write("a.parquet", ["a", "b"], OWN)
    write("k.parquet", ["a"], JOINED[:1])
    write("j.parquet", ["x"], JOINED[1:])
    assert classify("--join", "k.parquet") == 3
    assert "--join j.parquet has none of the 2 objects: " in capsys.readouterr().err


@pytest.mark.usefixtures("small_shards")
class TestFolder:
    """Results in parts: all of them together are judged, at the end."""

    @pytest.fixture(autouse=True)
    def parts(self, folder):
        (folder / "in").mkdir()
        for number in range(3):
            write(f"in/{number}.parquet", [f"Z{number}", f"Y{number}"], OWN)

    def fill(self, *more):
        return classify("--workers", 1, *more, inputs=("in",), to="out/")

    def test_a_match_in_any_part_is_enough(self, folder):
        write("j.parquet", ["Y2"], JOINED)
        assert self.fill() == 0
        manifest = json.loads((folder / "out" / "_manifest.json").read_text())
        assert len(manifest["shards"]) == 3
        assert manifest["unmatched"] == {f"{folder}/j.parquet": 5}

    def test_without_any_the_files_stay_and_there_is_no_manifest(self, folder, capsys):
        write("j.parquet", ["X"], JOINED)
        assert self.fill() == 3
        err = capsys.readouterr().err
        assert f"--join {folder}/j.parquet has none of the 6 objects: " in err
        assert "ids here are like 'Z0', there like 'X'; " in err
        assert err.endswith(
            "--allow-unmatched: the files are kept, without a manifest, and the same command adds "
            "it then\n"
        )
        parts = sorted(path.name for path in (folder / "out").glob("part-*"))
        assert len(parts) == 3
        assert not (folder / "out" / "_manifest.json").exists()
        before = [(folder / "out" / name).stat().st_mtime_ns for name in parts]
        assert self.fill("--allow-unmatched") == 0
        assert (folder / "out" / "_manifest.json").exists()
        assert [(folder / "out" / name).stat().st_mtime_ns for name in parts] == before

    def test_shares_are_judged_when_they_end(self, folder, capsys):
        write("j.parquet", ["X"], JOINED)
        for share in ("0/2", "1/2"):
            assert self.fill("--shard", share) == 0
        assert run("out", "-q", command="finish") == 3
        assert "has none of the 6 objects" in capsys.readouterr().err
        assert not (folder / "out" / "_manifest.json").exists()
        assert run("out", "-q", "--allow-unmatched", command="finish") == 0
        assert (folder / "out" / "_manifest.json").exists()
