"""What is known of files, or was found at first use, has to be found again."""

import dataclasses
import hashlib
import tomllib

import pytest

from lcclassify.cache import cache_dir
from lcclassify.download.catalogue import read_catalogue
from lcclassify.download.install import download, user_lock
from lcclassify.download.wanted import want_entry, want_label
from lcclassify.errors import ModelError
from lcclassify.resolve import resolve_model
from lcclassify.store import remove

TOP = "hierarchical_level_RF_model.pkl"


def own_catalogue(tmp_path, url, **facts):
    path = tmp_path / "mine.toml"
    known = ", ".join(f"{key} = {value!r}" for key, value in facts.items())
    path.write_text(
        f'[[model]]\nname = "mine"\nversion = "1"\ndefault = true\naliases = ["ours"]\n'
        f'licence = "MIT"\nsources = [{{ url = "{url}", layout = "ztf-1.0" }}]\n'
        f'[model.files]\n"{TOP}" = {{ {known} }}\n'
    )
    return path


def test_a_catalogue_of_ones_own_adds_to_the_known_models(tmp_path, url, how, forest):
    sha256, md5 = (hashlib.new(kind, forest[TOP]).hexdigest() for kind in ("sha256", "md5"))
    facts = {"sha256": sha256, "md5": md5, "size": len(forest[TOP])}
    catalogue = read_catalogue(own_catalogue(tmp_path, url, **facts))
    assert catalogue.find("toretto@2.0.1")
    bundle = download(want_entry(catalogue.find("ours")), how)
    assert (bundle.label, bundle.manifest["licence"]) == ("mine@1", "MIT")


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_another_digest_than_the_known_one_fails_with_both(
    tmp_path, url, how, forest, kind, nothing_is_left
):
    found = hashlib.new(kind, forest[TOP]).hexdigest()
    catalogue = read_catalogue(own_catalogue(tmp_path, url, **{kind: "0" * 8}))
    with pytest.raises(ModelError) as error:
        download(want_entry(catalogue.find("mine")), how)
    assert str(error.value) == (
        f"{url}{TOP}: its {kind.upper()} is {found}, the catalogue says 00000000; it was deleted"
    )
    assert nothing_is_left()


def test_another_size_than_the_known_one_fails_with_both(tmp_path, url, how, forest):
    catalogue = read_catalogue(own_catalogue(tmp_path, url, size=5))
    with pytest.raises(ModelError) as error:
        download(want_entry(catalogue.find("mine")), how)
    assert str(error.value) == (
        f"{url}{TOP}: it has {len(forest[TOP])} bytes, the catalogue says 5; it was deleted"
    )


def test_sha256_insists(wanted, how, forest, nothing_is_left, digest_of):
    sure = dataclasses.replace(how, sha256="0" * 64)
    for _ in range(2):
        with pytest.raises(ModelError) as error:
            download(wanted, sure)
        assert str(error.value) == (
            f"ztf@1.0.1: its SHA-256 is {digest_of(forest)}, --sha256 says {'0' * 64}"
        )
        assert nothing_is_left()
    right = dataclasses.replace(how, sha256=digest_of(forest).upper())
    assert download(wanted, right).label == "ztf@1.0.1"
    with pytest.raises(ModelError, match="--sha256 says 000"):  # of what is installed, too
        download(wanted, sure)


def test_what_differs_from_the_first_use_is_an_error(
    wanted, how, site, forest, other_forest, nothing_is_left
):
    download(wanted, how)
    remove("ztf")
    site.put("hierarchical_rf_1.0.1", other_forest)
    with pytest.raises(ModelError) as error:
        download(wanted, how)
    name = sorted(name for name in forest if forest[name] != other_forest[name])
    found, first = (
        [hashlib.sha256(contents[n]).hexdigest() for n in name]
        for contents in (other_forest, forest)
    )
    text = str(error.value)
    assert text.startswith(site.url("hierarchical_rf_1.0.1/"))
    assert any(
        f"is not what it was: its SHA-256 is {new}, {cache_dir()}/downloads.toml says {old}; if "
        "you trust the change, remove the model's entry from that file" in text
        for new, old in zip(found, first, strict=True)
    )
    assert nothing_is_left(lock=True)


