"""What happens to the files of a model while it is loaded does not happen to its answers."""

import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import lcclassify
from lcclassify.bundle import open_bundle
from lcclassify.cli import main
from lcclassify.convert import write_forest
from lcclassify.errors import ModelError
from lcclassify.network_bundle import write_transformer
from lcclassify.predictors import load_predictor
from lcclassify.testing import TOY_CLASSES, TOY_FEATURES, make_forest, make_transformer

CARD = {"name": "toy", "version": "1.0", "licence": "MIT", "citation": "none"}
CHILD = Path(__file__).parents[1] / "predicting_child.py"
FORESTS = make_forest(TOY_FEATURES, TOY_CLASSES, n_trees=20, depth=9)
FAMILIES = {
    "forest": lambda path: write_forest(path, FORESTS, TOY_FEATURES, CARD),
    "transformer": lambda path: write_transformer(path, make_transformer(), CARD),
}


def overwrite(path, content):
    """In place: whoever has mapped the file sees it."""
    with path.open("r+b") as file:
        file.write(content(path.stat().st_size))


def replace_by_folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()


def replace_by_fifo(path):
    path.rmdir()
    os.mkfifo(path)


DAMAGES = {
    "flipped to ones": lambda path: overwrite(path, lambda size: b"\xff" * size),
    "zeros": lambda path: overwrite(path, bytes),
    "anything": lambda path: overwrite(path, np.random.default_rng(0).bytes),
    "cut": lambda path: os.truncate(path, 200),
    "empty": lambda path: os.truncate(path, 0),
    "deleted": lambda path: path.unlink(),
    "a folder": replace_by_folder,
    "a FIFO": replace_by_fifo,
}


def small_files_alone():
    """As on a full disk: nothing that is written grows beyond these bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


@contextmanager
def predicting(model, **options):
    """A child that predicts, and how to read what it says next."""
    root = str(Path(lcclassify.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root} | options.pop("environment", {})
    command = [sys.executable, CHILD, model]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes, **options) as child:
        yield child
        child.stdin.close()
    assert child.returncode == 0


def next_answers(child, n=20):
    """Those of so many predictions that begin now."""
    try:
        child.stdin.write("\n" * n)
        child.stdin.flush()
        lines = [child.stdout.readline() for _ in range(n)]
    except BrokenPipeError:
        lines = [""]
    assert all(lines), f"it ended with {child.wait()}"
    return set(lines)


@pytest.fixture(params=FAMILIES)
def bundle(request, tmp_path):
    return FAMILIES[request.param](tmp_path / "toy")


PLACES = {
    "cache": {},
    "no cache": {"environment": {"LCCLASSIFY_CACHE": "/dev/null/none"}},
    "full disk": {"preexec_fn": small_files_alone},
}


@pytest.mark.parametrize("place", PLACES)
def test_a_loaded_model_answers_as_before_whatever_becomes_of_its_files(bundle, place):
    with predicting(bundle.path, **PLACES[place]) as child:
        right = next_answers(child)
        assert len(right) == 1
        for name, damage in DAMAGES.items():
            for path in bundle.path.iterdir():
                damage(path)
            assert next_answers(child) == right, name


def test_so_does_one_that_came_as_a_zip(tmp_path):
    path = FAMILIES["forest"](tmp_path / "toy.zip") and tmp_path / "toy.zip"
    with predicting(path) as child:
        right = next_answers(child)
        for name in ("zeros", "cut", "deleted"):
            DAMAGES[name](path)
            assert next_answers(child) == right, name


def test_an_installed_model_that_is_removed_or_overwritten_ends_nobody(tmp_path):
    FAMILIES["forest"](tmp_path / "toy")
    with pytest.raises(SystemExit):
        main(["models", "install", str(tmp_path / "toy")])
    with predicting("toy@1.0") as child:
        right = next_answers(child)
        with pytest.raises(SystemExit):
            main(["models", "remove", "toy"])
        assert next_answers(child) == right


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["forest0_nodes.npy", "manifest.toml", "SHA256SUMS"])
def test_a_model_that_was_damaged_before_is_one_line(tmp_path, damage, name):
    bundle = FAMILIES["forest"](tmp_path / "toy")
    path = bundle.path / name
    if damage == "a FIFO":
        replace_by_folder(path)
    DAMAGES[damage](path)
    with pytest.raises(ModelError) as caught:
        load_predictor(open_bundle(bundle.path))
    assert str(caught.value).isprintable()
    assert str(bundle.path) in str(caught.value)


def test_what_was_checked_is_what_is_used(tmp_path):
    """A file that changes between the check and the use of it is found, and named."""
    bundle = FAMILIES["forest"](tmp_path / "toy")
    shutil.rmtree(Path(os.environ["LCCLASSIFY_CACHE"]))
    opened = open_bundle(bundle.path)
    DAMAGES["cut"](bundle.path / "forest1_nodes.npy")
    with pytest.raises(ModelError, match="forest1_nodes.npy was changed or damaged"):
        load_predictor(opened)
