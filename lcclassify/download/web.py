"""Files on web servers."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Self, TypeVar

import httpx

from lcclassify import __version__
from lcclassify.download.remote import (
    AbsentError,
    Answer,
    Patience,
    Remote,
    StaleError,
    TransientError,
    failed,
)
from lcclassify.urls import without_secrets

ABSENT = (403, 404, 410)  # object stores answer 403 for what is not there
FOR_NOW = (408, 425, 429, 500, 502, 503, 504)
NO_HEAD = (400, 401, 403, 405, 501)  # some answer these to HEAD and give the file to GET
MAX_REDIRECTS = 10

Cause = TypeVar("Cause", bound=BaseException)


class Web:
    """HTTP and HTTPS, through the proxies and with the certificates that the environment names."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        try:
            self.client = httpx.Client(
                timeout=httpx.Timeout(patience.timeout_s, pool=None),
                limits=httpx.Limits(max_connections=patience.connections),
                follow_redirects=True,
                max_redirects=MAX_REDIRECTS,
                headers={
                    "User-Agent": f"lcclassify/{__version__}",
                    "Accept-Encoding": "identity",  # ranges count bytes of the file itself
                },
            )
        except (ValueError, ImportError, OSError) as error:  # a proxy or certificates that are none
            raise failed("", f"the proxy or certificate settings are wrong: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.close()

    def look(self, url: str, /) -> Remote:
        """Ask by HEAD or, of a server that refuses that, by a GET that is broken off."""
        with self._answer("HEAD", url) as response:
            if response.status_code not in NO_HEAD:
                _check(url, response, self.patience)
                return _remote(url, response)
        with self._answer("GET", url) as response:
            _check(url, response, self.patience)
            return _remote(url, response)

    @contextmanager
    def read(self, remote: Remote, start: int, /) -> Iterator[Answer]:
        """Ask for a range if the file is unchanged, and believe neither server nor proxy."""
        headers = {}
        if start and remote.validator:
            headers = {"Range": f"bytes={start}-", "If-Range": remote.validator}
        with self._answer("GET", remote.url, headers) as response:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise StaleError("the file is shorter than what is here of it")
            _check(remote.url, response, self.patience)
            chunks = response.iter_raw()  # as they come: with a size, the last would be lost
            if response.status_code != HTTPStatus.PARTIAL_CONTENT:
                yield Answer(0, _remote(remote.url, response), chunks)
                return
            first, size = _content_range(response)
            validator = _validator(response.headers)
            if first != start or size != remote.size or validator not in (None, remote.validator):
                raise StaleError("the file changed meanwhile")
            yield Answer(start, remote, chunks)

    @contextmanager
    def _answer(
        self, method: str, url: str, headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """A response whose body is still to come, and httpx's errors as ours."""
        try:
            with self.client.stream(method, url, headers=headers) as response:
                yield response
        except httpx.TimeoutException:
            reason = f"no byte for {self.patience.timeout_s:g} s"
            raise TransientError(f"the server does not answer: {reason}") from None
        except httpx.TransportError as error:
            said = str(error) or type(error).__name__
            name = _cause(error, socket.gaierror)
            if isinstance(error, httpx.UnsupportedProtocol) or (
                name is not None and name.errno == socket.EAI_NONAME
            ):
                raise failed(url, said) from None
            if distrust := untrusted(error):
                raise failed(url, distrust) from None
            raise TransientError(f"the connection failed: {said}") from None
        except httpx.TooManyRedirects:
            raise failed(url, f"more than {MAX_REDIRECTS} redirects") from None
        except (httpx.InvalidURL, httpx.DecodingError) as error:
            raise failed(url, str(error)) from None


def _check(url: str, response: httpx.Response, patience: Patience) -> None:
    """Refuse an answer that is not the file."""
    secure = url.startswith("https:")
    if secure and response.url.scheme != "https":
        raise failed(url, f"it is redirected to {without_secrets(str(response.url))}, unencrypted")
    code = response.status_code
    said = f"the server answers {code} {response.reason_phrase}".rstrip()
    if code in ABSENT:
        raise AbsentError(said)
    if code in FOR_NOW:
        wait = retry_after(response.headers.get("Retry-After"))
        if wait and wait > patience.longest_wait_s:
            raise failed(url, f"{said} and asks to be left alone for {wait:.0f} s")
        raise TransientError(said, wait)
    if code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise failed(url, said)
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("text/html"):
        raise failed(
            url, "the answer is a web page, not a file; is there a log-in page on the way?"
        )
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity" and not url.partition("?")[0].endswith((".gz", ".tgz")):
        raise failed(url, f"the server compresses it ({encoding}), which it was asked not to do")


def _remote(url: str, response: httpx.Response) -> Remote:
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isascii() and length.isdigit() else None
    return Remote(url, size, _validator(response.headers))


def _validator(headers: httpx.Headers) -> str | None:
    """What If-Range takes: an ETag if it means equal bytes, otherwise the time of change."""
    etag: str | None = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _content_range(response: httpx.Response) -> tuple[int, int]:
    """First byte and size of the whole file, of ``bytes 5-9/10``."""
    try:
        _, _, numbers = response.headers["Content-Range"].partition(" ")
        span, _, size = numbers.partition("/")
        return int(span.partition("-")[0]), int(size)
    except (KeyError, ValueError):
        raise StaleError("the server does not say which part it sends") from None


def retry_after(value: str | None) -> float | None:
    """Seconds, of a number or a date."""
    if not value:
        return None
    try:
        if value.isascii() and value.isdigit():
            return float(value)
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def untrusted(error: BaseException) -> str | None:
    """What is wrong with a server's certificate, if that is behind an error."""
    certificate = _cause(error, ssl.SSLCertVerificationError)
    if certificate is None:
        return None
    return (
        f"its certificate is not trusted: {certificate.verify_message}; if it is your own "
        "authority's, name its file in SSL_CERT_FILE"
    )


def _cause(error: BaseException | None, kind: type[Cause]) -> Cause | None:
    """The error of a kind at the bottom of another one."""
    while error:
        if isinstance(error, kind):
            return error
        error = error.__cause__ or error.__context__
    return None
