"""One file over bad connections: what arrives is whole and right, or nothing arrives."""

import hashlib
import random
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from lcclassify.download.catalogue import Address, FileSpec
from lcclassify.download.fetch import Fetcher
from lcclassify.download.remote import AbsentError
from lcclassify.download.staging import Staging
from lcclassify.errors import DownloadError, OutputError

CONTENT = random.Random(0).randbytes(1_000_000)
OTHER = random.Random(1).randbytes(1_000_000)
NAME = "model.pkl"


class Fetch:
    """Fetches the one file; counts what progress says."""

    def __init__(self, folder, patience):
        self.staging, self.patience = Staging(folder, "m"), patience
        self.n_bytes = self.n_files = 0
        self.said = []

    def __call__(self, *urls):
        address = Address(urls, (FileSpec(NAME),))
        with Fetcher(self.patience, self.said.append) as fetcher:
            fetcher.fetch(fetcher.look(address), self.staging, self.progress)
        return self.staging.file(NAME).read_bytes()

    def progress(self, n_bytes, n_files=0):
        self.n_bytes += n_bytes
        self.n_files += n_files

    def part(self):
        return self.staging.part(NAME).read_bytes()


@pytest.fixture
def fetch(tmp_path, impatient):
    return Fetch(tmp_path / "staging", impatient)


@pytest.fixture
def url(site):
    site.files[f"/{NAME}"] = CONTENT
    return site.url(NAME)


def drop_at(n):
    return lambda handler: handler.give(handler.site.files[f"/{NAME}"], upto=n)


def status(code, **headers):
    return lambda handler: handler.say(code, **headers)


def error_of(fetch, *urls):
    with pytest.raises(DownloadError) as error:
        fetch(*urls)
    assert not fetch.staging.file(NAME).exists()
    return str(error.value).replace(urls[0], "URL")


def ranges(site):
    return [asked for method, _, asked in site.asked if method == "GET"]


def test_a_file_arrives_with_one_look_and_one_request(fetch, site, url):
    assert fetch(url) == CONTENT
    assert [method for method, *_ in site.asked] == ["HEAD", "GET"]
    assert (fetch.n_bytes, fetch.n_files) == (len(CONTENT), 1)


def test_a_broken_connection_is_taken_up_where_it_broke(fetch, site, url):
    site.odd[f"/{NAME}"] = [drop_at(300_000), drop_at(700_000)]
    assert fetch(url) == CONTENT
    assert ranges(site) == [None, "bytes=300000-", "bytes=700000-"]
    assert site.if_ranges == [f'"{hashlib.sha256(CONTENT).hexdigest()[:16]}"'] * 2
    assert fetch.n_bytes == len(CONTENT)


def test_progress_makes_patience_endless(fetch, site, url):
    site.odd[f"/{NAME}"] = [drop_at(n) for n in range(50_000, 1_000_000, 50_000)]
    assert fetch(url) == CONTENT
    assert len(site.odd[f"/{NAME}"]) == 0


def test_a_part_that_a_killed_run_left_is_gone_on_with(fetch, site, url):
    site.odd[f"/{NAME}"] = [drop_at(400_000), *[status(503)] * 4]
    assert error_of(fetch, url) == "cannot download URL: the server answers 503 Service Unavailable"
    assert fetch.part() == CONTENT[:400_000]
    fetch.n_bytes = 0
    assert fetch(url) == CONTENT
    assert ranges(site)[-1] == "bytes=400000-"
    assert fetch.n_bytes == len(CONTENT)


def test_a_server_that_ignores_ranges_sends_all_of_it_anew(fetch, site, url):
    site.ranges = False
    site.odd[f"/{NAME}"] = [drop_at(300_000)]
    assert fetch(url) == CONTENT
    assert fetch.n_bytes == len(CONTENT)


def test_a_server_that_ignores_ranges_and_always_drops_is_given_up(fetch, site, url):
    site.ranges = False
    site.odd[f"/{NAME}"] = [drop_at(300_000)] * 100
    assert error_of(fetch, url).startswith(
        "cannot download URL: the connection failed: peer closed"
    )
    assert len(site.odd[f"/{NAME}"]) == 96


