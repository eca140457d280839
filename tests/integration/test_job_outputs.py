"""What a folder of results can hold, and what is counted over all of it."""

import json

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.cli import main
from lcclassify.resolve import resolve_model


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main(["classify-file", *map(str, argv)])
    return stop.value.code


def read_avro(path):
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        return list(reader), reader.metadata


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """Two files; 100 of the second one's 300 ids are in the first one too. And a header table."""
    folder = tmp_path_factory.mktemp("halves")
    names = [feature.name for feature in resolve_model("plasticc").features]
    header, own = names[:3], names[3:]
    rng = np.random.default_rng(0)
    for number, start in enumerate((0, 200)):
        columns = {"oid": [f"ZTF{row}" for row in range(start, start + 300)]}
        columns |= {name: rng.normal(size=300) for name in own}
        pq.write_table(pa.table(columns), folder / f"{number}.parquet")
    joined = {"oid": [f"ZTF{row}" for row in range(450)]}
    joined |= {name: rng.uniform(0.1, 1, 450) for name in header}
    pq.write_table(pa.table(joined), folder / "header.pq")
    return folder


def test_a_folder_counts_what_a_single_file_counts(halves, tmp_path, capsys):
    argv = [halves / "*.parquet", "--join", halves / "header.pq", "--model", "plasticc", "--json"]
    summaries = []
    for to in (tmp_path / "out.parquet", f"{tmp_path}/out/"):
        assert run(*argv, "--to", to, "--workers", 2) == 0
        out, err = capsys.readouterr()
        summaries.append(json.loads(out) | {"output": ""})
        assert "50 objects are not in" in err
    assert summaries[0] == summaries[1]
    counts = {"objects": 600, "repeated_ids": 100, "unmatched": {f"{halves}/header.pq": 50}}
    assert {key: summaries[0][key] for key in counts} == counts
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert {key: manifest[key] for key in counts} == counts
    one = pq.read_table(tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out").equals(one)
    assert run(*argv, "--to", f"{tmp_path}/out/") == 0  # finished: told again from the manifest
    assert json.loads(capsys.readouterr().out) | {"output": ""} == summaries[1]


def test_another_table_to_join_is_another_job(halves, tmp_path, capsys):
    argv = [halves / "0.parquet", "--model", "plasticc", "--to", f"{tmp_path}/out/", "-q"]
    table = pq.read_table(halves / "header.pq")
    pq.write_table(table, tmp_path / "header.pq")
    assert run(*argv, "--join", tmp_path / "header.pq") == 0
    pq.write_table(table.slice(1), tmp_path / "header.pq")
    assert run(*argv, "--join", tmp_path / "header.pq") == 5
    assert "was made for another job: joins was" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("messages", "model", "schema"),
    [
        ("messages_elasticc", "toretto", "elasticc-v0_9_1"),
        ("messages_ztf", "ztf_hrf_1.1", "alerce"),
        ("messages_ztf.avro", "ztf_hrf_1.1", "scribe"),
    ],
)
def test_published_schemas_go_into_a_folder(golden, tmp_path, capsys, messages, model, schema):
    argv = [golden / messages, "-m", golden / model, "--output-schema", schema]
    assert run(*argv, "--to", tmp_path / "out.avro") == 0
    one = capsys.readouterr().err.splitlines()
    assert run(*argv, "--to", f"{tmp_path}/out/") == 0
    folder = capsys.readouterr().err.splitlines()
    result = (tmp_path / "out" / "part-00000.avro").read_bytes()
    assert result == (tmp_path / "out.avro").read_bytes()
    assert [line for line in folder if "no record for" in line] == [
        line for line in one if "no record for" in line
    ]
    assert run(*argv, "--to", f"{tmp_path}/parquet/", "--shards", "parquet", "-q") == 0
    n_rows = pq.read_metadata(tmp_path / "parquet" / "part-00000.parquet").num_rows
    assert n_rows == len(read_avro(tmp_path / "out.avro")[0])


def test_another_kind_of_files_is_another_job(halves, tmp_path, capsys):
    argv = [halves / "header.pq", "-m", "plasticc", "--min-coverage", "0", "--to", f"{tmp_path}/o/"]
    assert run(*argv, "-q") == 0
    assert run(*argv, "-q", "--shards", "avro") == 5
    assert "kind was 'parquet' and is 'avro'" in capsys.readouterr().err


def test_published_records_as_json_lines(golden, tmp_path, capfd):
    argv = [golden / "messages_ztf_map.avro", "-m", golden / "ztf_hrf_1.1", "-q"]
    argv += ["--output-schema", "alerce-map"]
    assert run(*argv, "--to", tmp_path / "out.avro") == 0
    records = read_avro(tmp_path / "out.avro")[0]
    assert run(*argv, "--to", tmp_path / "out.jsonl") == 0
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert len(lines) == len(records)
    for line, record in zip(lines, records, strict=True):
        answer, expected = json.loads(line)["lc_classification"], record["lc_classification"]
        assert answer["class"] == expected["class"]
        for name, probability in expected["probabilities"].items():  # Avro's are of 32 bits
            assert np.float32(answer["probabilities"][name]) == np.float32(probability)
    assert run(*argv, "--to", "-") == 0
    assert capfd.readouterr().out.splitlines() == lines
