"""Types that name each other in a chain: their schema is flat as a text, their values are deep."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from avro_chain_child import LENGTHS
from avro_hostile import LINKS, depth_of_chain

from lcclassify.avro.schema import MAX_DEPTH
from lcclassify.stream.decoding.containers import Containers
from lcclassify.stream.decoding.narrow import UnreadableError, Wants

TESTS = Path(__file__).parents[1]
TOO_DEEP = "too deep: it has types inside types beyond 64 levels"


def answers(way, folder):
    """What came of each chain, read in a process that such chains used to end by a signal."""
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    run = subprocess.run(
        [sys.executable, "-m", "avro_chain_child", way, str(folder)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert run.returncode == 0, (run.stdout[-300:], run.stderr[-2000:])
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(found) == len(LINKS) * len(LENGTHS)
    return found


@pytest.mark.parametrize(
    "name", ["chain_of_named_records_200.avro", "chain_of_named_arrays_1000.avro"]
)
def test_the_chains_that_were_seen_are_refused(name, shared, tmp_path):
    path = tmp_path / name
    path.write_bytes((shared / "wild" / "hostile" / name).read_bytes())
    command = [sys.executable, "-m", "lcclassify", "classify-file", str(path)]
    run = subprocess.run([*command, "--model", "plasticc"], capture_output=True, text=True)
    assert run.returncode == 3
    assert run.stderr == f"lcclassify: {path} cannot be read: its schema is {TOO_DEEP}\n"
    with pytest.raises(UnreadableError, match=TOO_DEEP):
        Containers(Wants(frozenset(["oid"]), None, frozenset()))(path.read_bytes())


def value_of(kind, links):
    """What the last type of a chain holds."""
    around = {"arrays": lambda v: [v], "maps": lambda v: {"": v}}.get(kind, lambda v: v)
    value = {"a": 1}
    for _ in range(links - 1):
        value = {"x": around(value)}
    return value


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ("avro", "UnreadableError"),
        ("schemaless", "SettingsError"),
        ("confluent", "UnreadableError"),
    ],
)
def test_a_chain_is_read_as_far_as_schemas_may_be_deep_and_refused_beyond(form, error, tmp_path):
    for kind, links, what, found in answers(form, tmp_path):
        if depth_of_chain(kind, links) <= MAX_DEPTH:
            assert (what, found) == ("value", ["ZTF", value_of(kind, links)])
        else:
            assert what == error, (kind, links)
            assert found.endswith(TOO_DEEP)
            assert "\n" not in found


def test_a_file_of_a_chain_is_refused_in_one_line(tmp_path):
    for kind, links, code, said in answers("classify-file", tmp_path):
        assert code == 3, (kind, links)
        assert said.count("\n") == 1
        assert said.startswith("lcclassify: ")
        if depth_of_chain(kind, links) <= MAX_DEPTH:
            assert "plasticc@1.0.0 needs 190 features" in said
        else:
            assert said.endswith(f"chain.avro cannot be read: its schema is {TOO_DEEP}\n")


@pytest.mark.parametrize("way", ["validate-schema", "validate-schema .avsc"])
def test_the_schema_of_a_chain_is_told_in_one_line(way, tmp_path):
    for kind, links, code, said in answers(way, tmp_path):
        if depth_of_chain(kind, links) <= MAX_DEPTH:
            assert (code, said) == (1, ""), (kind, links)  # it is none of the known ones
        else:
            assert code == 3, (kind, links)
            assert said.count("\n") == 1
            assert said.endswith("it has types inside types beyond 64 levels\n")
