"""Forests from a server laid out as ALeRCE's own, then the reference's answers, bit for bit."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files

import numpy as np
import pyarrow.parquet as pq
import pytest

from lcclassify.cli import main

FOLDERS = {
    "pipeline/hierarchical_rf_1.0.1": "ztf_hrf_1.0",
    "pipeline/hierarchical_rf_1.1.0": "ztf_hrf_1.1",
    "pipeline/elasticc/random_forest/2.0.1": "toretto",
}
MODELS = {
    "ztf": ("ztf@1.0.1", "expected_ztf_hrf_1.0.parquet"),
    "hierarchical_rf@1.1.0": ("ztf@1.1.0", "expected_ztf_hrf_1.1.parquet"),
    "toretto": ("toretto@2.0.1", "expected_toretto.parquet"),
    "barney": ("barney@2.0.0", "expected_barney.parquet"),
}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def catalogue(golden, tmp_path_factory):
    """A catalogue that makes a server of this machine a mirror of ALeRCE's."""
    folder = tmp_path_factory.mktemp("assets")
    for path, name in FOLDERS.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(golden / name)
    barney = folder / "pipeline/elasticc/barney/2.0.0"
    barney.mkdir(parents=True)
    (barney / "barney.tar.gz").symlink_to(golden / "barney.tar.gz")
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        path = folder / "catalogue.toml"
        known = (files("lcclassify") / "catalogue" / "models.toml").read_text("utf-8")
        address = f"http://127.0.0.1:{server.server_port}/"
        path.write_text(known.replace("https://assets.alerce.online/", address))
        yield path
        server.shutdown()


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in argv])
    return stop.value.code


@pytest.fixture(scope="module")
def inputs(golden, tmp_path_factory):
    """Features of both surveys; those of ELAsTiCC with the header of each object."""
    features = pq.read_table(golden / "elasticc_features.parquet")
    header = pq.read_table(golden / "elasticc_diaobject.parquet").drop_columns(["has_diaobject"])
    order = header["oid"].to_pylist()
    header = header.take([order.index(oid) for oid in features["oid"].to_pylist()])
    for name in header.drop_columns(["oid"]).column_names:
        features = features.append_column(name, header[name])
    path = tmp_path_factory.mktemp("inputs") / "elasticc.parquet"
    pq.write_table(features, path)
    return {"ztf": golden / "ztf_features.parquet", "elasticc": path}


@pytest.mark.parametrize("name", MODELS)
def test_a_downloaded_forest_answers_as_the_reference(name, catalogue, golden, inputs, tmp_path):
    label, expected = MODELS[name]
    assert run("download-model", name, "--catalogue", catalogue, "--quiet") == 0
    assert run("models", "verify", label) == 0
    table = inputs["ztf" if label.startswith("ztf") else "elasticc"]
    argv = ("classify-file", table, "--model", label, "--to", tmp_path / "r.parquet", "--hierarchy")
    assert run(*argv, "--quiet", "--reference-nulls") == 0
    got, want = pq.read_table(tmp_path / "r.parquet"), pq.read_table(golden / expected)
    assert got["oid"].to_pylist() == want["oid"].to_pylist()
    assert set(got["classifier_version"].to_pylist()) == {label.partition("@")[2]}
    columns = [column for column in want.column_names if column not in ("oid", "class")]
    assert len(columns) > 10
    for column in columns:
        values = got[column].to_numpy(), want[column].to_numpy()
        bits = [column.view(np.uint64).tolist() for column in values]
        assert bits[0] == bits[1], column
