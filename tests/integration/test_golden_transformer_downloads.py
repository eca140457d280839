"""Transformers from a server laid out as ALeRCE's own, then the reference's answers."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files

import numpy as np
import pyarrow.parquet as pq
import pytest

from lcclassify.cli import main

MODELS = {  # what is asked for -> folder on the server, golden folder, number of files
    "balto": ("pipeline/elasticc/balto_classifier_lc_header/4.0.0", "balto", 65),
    "balto@6.0.0": ("pipeline/elasticc/balto_classifier_lc_header/6.0.0", "balto_gen_b", 2),
    "messi": ("pipeline/elasticc/messi/1.0.0", "messi", 494),
}
ALMOST = 5e-5  # between two implementations in 32 bits
NAMES = ("EncoderHeader.pt", "EncoderFeat.pt", "balto_state_prod.pth", "md_fold_0.joblib")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def catalogue(shared, tmp_path_factory):
    """A catalogue that makes a server of this machine a mirror of ALeRCE's."""
    folder = tmp_path_factory.mktemp("assets")
    for path, name, _ in MODELS.values():
        (folder / path).mkdir(parents=True)
        for file in (shared / "golden" / "transformers" / name).iterdir():
            if file.is_dir() or file.name in NAMES:  # not the other forms of the same weights
                (folder / path / file.name).symlink_to(file)
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        known = (files("lcclassify") / "catalogue" / "models.toml").read_text("utf-8")
        address = f"http://127.0.0.1:{server.server_port}/"
        path = folder / "catalogue.toml"
        path.write_text(known.replace("https://assets.alerce.online/", address))
        yield path
        server.shutdown()


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main([str(arg) for arg in argv])
    return stop.value.code


@pytest.mark.parametrize("name", MODELS)
def test_every_file_is_found_where_alerce_has_it(name, catalogue, capsys):
    assert run("download-model", name, "--catalogue", catalogue, "--dry-run") == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == MODELS[name][2]
    assert f"{MODELS[name][2]} files" in err


@pytest.mark.parametrize("name", MODELS)
def test_a_downloaded_transformer_answers_as_the_reference(name, catalogue, shared, tmp_path):
    golden = shared / "golden" / "transformers"
    assert run("download-model", name, "--catalogue", catalogue, "--quiet") == 0
    assert run("models", "verify", name) == 0
    messages, result = golden / "inputs" / "messages_2023-11.avro", tmp_path / "r.parquet"
    assert run("classify-file", messages, "--model", name, "--to", result, "--quiet") == 0
    objects = pq.read_table(golden / "inputs" / "objects.parquet").select(["oid", "aid"])
    oid = {row["aid"]: row["oid"] for row in objects.to_pylist()}
    got = {
        oid.get(row["aid"]): row
        for row in pq.read_table(result).to_pylist()
        if row["status"] == "ok"
    }
    want = {
        row.pop("oid"): row
        for row in pq.read_table(
            golden / "expected" / f"expected_{MODELS[name][1]}.parquet"
        ).to_pylist()
        if row.pop("flux_column") == "mag"
    }
    both = got.keys() & want.keys()
    assert len(both) > 100
    for key in both:
        values = [got[key][column] for column in want[key]]
        np.testing.assert_allclose(values, list(want[key].values()), rtol=0, atol=ALMOST)