def test_a_lock_file_holds_elsewhere(
    wanted, how, site, other_forest, tmp_path, monkeypatch, nothing_is_left
):
    lock = tmp_path / "models.lock.toml"
    download(wanted, dataclasses.replace(how, lock=lock))
    record = tomllib.loads(lock.read_text())["ztf@1.0.1"]
    assert len(record["files"]) == 5
    assert record["files"][TOP]["url"].endswith(f"/hierarchical_rf_1.0.1/{TOP}")
    monkeypatch.setenv("LCCLASSIFY_CACHE", str(tmp_path / "another"))
    site.put("hierarchical_rf_1.0.1", other_forest)
    with pytest.raises(ModelError, match=f"{lock} says "):
        download(wanted, dataclasses.replace(how, lock=lock))
    assert nothing_is_left()


@pytest.mark.parametrize("is_remembered", [True, False])
def test_a_lock_file_is_written_for_a_model_that_is_installed(
    wanted, how, site, url, run, tmp_path, is_remembered
):
    bundle = download(wanted, how)
    first = user_lock().path.read_text()
    if not is_remembered:
        user_lock().path.unlink()
    lock = tmp_path / "models.lock.toml"
    n_asked = len(site.asked)
    assert run("download-model", "ztf", "--url", url, "--lock", lock, "--dry-run") == 0
    assert not lock.exists()
    assert run("download-model", "ztf", "--url", url, "--lock", lock) == 0
    assert tomllib.loads(lock.read_text())["ztf@1.0.1"] == (
        tomllib.loads(first)["ztf@1.0.1"]
        if is_remembered
        else {"sha256": bundle.manifest["download"]["sha256"], "files": {}}
    )
    assert len(site.asked) == n_asked


def test_an_installed_model_that_a_lock_file_does_not_know_is_refused(wanted, how, tmp_path):
    bundle = download(wanted, how)
    lock = tmp_path / "models.lock.toml"
    lock.write_text(f'["ztf@1.0.1"]\nsha256 = "{"0" * 64}"\n["ztf@1.0.1".files]\n')
    with pytest.raises(ModelError) as error:
        download(wanted, dataclasses.replace(how, lock=lock))
    assert str(error.value).startswith(
        "the installed ztf@1.0.1 is not what it was: its SHA-256 is "
        f"{bundle.manifest['download']['sha256']}, {lock} says 000"
    )


@pytest.mark.parametrize("text", ["=", "a = 1", "[a]\nsha256 = 'x'", "[a]\nsha256='x'\nfiles={}"])
def test_a_lock_file_that_is_none_is_an_error(wanted, how, tmp_path, text):
    lock = tmp_path / "lock.toml"
    lock.write_text(text)
    with pytest.raises(ModelError, match=f"{lock} is not a lock file of models: "):
        download(wanted, dataclasses.replace(how, lock=lock))


def test_another_place_has_to_have_the_same(
    known, wanted, how, other, forest, other_forest, installed
):
    first = download(wanted, how)
    same = want_label(known, "ztf", [other.put("a", forest)])
    assert download(same, how).digest == first.digest
    assert other.count() == 5
    with pytest.raises(ModelError, match="is not what it was"):
        download(want_label(known, "ztf", [other.put("b", other_forest)]), how)
    assert installed() == ["ztf@1.0.1"]
    assert resolve_model("ztf").digest == first.digest


def test_a_model_that_was_not_downloaded_is_not_taken_for_it(wanted, how, tmp_path, forest, run):
    (tmp_path / "x").mkdir()
    for name, data in forest.items():
        (tmp_path / "x" / name).write_bytes(data)
    assert run("convert-model", tmp_path / "x", tmp_path / "b", "--version", "1.0.1") == 0
    assert run("models", "install", tmp_path / "b") == 0
    with pytest.raises(ModelError) as error:
        download(wanted, how)
    assert str(error.value) == (
        "another ztf@1.0.1 is installed, which was not downloaded: "
        f"{cache_dir()}/models/ztf@1.0.1; remove it first (lcclassify models remove ztf@1.0.1)"
    )