@pytest.mark.parametrize("ranges_of_old", [True, False])
def test_a_file_that_changes_between_two_parts_is_fetched_anew(fetch, site, url, ranges_of_old):
    def drop_and_change(handler):
        handler.give(CONTENT, upto=300_000)
        site.files[f"/{NAME}"] = OTHER

    def part_of_the_new(handler):  # a server that does not heed If-Range
        handler.headers.replace_header("If-Range", f'"{handler.site.new_etag}"')
        handler.give(OTHER, etag=f'"{handler.site.new_etag}"')

    site.new_etag = "new"
    site.odd[f"/{NAME}"] = [drop_and_change, *([part_of_the_new] if ranges_of_old else [])]
    assert fetch(url) == OTHER
    assert fetch.n_bytes == len(OTHER)


def test_a_file_that_changed_since_a_killed_run_is_fetched_anew(fetch, site, url):
    site.odd[f"/{NAME}"] = [drop_at(400_000), *[status(503)] * 4]
    error_of(fetch, url)
    site.files[f"/{NAME}"] = OTHER
    assert fetch(url) == OTHER
    assert ranges(site)[-1] is None


@pytest.mark.parametrize("extra", [0, 1, 5_000_000])
def test_a_part_longer_than_the_file_is_thrown_away(fetch, site, url, extra):
    site.odd[f"/{NAME}"] = [drop_at(400_000), *[status(503)] * 4]
    error_of(fetch, url)
    size = len(CONTENT) if extra == 0 else len(CONTENT) + extra
    fetch.staging.part(NAME).write_bytes(CONTENT.ljust(size, b"x"))
    assert fetch(url) == CONTENT


def test_a_server_whose_file_shrank_is_asked_anew(fetch, site, url):
    site.odd[f"/{NAME}"] = [drop_at(400_000), status(416)]
    assert fetch(url) == CONTENT
    assert ranges(site) == [None, "bytes=400000-", None]


def test_without_a_validator_nothing_is_gone_on_with(fetch, site, url):
    site.etags = False
    site.odd[f"/{NAME}"] = [drop_at(300_000)]
    assert fetch(url) == CONTENT
    assert ranges(site) == [None, None]


def test_a_part_sent_from_another_byte_on_is_not_believed(fetch, site, url):
    def another_part(handler):
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}")
        handler.send_header("Content-Length", str(len(CONTENT) - 5))
        handler.end_headers()
        handler.wfile.write(CONTENT[5:])

    site.odd[f"/{NAME}"] = [drop_at(300_000), another_part]
    assert fetch(url) == CONTENT


def test_a_length_that_is_too_long_is_not_believed(fetch, site, url):
    too_long = [lambda handler: handler.give(CONTENT, length=len(CONTENT) + 10)] * 9
    site.odd[f"/{NAME}"] = too_long
    assert error_of(fetch, url).startswith("cannot download URL: the ")


def test_a_length_that_is_too_short_is_seen_by_digest_alone(fetch, site, url):
    short = [lambda handler: handler.give(CONTENT, length=len(CONTENT) - 10)]
    site.odd[f"/{NAME}"] = short
    assert fetch(url) == CONTENT[:-10]  # which then is no model, or not the one known


def test_a_hanging_server_is_asked_again(fetch, site, url):
    end = threading.Event()
    site.odd[f"/{NAME}"] = [lambda handler: end.wait(5)]
    assert fetch(url) == CONTENT
    end.set()
    assert fetch.said[0].endswith("the server does not answer: no byte for 0.5 s; again in 0 s")


def test_a_server_that_always_hangs_is_given_up(fetch, site, url):
    end = threading.Event()
    site.odd[f"/{NAME}"] = [lambda handler: end.wait(5)] * 9
    assert error_of(fetch, url) == (
        "cannot download URL: the server does not answer: no byte for 0.5 s"
    )
    end.set()


@pytest.mark.parametrize("code", [302, 307, 308])
def test_redirects_are_followed(fetch, site, url, code):
    site.files["/there"] = CONTENT
    site.odd[f"/{NAME}"] = [status(code, Location="/there")]
    assert fetch(url) == CONTENT


def test_a_ring_of_redirects_is_an_error(fetch, site, url):
    site.odd[f"/{NAME}"] = [status(302, Location=f"/{NAME}")] * 50
    assert error_of(fetch, url) == "cannot download URL: more than 10 redirects"


