"""From a name, URL or path to an installed model, and why not."""

import dataclasses
import io
import os
import pickle
import tarfile
import tomllib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.cache import cache_dir
from lcclassify.download.install import at_hand, download
from lcclassify.download.wanted import want_label, want_url
from lcclassify.errors import DownloadError, ModelError
from lcclassify.resolve import resolve_model

TOP = "hierarchical_level_RF_model.pkl"


def archive(contents, **member):
    """A tar.gz with these files and, if it is described, an odd member."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if member:
            info = tarfile.TarInfo(member.pop("name"))
            for key, value in member.items():
                setattr(info, key, value)
            tar.addfile(info)
    return file.getvalue()


def test_a_folder_becomes_an_installed_model(wanted, how, url, forest, installed, digest_of):
    bundle = download(wanted, how)
    assert (bundle.label, installed()) == ("ztf@1.0.1", ["ztf@1.0.1"])
    assert resolve_model("ztf").digest == bundle.digest
    assert bundle.manifest["download"] == {
        "asked": "ztf@1.0.1",
        "url": url,
        "sha256": digest_of(forest),
    }
    assert bundle.manifest["citation"].startswith("Sánchez-Sáez et al. 2021")
    assert bundle.manifest["provenance"]["source"] == "ztf@1.0.1"
    assert list((cache_dir() / "partial").iterdir()) == []


def test_a_model_that_is_there_is_not_asked_for_again(wanted, how, site):
    first = download(wanted, how)
    n_asked = len(site.asked)
    assert download(wanted, how).digest == first.digest
    assert len(site.asked) == n_asked


def test_the_names_of_a_newer_layout_are_tried_too(known, how, site, forest):
    forest["top_level_RF_model.pkl"] = forest.pop(TOP)
    contents = {name.replace("level_RF", "level_BRF"): data for name, data in forest.items()}
    url = site.put("x", contents)
    bundle = download(want_label(known, "ztf", [url]), how)
    assert set(bundle.manifest["provenance"]["files"]) == set(contents)
    lock = tomllib.loads((cache_dir() / "downloads.toml").read_text())
    assert set(lock["ztf@1.0.1"]["files"]) == set(contents)


def test_an_archive_is_a_model_too(known, how, site, forest):
    site.put("x", {"rf.tar.gz": archive(forest)})
    bundle = download(want_label(known, "mine@3", [site.url("x/rf.tar.gz")]), how)
    assert bundle.label == "mine@3"
    assert bundle.manifest["download"]["url"] == site.url("x/rf.tar.gz")


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ({"name": "/etc/x"}, "a name that leads outside of it"),
        ({"name": "../x"}, "a name that leads outside of it"),
        ({"name": "x", "type": tarfile.SYMTYPE, "linkname": "/etc"}, "is a symbolic link"),
        ({"name": "x", "type": tarfile.LNKTYPE, "linkname": "y"}, "is a hard link"),
        ({"name": "x", "type": tarfile.CHRTYPE}, "is a character device"),
    ],
)
def test_an_archive_with_anything_else_is_refused(
    known, how, site, forest, member, reason, nothing_is_left
):
    site.put("x", {"rf.tar.gz": archive(forest, **member)})
    with pytest.raises(ModelError, match=reason):
        download(want_label(known, "mine@3", [site.url("x/rf.tar.gz")]), how)
    assert nothing_is_left()


@pytest.mark.parametrize("as_url", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_a_folder_or_archive_of_this_machine(known, how, tmp_path, forest, as_url, packed):
    source = tmp_path / ("a b.tar.gz" if packed else "a b")
    if packed:
        source.write_bytes(archive(forest))
    else:
        source.mkdir()
        for name, data in forest.items():
            (source / name).write_bytes(data)
    place = source.as_uri() + ("" if packed else "/") if as_url else str(source)
    offline = dataclasses.replace(how, offline=True)  # no network is needed
    assert download(want_label(known, "ztf", [place]), offline).label == "ztf@1.0.1"


def test_what_lies_at_a_path_now_is_the_model(known, how, tmp_path, forest, other_forest):
    digests = []
    for contents in (forest, other_forest, forest):
        (tmp_path / "rf.tar.gz").write_bytes(archive(contents))
        digests.append(download(want_url(known, str(tmp_path / "rf.tar.gz")), how).digest)
    assert digests[0] == digests[2] != digests[1]
    assert not (cache_dir() / "downloads.toml").exists()


def test_what_lies_at_a_url_is_called_what_it_is(known, how, url):
    bundle = download(want_url(known, url), how)
    assert bundle.label.startswith("ztf@sha256-")
    assert at_hand(want_url(known, url), how).digest == bundle.digest


def test_a_model_may_be_named_by_its_url_wherever_one_is_loaded(site, url, tmp_path, run, capsys):
    table = pa.table({"oid": ["a"], "Amplitude_1": [0.5], "rb": [0.5]})
    pq.write_table(table, tmp_path / "f.parquet")
    for _ in range(2):
        assert run("validate-schema", tmp_path / "f.parquet", "--model", url) == 0
    assert site.count() == 5
    with pytest.raises(DownloadError) as error:
        resolve_model(site.url("other/"), offline=True)
    assert str(error.value) == (
        f"{site.url('other/')} is not in {cache_dir()}, and --offline keeps from fetching it"
    )
    assert resolve_model(url, offline=True).name == "ztf"


def test_a_url_with_another_query_is_another_model(known, how, site, url, other_forest, installed):
    download(want_url(known, f"{url}?key=1"), how)
    site.put("hierarchical_rf_1.0.1", other_forest)
    download(want_url(known, f"{url}?key=2"), how)
    assert len(installed()) == 2
    assert "key=" not in (cache_dir() / "downloads.toml").read_text()


def test_what_cannot_be_converted_says_what_it_is(known, how, site, forest, nothing_is_left):
    url = site.put("x", forest | {TOP: pickle.dumps({"a": 1})})
    with pytest.raises(ModelError) as error:
        download(want_label(known, "ztf", [url]), how)
    assert str(error.value).startswith(
        f"what was downloaded for ztf@1.0.1 cannot be used, and was deleted: {url}"
    )
    assert nothing_is_left()


def test_nothing_that_is_fetched_is_executed(known, how, site, forest, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    url = site.put("x", forest | {TOP: pickle.dumps(Evil())})
    with pytest.raises(ModelError, match="cannot be used, and was deleted"):
        download(want_label(known, "ztf", [url]), how)
    assert not (tmp_path / "executed").exists()


def test_a_corrupt_file_is_no_model(wanted, how, site, nothing_is_left):
    path = f"/hierarchical_rf_1.0.1/{TOP}"
    content = bytearray(site.files[path])
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    site.files[path] = bytes(content)
    with pytest.raises(ModelError, match="cannot be used, and was deleted"):
        download(wanted, how)
    assert nothing_is_left()


def test_a_file_that_is_missing_is_named(known, how, site, forest):
    del forest[TOP], forest["transient_level_RF_model.pkl"]
    url = site.put("x", forest)
    with pytest.raises(DownloadError) as error:
        download(want_label(known, "ztf", [url]), how)
    reasons = str(error.value).split("; ")
    assert reasons[0].startswith(f"cannot find ztf@1.0.1: {url}")
    assert all(reason.endswith("the server answers 404 Not Found") for reason in reasons)
