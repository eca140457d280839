"""Whose files are mapped where they lie, and of which ones a copy is."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from lcclassify.bundle import open_bundle
from lcclassify.errors import ModelError
from lcclassify.predictors import load_predictor
from lcclassify.store import install
from lcclassify.testing import make_batch

NODES = "forest0_nodes"


def held(cache):
    return sorted(path for path in cache.glob("held-*/*") if path.name != "lock")


def mapped(bundle):
    """The file that an array is mapped from; None if it is in memory."""
    array = bundle.array(NODES)
    return Path(array.filename) if isinstance(array, np.memmap) else None


def test_a_copy_is_this_users_alone_and_called_by_its_digest(model, cache):
    copy = mapped(model)
    assert copy == cache / f"held-{os.geteuid()}" / model.sums[f"{NODES}.npy"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o400
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert copy.read_bytes() == (model.path / f"{NODES}.npy").read_bytes()


def test_processes_share_one_copy(model, cache):
    before = mapped(model).stat().st_ino
    load_predictor(open_bundle(model.path))
    assert mapped(open_bundle(model.path)).stat().st_ino == before
    assert len(held(cache)) == len({d for n, d in model.sums.items() if n.endswith(".npy")})


def test_a_copy_that_was_cut_is_made_again(model):
    copy = mapped(model)
    copy.chmod(0o600)
    os.truncate(copy, 8)
    assert np.array_equal(model.array(NODES), np.load(model.path / f"{NODES}.npy"))


def test_installed_and_embedded_models_are_mapped_where_they_lie(model, cache):
    installed = install(model.path)
    assert mapped(installed) == installed.path / f"{NODES}.npy"
    assert mapped(load_predictor("plasticc").bundle).name == f"{NODES}.npy"
    assert held(cache) == []


def test_a_link_in_the_cache_to_elsewhere_is_copied(model, cache):
    (cache / "models").mkdir()
    (cache / "models" / "toy@1.0").symlink_to(model.path)
    assert mapped(load_predictor("toy").bundle) in held(cache)


def test_a_model_that_somebody_keeps_in_the_cache_is_copied(make_model, cache):
    assert mapped(make_model(cache / "mine")) in held(cache)


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_can_see_is_not_used(model, cache, mode):
    (cache / f"held-{os.geteuid()}").mkdir(mode=mode)
    (cache / f"held-{os.geteuid()}").chmod(mode)
    assert mapped(model) is None
    assert held(cache) == []
    with pytest.raises(ValueError, match="read-only"):
        model.array(NODES)[0] = 0


def test_without_a_cache_a_model_is_read_into_memory(model, monkeypatch):
    batch = make_batch({feature.name: [0.5] for feature in model.features})
    expected = load_predictor(model).predict(batch).conditional
    monkeypatch.setenv("LCCLASSIFY_CACHE", str(model.path / "manifest.toml" / "no"))
    assert mapped(model) is None
    assert load_predictor(model).predict(batch).conditional.tolist() == expected.tolist()


def test_an_array_that_is_not_listed_is_not_read(model):
    np.save(model.path / "more.npy", np.zeros(3))
    with pytest.raises(ModelError, match="its SHA256SUMS does not list more.npy"):
        model.array("more")


def test_a_failed_copy_leaves_nothing(model, cache):
    (model.path / f"{NODES}.npy").write_bytes(b"another")
    with pytest.raises(ModelError, match=f"{NODES}.npy was changed or damaged"):
        model.array(NODES)
    assert held(cache) == []