@pytest.mark.parametrize("code", [403, 404, 410])
def test_what_is_not_there_is_said_at_once(fetch, site, code):
    site.files[f"/{NAME}"] = CONTENT
    site.head = False
    site.odd[f"/{NAME}"] = [status(code)] * 9
    with pytest.raises(AbsentError) as error:
        fetch(site.url(NAME))
    assert str(error.value).startswith(f"{site.url(NAME)}: the server answers {code} ")
    assert len(site.odd[f"/{NAME}"]) == 8


@pytest.mark.parametrize("code", [400, 401, 407, 418, 508])
def test_what_is_refused_is_not_asked_again(fetch, site, url, code):
    site.odd[f"/{NAME}"] = [status(code)] * 9
    assert error_of(fetch, url).startswith(f"cannot download URL: the server answers {code}")
    assert len(site.odd[f"/{NAME}"]) == 8


def test_a_server_that_is_busy_says_when_to_come_back(fetch, site, url):
    site.odd[f"/{NAME}"] = [status(503, Retry_After="1")]
    start = datetime.now(UTC)
    assert fetch(url) == CONTENT
    assert datetime.now(UTC) - start > timedelta(seconds=1)
    assert fetch.said == [f"{url[7:-10]}: the server answers 503 Service Unavailable; again in 1 s"]


@pytest.mark.parametrize("form", ["600", "date"])
def test_a_server_that_wants_too_long_a_pause_is_not_waited_for(fetch, site, url, form):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=600.5), usegmt=True)
    site.odd[f"/{NAME}"] = [status(503, Retry_After=date if form == "date" else form)]
    error = error_of(fetch, url)
    assert error.startswith("cannot download URL: the server answers 503 Service Unavailable and ")
    assert error.endswith((" asks to be left alone for 600 s", " for 599 s"))


def test_a_web_page_is_no_file(fetch, site, url):
    site.odd[f"/{NAME}"] = [lambda handler: handler.give(b"log in", kind="text/html; charset=x")]
    assert error_of(fetch, url) == (
        "cannot download URL: the answer is a web page, not a file; is there a log-in page on the "
        "way?"
    )


def test_a_server_without_head_is_asked_by_get(fetch, site, url):
    site.head = False
    assert fetch(url) == CONTENT
    assert site.count("GET") == 2


def test_the_next_mirror_is_asked_and_remembered(fetch, site, url, make_site):
    dead = make_site()
    dead.odd[f"/{NAME}"] = [status(503)] * 99
    dead.files[f"/{NAME}"] = CONTENT
    assert fetch(dead.url(NAME), url) == CONTENT
    assert dead.count() == 4


def test_a_mirror_without_the_file_is_passed_over(fetch, url, make_site):
    assert fetch(make_site().url(NAME), url) == CONTENT


def test_nobody_at_the_address_is_one_sentence(fetch, make_site):
    assert error_of(fetch, "http://127.0.0.1:1/x.pkl") == (
        "cannot download URL: the connection failed: [Errno 111] Connection refused"
    )


def test_a_name_that_nobody_knows_is_not_asked_again(fetch):
    assert error_of(fetch, "http://nowhere.invalid/x.pkl").startswith(
        "cannot download URL: [Errno "
    )
    assert fetch.said == []


def test_a_password_in_a_url_is_not_shown(fetch):
    with pytest.raises(DownloadError) as error:
        fetch("http://user:secret@127.0.0.1:1/x.pkl?token=secret")
    assert "secret" not in str(error.value) + "".join(fetch.said)


def test_a_proxy_is_used(fetch, site, monkeypatch):
    site.files[f"/{NAME}"] = CONTENT  # a proxy is asked for whole URLs
    monkeypatch.setenv("HTTP_PROXY", site.url())
    monkeypatch.setenv("NO_PROXY", "")
    assert fetch(f"http://somewhere.invalid/{NAME}") == CONTENT


def test_a_proxy_that_is_none_is_one_sentence(fetch, monkeypatch, url):
    monkeypatch.setenv("ALL_PROXY", "nonsense://x")
    assert "proxy or certificate settings are wrong" in error_of(fetch, url)


def test_a_place_that_cannot_be_written_is_one_sentence(fetch, site, url, tmp_path):
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "parts").write_text("not a folder")
    with pytest.raises(OutputError) as error:
        fetch(url)
    assert str(error.value) == (
        f"cannot write {tmp_path}/staging/parts/{NAME}.part: Not a directory; what is there of it "
        "is kept, and the same command goes on from it"
    )
