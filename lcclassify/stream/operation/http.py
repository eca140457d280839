"""A small HTTP server beside the stream: pages for machines, none of which changes anything."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from logging import getLogger
from socket import AF_INET, AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, has_dualstack_ipv6
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

from lcclassify.errors import SettingsError, os_reason

SLOW_S = 10.0  # for a client to send its request
POLL_S = 0.1  # until the server sees that it shall end

log = getLogger("lcclassify.stream")


class Answer(NamedTuple):
    """What a page holds."""

    status: int
    kind: str  # Content-Type
    body: bytes


Page = Callable[[str], Answer]  # what the request accepts -> what it gets


def verdict(word: str, reason: str | None) -> Answer:
    """200 and ``{word: true}``, or 503 with the reason why not."""
    told = {word: reason is None} | ({"reason": reason} if reason else {})
    return Answer(503 if reason else 200, "application/json", json.dumps(told).encode() + b"\n")


@contextmanager
def serve(port: int, pages: Mapping[str, Page]) -> Iterator[int]:
    """Serve pages by path on all addresses of the machine, in threads; gives the port.

    Port 0 is any that is free. SettingsError if it cannot be listened at.
    """
    try:
        server = _Server(port, pages)
    except OSError as error:
        raise SettingsError(
            f"--http-port (HTTP_PORT): port {port} cannot be used: {os_reason(error)}; choose "
            "another, or 0 for any"
        ) from None
    with server:
        Thread(
            target=server.serve_forever, args=(POLL_S,), daemon=True, name="lcclassify-http"
        ).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True
    allow_reuse_address = True  # a restart need not wait for connections of the past
    address_family = AF_INET6 if has_dualstack_ipv6() else AF_INET

    def __init__(self, port: int, pages: Mapping[str, Page]) -> None:
        self.pages = pages
        super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        if self.address_family == AF_INET6:
            self.socket.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no fault of ours; anything else is logged."""
        if not isinstance(sys.exc_info()[1], OSError):
            log.exception("a page could not be made")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SLOW_S

    def version_string(self) -> str:
        """No versions: whoever asks need not know them."""
        return "lcclassify"

    def do_GET(self) -> None:
        """The page of this path."""
        page = self.server.pages.get(urlsplit(self.path).path, self._nothing)
        answer = page(self.headers.get("Accept", ""))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_GET  # noqa: N815

    def _nothing(self, accept: str) -> Answer:
        known = ", ".join(self.server.pages)
        return Answer(404, "text/plain; charset=utf-8", f"there is {known}\n".encode())

    def log_message(self, *args: object) -> None:
        """Nothing: probes ask every few seconds."""
