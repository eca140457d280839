"""What a user of the command line sees."""

import pytest

from lcclassify.cache import cache_dir
from lcclassify.download.install import download
from lcclassify.errors import DownloadError
from lcclassify.resolve import resolve_model

TOP = "hierarchical_level_RF_model.pkl"


def test_the_command_says_what_it_does(url, run, capsys):
    assert run("download-model", "ztf", "--url", url) == 0
    assert run("download-model", "ztf", "--offline") == 0
    lines = capsys.readouterr().err.splitlines()
    digest = resolve_model("ztf").digest[:12]
    assert lines[:2] == ["looking for ztf@1.0.1", lines[1]]
    assert lines[1] == "fetching 5 files, 0.1 MB"
    assert lines[2:4] == ["checking 5 files", "converting, and comparing with the golden rows"]
    assert lines[4] == f"ztf@1.0.1 ({digest}) -> {cache_dir()}/models/ztf@1.0.1"
    assert lines[5].startswith(f"ztf@1.0.1 ({digest}) is there, from {url}, SHA-256 ")


def test_quiet_says_nothing(url, run, capsys):
    assert run("download-model", "ztf", "--url", url, "--quiet") == 0
    assert run("download-model", "ztf", "--url", url, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_the_plan_of_a_dry_run_is_data(url, run, capsys, forest):
    assert run("download-model", "ztf", "--url", url, "--dry-run") == 0
    out, err = capsys.readouterr()
    first = "features_RF_model.pkl"
    assert out.splitlines()[0].split() == [str(len(forest[first])), f"{url}{first}"]
    assert err == f"dry run: ztf@1.0.1, 5 files, {sum(map(len, forest.values())) / 1e6:.1f} MB\n"


def test_an_unknown_model_is_one_line_with_those_there_are(run, capsys):
    assert run("download-model", "bolto") == 4
    err = capsys.readouterr().err
    assert err.startswith("lcclassify: the catalogue has no 'bolto'; it has ztf@1.0.0, ztf@1.0.1, ")
    assert err.count("\n") == 1


def test_a_download_that_fails_has_a_code_of_its_own(run, site):
    site.put("x", {})
    argv = ("download-model", "ztf", "--url", site.url("x/"), "--retries", 0, "--timeout", 1)
    assert run(*argv) == DownloadError.exit_code == 8


def test_a_name_of_ones_own_needs_a_version(run, capsys, url):
    assert run("download-model", "mine", "--url", url) == 4
    assert capsys.readouterr().err == (
        "lcclassify: 'mine' is not in the catalogue; with --url, name it NAME@VERSION\n"
    )


def test_models_path_and_remove(url, run, capsys, installed):
    run("download-model", "ztf", "--url", url, "-q")
    assert run("models", "path", "ztf") == 0
    path = cache_dir() / "models" / "ztf@1.0.1"
    assert capsys.readouterr().out == f"{path}\n"
    assert run("models", "remove", "ztf") == 0
    assert capsys.readouterr().err == f"removed {path}\n"
    assert installed() == []
    assert list(path.parent.iterdir()) == []
    assert run("models", "remove", "ztf") == 4
    assert run("models", "remove", "plasticc") == 4
    assert capsys.readouterr().err.splitlines() == [
        "lcclassify: 'ztf' is not installed; there are: none",
        "lcclassify: 'plasticc' is not installed; there are: none",
    ]


def test_a_damaged_model_can_be_removed_or_is_fetched_again(url, run, wanted, how):
    bundle = download(wanted, how)
    (bundle.path / "forest0_nodes.npy").write_bytes(b"")
    assert run("models", "remove", "ztf@1.0.1") == 0
    bundle = download(wanted, how)
    (bundle.path / "forest0_nodes.npy").write_bytes(b"")
    assert run("download-model", "ztf", "--url", url, "-q") == 0
    assert run("models", "verify", "ztf") == 0


def test_files_are_kept_of_a_model_that_was_installed_without_them(url, run, forest, site):
    for options in ((), ("--keep",)):
        assert run("download-model", "ztf", "--url", url, "-q", *options) == 0
    (kept,) = (cache_dir() / "originals").iterdir()
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == forest
    n_asked = len(site.asked)
    assert run("download-model", "ztf", "--url", url, "-q", "--keep") == 0
    assert len(site.asked) == n_asked


def test_a_digest_that_is_none_is_wrong_usage(run, capsys, url, site):
    assert run("download-model", "ztf", "--url", url, "--sha256", "abc") == 2
    assert "--sha256 takes 64 hexadecimal digits" in capsys.readouterr().err
    assert site.asked == []


@pytest.mark.parametrize(("label", "part"), [("../x@1", "../x"), ("a@.1", ".1"), ("a@1@2", "1@2")])
def test_a_name_that_cannot_be_one_is_told_before_anything_is_fetched(
    run, capsys, url, site, label, part
):
    assert run("download-model", label, "--url", url) == 4
    message = f"lcclassify: '{part}' cannot be the name or version of a model\n"
    assert capsys.readouterr().err == message
    assert site.asked == []


def test_what_cannot_be_used_is_named_by_its_address(run, capsys, site, forest):
    url = site.put("x", forest | {TOP: b"no pickle"})
    assert run("download-model", "ztf", "--url", url) == 4
    assert f"{url}{TOP}: " in capsys.readouterr().err


def test_an_address_that_is_none_shows_no_secret(run, capsys):
    assert run("download-model", "http://me:secret@[::1/m.pt?key=secret") == 4
    assert capsys.readouterr().err == "lcclassify: http://[::1/m.pt is no URL\n"
