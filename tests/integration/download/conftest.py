"""A web server that can misbehave, small forests to serve, and what is asked in many tests."""

import hashlib
import pickle
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from lcclassify.cache import cache_dir
from lcclassify.cli import main
from lcclassify.download.catalogue import read_catalogue
from lcclassify.download.install import How
from lcclassify.download.remote import Patience
from lcclassify.download.wanted import want_label
from lcclassify.store import list_models

PUBLISHED = {
    "hierarchical_level_RF_model.pkl": ["Periodic", "Stochastic", "Transient"],
    "periodic_level_RF_model.pkl": ["CEP", "DSCT", "E", "LPV", "Periodic-Other", "RRL"],
    "stochastic_level_RF_model.pkl": ["AGN", "Blazar", "CV/Nova", "QSO", "YSO"],
    "transient_level_RF_model.pkl": ["SLSN", "SNII", "SNIa", "SNIbc"],
}


def published_forest(seed=0, n_trees=3):
    """File name -> content: a small forest as the ZTF model 1.0.1 is published."""
    contents = {"features_RF_model.pkl": pickle.dumps(["Amplitude_1", "rb"])}
    for name, classes in PUBLISHED.items():
        values = np.random.default_rng(seed).normal(size=(10 * len(classes), 2))
        forest = RandomForestClassifier(n_trees, random_state=seed).fit(values, classes * 10)
        contents[name] = pickle.dumps(forest)
    return contents


@pytest.fixture(scope="session")
def made_forest():
    return published_forest()


@pytest.fixture
def forest(made_forest):
    return dict(made_forest)


@pytest.fixture(scope="session")
def large_forest():
    return published_forest(n_trees=60)


@pytest.fixture(scope="session")
def other_forest():
    return published_forest(1)


@dataclass
class Site:
    """What a server has, how it behaves, and what it was asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)  # path -> content
    odd: dict[str, list] = field(default_factory=dict)  # path -> what its next GETs do instead
    ranges: bool = True
    etags: bool = True
    head: bool = True
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, Range
    if_ranges: list[str] = field(default_factory=list)

    def url(self, path=""):
        return f"{self.address}/{path}"

    def put(self, folder, contents):
        """Serve files in a folder; gives the folder's URL."""
        self.files |= {f"/{folder}/{name}": content for name, content in contents.items()}
        return self.url(f"{folder}/")

    def count(self, method="GET"):
        return sum(1 for asked in self.asked if asked[0] == method)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def site(self):
        return self.server.site

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = unquote(urlsplit(self.path).path)
        self.site.asked.append((self.command, path, self.headers.get("Range")))
        self.site.if_ranges += self.headers.get_all("If-Range", [])
        if self.command == "HEAD" and not self.site.head:
            return self.say(405)
        if self.command == "GET" and self.site.odd.get(path):
            return self.site.odd[path].pop(0)(self)
        if path not in self.site.files:
            return self.say(404)
        return self.give(self.site.files[path])

    def say(self, code, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    @staticmethod
    def etag(content):
        return f'"{hashlib.sha256(content).hexdigest()[:16]}"'

    def give(self, content, *, upto=None, length=None, etag=None, kind="application/octet-stream"):
        """A file, or the range asked for; broken off after ``upto``, or with a wrong length."""
        etag = etag or self.etag(content)
        start, size = 0, len(content)
        asked = self.headers.get("Range")
        if asked and self.site.ranges and self.headers.get("If-Range") in (None, etag):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str((size if length is None else length) - start))
        if self.site.etags:
            self.send_header("ETag", etag)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[start:upto])
            if upto is not None or length is not None:
                self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that broke off is what is tested here."""


@pytest.fixture
def make_site():
    """Starts servers: make_site(), or make_site(tls=context)."""
    servers = []

    def make(tls=None):
        server = Server(("127.0.0.1", 0), Handler)
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "https" if tls else "http"
        server.site = Site(f"{scheme}://127.0.0.1:{server.server_port}")
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return server.site

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def site(make_site):
    return make_site()


@pytest.fixture
def impatient():
    """Asks three times in quick succession."""
    return Patience(timeout_s=0.5, retries=3, first_wait_s=0.01, longest_wait_s=5)


@pytest.fixture
def how(impatient):
    return How(impatient)


@pytest.fixture
def run():
    """Runs lcclassify; gives its exit code."""

    def run(*argv):
        with pytest.raises(SystemExit) as stop:
            main([str(arg) for arg in argv])
        return stop.value.code

    return run


@pytest.fixture
def known():
    return read_catalogue()


@pytest.fixture
def url(site, forest):
    return site.put("hierarchical_rf_1.0.1", forest)


@pytest.fixture
def wanted(known, url):
    return want_label(known, "ztf", [url])


@pytest.fixture
def installed():
    def installed():
        return [model.bundle.label for model in list_models()[0] if model.origin == "installed"]

    return installed


@pytest.fixture
def nothing_is_left(installed):
    def nothing_is_left(*, lock=False):
        assert installed() == []
        assert list((cache_dir() / "partial").iterdir()) == []
        assert (cache_dir() / "downloads.toml").exists() == lock
        return True

    return nothing_is_left


@pytest.fixture
def digest_of():
    def digest_of(contents):
        lines = [
            f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents)
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    return digest_of


@pytest.fixture
def other(make_site):
    return make_site()
