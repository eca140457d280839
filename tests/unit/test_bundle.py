import io
import os
import re
import subprocess
import zipfile

import numpy as np
import pytest

from lcclassify.bundle import (
    Range,
    copy_bundle,
    is_bundle,
    open_bundle,
    verify_bundle,
    write_bundle,
)
from lcclassify.convert import write_forest
from lcclassify.errors import ModelError, OutputError
from lcclassify.predictors import load_predictor
from lcclassify.ranges import NOTHING, Known
from lcclassify.store import install
from lcclassify.testing import TOY_CLASSES as CHILDREN
from lcclassify.testing import TOY_FEATURES as FEATURES
from lcclassify.testing import make_forest


def test_a_bundle_says_what_it_is(model):
    assert (model.name, model.version, model.label) == ("toy", "1.0", "toy@1.0")
    assert tuple(feature.name for feature in model.features) == FEATURES
    assert model.features[2].accepts == ("W1-W2", "W1_W2", "W1_W2_12", "W1-W2_12")
    assert model.taxonomy.classes == ("SNIa", "SNII", "CEP", "RRL", "EB")
    assert set(model.taxonomy.nodes) == {*CHILDREN, *model.taxonomy.classes}


def test_its_sums_are_those_of_sha256sum(model):
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=model.path, check=True)


def test_arrays_are_memory_mapped_and_cannot_be_written(model):
    nodes = model.array("forest0_nodes")
    assert isinstance(nodes, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        nodes[0] = 0


def test_a_zip_is_the_same_model_as_the_folder(model, make_model, tmp_path):
    zipped = make_model(tmp_path / "toy.zip")
    assert is_bundle(tmp_path / "toy.zip")
    assert (zipped.digest, zipped.features) == (model.digest, model.features)
    assert verify_bundle(tmp_path / "toy.zip") == verify_bundle(model.path) == 12


def test_writing_twice_gives_the_same_bytes(model, make_model, tmp_path):
    assert make_model(tmp_path / "again").digest == model.digest


def test_an_existing_path_is_not_replaced(model, make_model):
    with pytest.raises(OutputError, match="exists already; remove it or choose another name"):
        make_model(model.path)


def test_a_failed_write_leaves_nothing(tmp_path):
    manifest = {"name": "bad", "family": "oracle"}
    with pytest.raises(ModelError, match="unknown family 'oracle'"):
        write_bundle(tmp_path / "bad", manifest, {"x": np.zeros(3)})
    assert list(tmp_path.iterdir()) == []


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["forest0_nodes.npy", "forest2_leaves.npy", "manifest.toml"])
def test_a_flipped_bit_is_found_in_any_file(model, name):
    flip_a_bit(model.path / name)
    with pytest.raises(ModelError, match=f"{name} was changed or damaged: its SHA-256 is"):
        open_bundle(model.path)


def test_a_truncated_file_is_found(model):
    path = model.path / "forest1_nodes.npy"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ModelError, match=r"forest1_nodes.npy was changed or damaged"):
        open_bundle(model.path)


def test_a_missing_file_is_named(model):
    (model.path / "golden_rows.npy").unlink()
    with pytest.raises(ModelError, match="golden_rows.npy: No such file or directory"):
        open_bundle(model.path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0" * 64 + "  ../secret", "bad line in SHA256SUMS"),
        ("0" * 64 + "  /etc/passwd", "bad line in SHA256SUMS"),
        ("no digest", "bad line in SHA256SUMS"),
        ("../" * 21 + "x  more.npy", "bad line in SHA256SUMS"),
        ("A" * 64 + "  more.npy", "bad line in SHA256SUMS"),
        (None, "SHA256SUMS does not list manifest.toml"),
    ],
)
def test_a_list_of_sums_that_names_other_places_is_refused(model, line, message):
    path = model.path / "SHA256SUMS"
    lines = [] if line is None else [*path.read_text().splitlines(), line]
    path.write_text("\n".join(lines))
    with pytest.raises(ModelError, match=message):
        open_bundle(model.path)


