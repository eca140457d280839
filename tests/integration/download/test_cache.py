"""Offline, twice at once, read-only, and on a disk that is full."""

import dataclasses
import os
import subprocess
import sys
import threading
import time

import pytest

from lcclassify.cache import cache_dir
from lcclassify.download.install import Talk, download, look
from lcclassify.download.wanted import want_entry
from lcclassify.errors import DownloadError, OutputError

TOP = "hierarchical_level_RF_model.pkl"


def test_offline_never_asks_and_works_with_a_good_cache(known, wanted, how, site):
    offline = dataclasses.replace(how, offline=True)
    with pytest.raises(DownloadError) as error:
        download(wanted, offline)
    assert str(error.value) == (
        f"ztf@1.0.1 is not in {cache_dir()}, and --offline keeps from fetching it"
    )
    assert site.asked == []
    download(wanted, how)
    n_asked = len(site.asked)
    assert download(wanted, offline).label == "ztf@1.0.1"
    assert download(want_entry(known.find("ztf")), offline).label == "ztf@1.0.1"
    assert len(site.asked) == n_asked


def test_a_dry_run_fetches_nothing(wanted, how, site, forest):
    found = look(wanted, how)
    assert {item.spec.name: item.remote.size for item in found} == {
        name: len(data) for name, data in forest.items()
    }
    assert site.count() == 0
    assert not (cache_dir() / "partial").exists()


def test_files_are_kept_as_they_came_on_demand(wanted, how, forest, digest_of):
    said = []
    talk = Talk(said.append, lambda *_: None, lambda *_: None)
    download(wanted, dataclasses.replace(how, keep=True), talk)
    kept = cache_dir() / "originals" / digest_of(forest)
    assert said[-1] == f"the files as they came: {kept}"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == forest
    assert list((cache_dir() / "partial").iterdir()) == []


def test_two_that_ask_at_once_fetch_once(wanted, how, site):
    said, results = [], []
    path = f"/hierarchical_rf_1.0.1/{TOP}"
    go_on = threading.Event()

    def slowly(handler):
        go_on.wait(10)
        handler.give(handler.site.files[path])

    patient = dataclasses.replace(how, patience=dataclasses.replace(how.patience, timeout_s=20))
    site.odd[path] = [slowly]
    talk = Talk(said.append, lambda *_: None, lambda *_: None)

    def ask():
        results.append(download(wanted, patient, talk).digest)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 10
    while not any(line.startswith("waiting") for line in said) and time.monotonic() < end:
        time.sleep(0.01)
    go_on.set()
    for thread in threads:
        thread.join()
    assert "waiting for another process that fetches ztf@1.0.1" in said
    assert len(set(results)) == 1
    assert len(results) == 2
    assert site.count() == 5


def command(*argv, cache=None, **options):
    env = {**os.environ, **({"LCCLASSIFY_CACHE": str(cache)} if cache else {})}
    return subprocess.run(
        [sys.executable, "-m", "lcclassify", *map(str, argv)],
        env=env, capture_output=True, text=True, **options,
    )  # fmt: skip


def test_two_processes_that_ask_at_once_fetch_once(url, site):
    argv = [sys.executable, "-m", "lcclassify", "download-model", "ztf", "--url", url]
    both = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outcome = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], outcome
    assert site.count() == 5


def test_a_cache_that_cannot_be_written(wanted, how, url, site):
    """Read-only for everybody, root included."""
    download(wanted, how)
    cache = cache_dir()
    script = (
        f"mount --bind -o ro {cache} {cache} && mount -o remount,bind,ro {cache} && "
        f"{sys.executable} -m lcclassify download-model ztf --url {url} && "
        f"{sys.executable} -m lcclassify models verify ztf && "
        f"{sys.executable} -m lcclassify download-model mine@1 --url {url}"
    )
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("this machine lets nobody mount a folder read-only")
    assert done.returncode == 5, done.stderr
    assert done.stdout.startswith("ztf@1.0.1 (")
    assert done.stderr.splitlines()[-1] == (
        f"lcclassify: cannot write to the cache {cache}: Read-only file system; set "
        "LCCLASSIFY_CACHE to a folder of yours"
    )


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(wanted, how, site):
    site.files[f"/hierarchical_rf_1.0.1/{TOP}"] = Endless()
    with pytest.raises(OutputError) as error:
        download(wanted, how)
    assert str(error.value).startswith(f"not enough disk in {cache_dir()}: ")
    assert site.count() == 0


class Endless(bytes):
    """A file of a million terabytes, as far as a HEAD request can tell."""

    def __len__(self):
        return 10**18


def test_a_file_that_fits_no_more_is_one_sentence_and_the_rest_comes_later(url, cache, forest):
    limit = len(forest[TOP]) // 2
    script = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        f"from lcclassify.cli import main; main(['download-model', 'ztf', '--url', '{url}'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1].startswith("lcclassify: cannot write ")
    assert done.stderr.splitlines()[-1].endswith(
        ".part: File too large; what is there of it is kept, and the same command goes on from it"
    )
    assert command("download-model", "ztf", "--url", url).returncode == 0
    assert command("models", "verify", "ztf").returncode == 0
