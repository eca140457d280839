"""classify-file with Balto and Messi, from original files to answers: the reference's own."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lcclassify.cli import main

MODELS = {
    "balto": "balto/EncoderHeader.pt",
    "messi": "messi",
    "balto_gen_b": "balto_gen_b/balto_state_prod.pth",
}
N_OBJECTS = 151
# Answered by the reference as they are: a row without a flux happens to be thinned away; a header
# of nulls alone is as missing as none, and so are Messi's features; observations in unknown bands.
ALSO_REPAIRED = {"2721", "204704566", "2832", "4703", "5700534"}
ALSO_IN_MESSI = {"52"}
# A key that diaObject lacks is a null in a table, and cannot be told from a null in the alert.
KEYS_MISSING = {"6643", "4084"}


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "golden" / "transformers"


@pytest.fixture(scope="module")
def bundles(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("bundles")
    for name, source in MODELS.items():
        main_ok("convert-model", folder / source, place / name, "--version", "1.0")
    return place


def main_ok(*argv):
    with pytest.raises(SystemExit) as stop:
        main(list(map(str, argv)))
    assert stop.value.code in (0, None)


def classify(*argv, to, nulls="--reference-nulls"):
    main_ok("classify-file", *argv, "--to", to, "--quiet", "--on-drift", "ignore", nulls)
    return pq.read_table(to)


def golden_rows(folder, model, flux_column):
    """Object -> the row that its answer must equal; and those that had to be put right."""
    rows, repaired = {}, set()
    for kind in ("expected", "suggested"):
        table = pq.read_table(folder / "expected" / f"{kind}_{model}.parquet")
        for row in table.filter(pc.equal(table["flux_column"], flux_column)).to_pylist():
            rows[row["oid"]] = row
            repaired |= {row["oid"]} if kind == "suggested" else set()
    return rows, repaired


def also_repaired(model):
    return ALSO_REPAIRED | (ALSO_IN_MESSI if model == "messi" else set())


def check(table, folder, model, flux_column, repaired):
    rows, _ = golden_rows(folder, model, flux_column)
    assert table.num_rows == N_OBJECTS
    ids = dict.fromkeys(table.column_names[:1])
    oid_of = {}
    if "aid" in ids:
        objects = pq.read_table(folder / "inputs" / "objects.parquet")
        oid_of = dict(zip(objects["aid"].to_pylist(), objects["oid"].to_pylist(), strict=True))
    for answer in table.to_pylist():
        oid = oid_of.get(answer.get("aid"), answer.get("oid"))
        row = {k: v for k, v in rows[oid].items() if k not in ("oid", "flux_column", "repair")}
        assert max(abs(answer[name] - value) for name, value in row.items()) < 1e-5, oid
        assert answer["class"] == max(row, key=row.get)
        assert sum(answer[name] for name in row) == pytest.approx(1, abs=1e-9)
        assert answer["status"] == ("repaired" if oid in repaired else "ok"), oid
        assert (answer["reason"] is not None) == (oid in repaired)


@pytest.mark.parametrize("model", MODELS)
def test_messages_are_answered_as_by_the_reference(model, folder, bundles, tmp_path):
    path = folder / "inputs" / "messages_2023-11.avro"  # the newest have no features
    table = classify(path, "--model", bundles / model, to=tmp_path / "a.parquet")
    _, repaired = golden_rows(folder, model, "mag")
    check(table, folder, model, "mag", repaired | also_repaired(model))


def test_the_newest_messages_hold_all_that_balto_needs(folder, bundles, tmp_path):
    path = folder / "inputs" / "messages_newest.avro"
    table = classify(path, "--model", bundles / "balto", to=tmp_path / "a.parquet")
    _, repaired = golden_rows(folder, "balto", "mag")
    check(table, folder, "balto", "mag", repaired | also_repaired("balto"))


@pytest.mark.parametrize("flux_column", ["mag", "mag_corr"])
@pytest.mark.parametrize("model", MODELS)
def test_tables_are_answered_as_by_the_reference(model, flux_column, folder, bundles, tmp_path):
    """Observations, header and features in tables of their own, all in another order."""
    inputs = folder / "inputs"
    columns = tmp_path / "columns.toml"
    columns.write_text(f'[columns]\nflux = "{flux_column}"\nflux_err = "e_{flux_column}"\n')
    argv = ["--join", inputs / "headers.parquet", "--join", inputs / "features.parquet"]
    argv += ["--columns", columns, "--zero-point", "31.4", "--model", bundles / model]
    table = classify(inputs / "detections.parquet", *argv, to=tmp_path / "a.parquet")
    _, repaired = golden_rows(folder, model, flux_column)
    repaired = repaired - KEYS_MISSING | also_repaired(model)
    if model == "messi":  # every object is in both tables that are joined, but for these
        objects = pq.read_table(inputs / "objects.parquet").to_pylist()
        repaired |= {row["oid"] for row in objects if not row["has_features"]}
    else:
        argv = argv[:2] + argv[4:]
        alone = classify(inputs / "detections.parquet", *argv, to=tmp_path / "b.parquet")
        table_ = table.drop_columns(["status", "reason"])
        assert alone.drop_columns(["status", "reason"]).equals(table_)
        table = alone
    check(table, folder, model, flux_column, repaired)


def test_objects_of_which_nothing_can_be_seen_have_no_class(folder, bundles, tmp_path):
    """The reference answers those of the last test from the header alone."""
    path = folder / "inputs" / "messages_newest.avro"
    argv = (path, "--model", bundles / "balto")
    table = classify(*argv, to=tmp_path / "a.parquet", nulls="--no-reference-nulls")
    unseen = [row for row in table.to_pylist() if row["status"] == "too_few_observations"]
    assert {row["oid"] for row in unseen} == {"5700534", "3207", "248"}
    assert {(row["class"], row["observations_used"]) for row in unseen} == {(None, 0)}
    other = classify(*argv, to=tmp_path / "b.parquet")
    seen = [row for row in table.to_pylist() if row["class"] is not None]
    expected = {row["oid"]: row for row in other.to_pylist()}
    assert seen == [expected[row["oid"]] for row in seen]


def test_fluxes_of_another_zero_point_are_scaled(folder, bundles, tmp_path, capsys):
    """mag_corr is mag x 10 ** (-3.9 / 2.5): declared as such, it gives the answers of mag."""
    inputs = folder / "inputs"
    columns = tmp_path / "columns.toml"
    columns.write_text('[columns]\nflux = "mag_corr"\nflux_err = "e_mag_corr"\n')
    argv = [inputs / "detections.parquet", "--join", inputs / "headers.parquet"]
    argv += ["--columns", columns, "--model", bundles / "balto", "--to", tmp_path / "a.parquet"]
    main_ok("classify-file", *argv, "--zero-point", "27.5", "--reference-nulls")
    note = "light curves: fluxes of zero point 27.5 are scaled to the model's 31.4"
    assert note in capsys.readouterr().err.splitlines()
    answers = pq.read_table(tmp_path / "a.parquet")
    rows, _ = golden_rows(folder, "balto", "mag")
    compared = 0
    for answer in answers.to_pylist():
        if answer["status"] == "ok":
            row = rows[answer["oid"]]
            difference = max(abs(answer[n] - row[n]) for n in row if n in answer and n != "oid")
            # The golden mag_corr is rounded to float32: 6e-8 of a flux moves answers by so much.
            assert difference < 5e-5, answer["oid"]
            compared += 1
    # All but what is repaired in the table as well.
    assert compared == 134 + len(KEYS_MISSING) - len(also_repaired("balto"))


FILES = {
    "elasticc_v0_9_alerts_last_per_object_515.avro": (515, []),
    "fink_elasticc_alerts_89.parquet": (89, []),
    "elasticc_lc_chunk.parquet": (10, ["--join", "elasticc_metadata_chunk.parquet"]),
    "lc_sample_wo_nev_comp.parquet": (400, []),
}


@pytest.mark.parametrize("name", FILES)
def test_real_files_are_answered_once_an_object(name, shared, bundles, tmp_path):
    place = shared / "data" / "elasticc"
    n_objects, more = FILES[name]
    argv = [place / each if each.endswith("parquet") else each for each in more]
    argv += ["--model", bundles / "balto", "--min-coverage", "0"]
    table = classify(place / name, *argv, to=tmp_path / "a.parquet")
    ids = table[0].to_pylist()
    assert (len(ids), len(set(ids))) == (n_objects, n_objects)
    assert set(table["status"].to_pylist()) <= {"ok", "repaired"}
    if name.endswith(".parquet"):  # in another order, the same
        rows = pq.read_table(place / name)
        order = pa.array(range(rows.num_rows - 1, -1, -1))
        pq.write_table(rows.take(order), tmp_path / "turned.parquet")
        turned = classify(tmp_path / "turned.parquet", *argv, to=tmp_path / "b.parquet")
        answers = {row[table.column_names[0]]: row for row in turned.to_pylist()}
        classes = [n for n in table.column_names if pa.types.is_floating(table[n].type)]
        for row in table.to_pylist():
            other = answers[row[table.column_names[0]]]
            assert row["class"] == other["class"]
            assert max(abs(row[n] - other[n]) for n in classes) < 1e-5


@pytest.mark.parametrize("schema", ["elasticc-v0_9", "elasticc-v0_9_1"])
def test_every_alert_has_its_record(schema, folder, bundles, tmp_path, capsys):
    path = folder / "inputs" / "messages_newest.avro"
    argv = ["--model", bundles / "balto", "--output-schema", schema]
    main_ok("classify-file", path, *argv, "--to", tmp_path / "a.jsonl")
    assert "no record for 1 objects: no alertId" in capsys.readouterr().err  # all forced: no alert
    records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert len(records) == N_OBJECTS - 1
    for record in records:
        assert len(record["classifications"]) == 32
        total = sum(each["probability"] for each in record["classifications"])
        assert total == pytest.approx(1, abs=1e-6)


def test_a_folder_of_results_has_the_same_bytes_whatever_the_workers(
    folder, bundles, tmp_path, small_shards
):
    source = tmp_path / "parts"
    source.mkdir()
    table = pq.read_table(
        folder.parents[1] / "data" / "elasticc" / "fink_elasticc_alerts_89.parquet"
    )
    pq.write_table(table, source / "a.parquet", row_group_size=20)
    pq.write_table(table.slice(0, 30), source / "b.parquet")
    argv = [source, "--model", bundles / "balto", "--min-coverage", "0", "-q"]
    for workers, threads in ((1, 1), (2, 1), (1, 3)):
        to = f"{tmp_path}/out{workers}{threads}/"
        main_ok("classify-file", *argv, "--to", to, "--workers", workers, "--threads", threads)
    outs = [sorted((tmp_path / f"out{n}").glob("*.parquet")) for n in ("11", "21", "13")]
    assert len(outs[0]) > 2
    for other in outs[1:]:
        assert [path.read_bytes() for path in other] == [path.read_bytes() for path in outs[0]]