def change_unnoticed(path):
    """Other content of the same size and time: hashing is skipped while these are known."""
    before = path.stat()
    leaves = np.load(path)
    np.save(path, leaves[:, ::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_change_that_keeps_size_and_time_is_found_by_verify_and_when_it_is_copied(model):
    change_unnoticed(model.path / "forest0_leaves.npy")
    bundle = open_bundle(model.path)
    with pytest.raises(ModelError, match=r"^model \S+/toy: forest0_leaves.npy was changed"):
        load_predictor(bundle)
    with pytest.raises(ModelError, match="forest0_leaves.npy was changed"):
        verify_bundle(model.path)


def test_a_change_that_keeps_size_and_time_of_an_installed_model_fails_its_golden_rows(model):
    installed = install(model.path)
    change_unnoticed(installed.path / "forest0_leaves.npy")
    with pytest.raises(ModelError, match="do not give the answers it was published with"):
        load_predictor(open_bundle(installed.path))


def test_a_read_only_cache_costs_only_the_record(model, cache, monkeypatch):
    monkeypatch.setenv("LCCLASSIFY_CACHE", str(model.path / "manifest.toml" / "no"))
    assert open_bundle(model.path).digest == model.digest


def with_manifest(model, old, new):
    """The bundle with its manifest edited and its sums made right again."""
    text = (model.path / "manifest.toml").read_text()
    assert old in text
    return with_file(model, "manifest.toml", text.replace(old, new, 1).encode())


def with_file(model, name, content):
    """The bundle with another file and its sums made right again."""
    (model.path / name).write_bytes(content)
    names = sorted(p.name for p in model.path.iterdir() if p.name != "SHA256SUMS")
    run = subprocess.run(
        ["sha256sum", *names], cwd=model.path, check=True, capture_output=True, text=True
    )
    (model.path / "SHA256SUMS").write_text(run.stdout)
    return model.path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format = 1", "format = 2", "its format is 2 and this lcclassify reads 1; update"),
        ('family = "forest"', 'family = "oracle"', "unknown family 'oracle'"),
        ('name = "toy"', 'nome = "toy"', "bad manifest.toml: KeyError\\('name'\\)"),
        ("format = 1", "format = ", "bad manifest.toml: TOMLDecodeError"),
        ('"RRL"', '"CEP"', "the class tree names a node twice"),
        ('name = "PPE"', 'name = "rb"', "there are no features, or one twice"),
        ('name = "toy"', 'name = "../toy"', "cannot be the name or version of a model"),
        ('name = "toy"', 'name = ".toy"', "cannot be the name or version of a model"),
        ('version = "1.0"', 'version = ""', "cannot be the name or version of a model"),
        ('version = "1.0"', "version = 1.0", "cannot be the name or version of a model"),
        ('name = "PPE"', 'name = "\\u0000"', "cannot be a name"),
        ('name = "PPE"', "name = 7", "cannot be a name"),
        ('"RRL"', "7", "7"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(model, old, new, message):
    path = with_manifest(model, old, new)
    with pytest.raises(ModelError, match=message):
        open_bundle(path)


SHARES = {"SNIa": 0.5, "SNII": 0.1, "CEP": 0.2, "RRL": 0.2, "EB": 0.0}


def test_shares_of_classes_are_kept(tmp_path, make_model):
    assert make_model(tmp_path / "m", class_shares=SHARES).class_shares == SHARES


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"SNIa": 1.0}, "class_shares are not of the classes of the tree"),
        (SHARES | {"EB": 0.5}, "class_shares do not sum to 1"),
        (SHARES | {"SNIa": 1.5, "RRL": -0.8}, "class_shares do not sum to 1"),
        (SHARES | {"EB": "few"}, "bad manifest.toml: TypeError"),
        ("many", "bad manifest.toml: "),
    ],
)
def test_shares_that_are_none_are_refused(tmp_path, make_model, shares, message):
    with pytest.raises(ModelError, match=message):
        make_model(tmp_path / "m", class_shares=shares)


def test_what_is_known_of_features_is_kept(tmp_path):
    known = [Known(0.25, Range(-1.5, 2.0, 0.002)), Known(None, Range(0.0, 0.0)), Known(0.5, None)]
    known.append(NOTHING)
    forest = make_forest(FEATURES, CHILDREN)
    card = {"name": "toy", "version": "1"}
    bundle = write_forest(tmp_path / "toy", forest, FEATURES, card, known)
    assert [Known(*feature[2:]) for feature in open_bundle(bundle.path).features] == known


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ("[2.0, 1.0]", "range of PPE is [2.0, 1.0]"),
        ("[nan, 1.0]", "range of PPE is [nan, 1.0]"),
        ("[0.0, inf]", "range of PPE is [0.0, inf]"),
        ("[0.0]", "not enough values to unpack"),
        ("0.5", "bad manifest.toml: TypeError"),
        ('["low", "high"]', "bad manifest.toml: TypeError"),
        ("[0.0, 1.0]\noutside_share = 1.5", "outside_share of PPE is 1.5"),
        ("[0.0, 1.0]\noutside_share = nan", "outside_share of PPE is nan"),
    ],
)
def test_ranges_that_are_none_are_refused(model, limits, message):
    path = with_manifest(model, 'name = "PPE"', f'name = "PPE"\nrange = {limits}')
    with pytest.raises(ModelError, match=re.escape(message)):
        open_bundle(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value = -999.0", "value = -1.0", "unknown rule for missing values"),
        ('node = "Transient"', 'node = "Periodic"', "answers for other classes"),
        ('node = "Transient"', 'node = "Elsewhere"', "bad list of forests"),
    ],
)
def test_a_manifest_that_its_forests_contradict_is_refused_at_load(model, old, new, message):
    bundle = open_bundle(with_manifest(model, old, new))
    with pytest.raises(ModelError, match=message):
        load_predictor(bundle)


def test_copying_checks_the_copy(model, tmp_path):
    copy = copy_bundle(model.path, tmp_path / "deep" / "copy")
    assert copy.digest == model.digest
    assert copy_bundle(model.path, tmp_path / "deep" / "copy").digest == model.digest
    flip_a_bit(model.path / "forest0_nodes.npy")
    with pytest.raises(ModelError, match="was changed or damaged"):
        copy_bundle(model.path, tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "toy"]


def test_a_zip_with_members_elsewhere_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../evil.toml", "x")
    with pytest.raises(ModelError, match="is not a model bundle: it holds '../evil.toml'"):
        open_bundle(tmp_path / "evil.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["evil.zip"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip"])
def test_a_zip_that_is_none_is_refused_as_one(tmp_path, content):
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(ModelError, match="bad.zip is not a model bundle"):
        open_bundle(tmp_path / "bad.zip")


def test_a_zip_with_more_than_it_lists_is_refused(make_model, tmp_path):
    make_model(tmp_path / "toy.zip")
    with zipfile.ZipFile(tmp_path / "toy.zip", "a") as archive:
        archive.writestr("more.npy", "x")
    with pytest.raises(ModelError, match="it holds other files than its SHA256SUMS lists"):
        open_bundle(tmp_path / "toy.zip")


@pytest.mark.parametrize(
    "content", [b"", b"PK\x05\x06" + bytes(18), b"\x93NUMPY\x01\x00\x05\x00{'a'("]
)
def test_an_array_that_is_none_is_refused(model, content):
    path = with_file(model, "forest0_nodes.npy", content)
    with pytest.raises(ModelError, match="forest0_nodes.npy"):
        load_predictor(open_bundle(path))


def test_a_model_without_golden_rows_is_refused(model):
    buffer = io.BytesIO()
    np.save(buffer, np.empty((0, 4)))
    path = with_file(model, "golden_rows.npy", buffer.getvalue())
    with pytest.raises(ModelError, match="golden rows of the wrong shape"):
        load_predictor(open_bundle(path))


def test_a_folder_of_something_else_is_no_bundle(tmp_path):
    assert not is_bundle(tmp_path)
    with pytest.raises(ModelError, match="is not a model bundle: it has no SHA256SUMS"):
        open_bundle(tmp_path)
