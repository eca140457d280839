"""A TOM over TCP: cookies, tokens and logins as Django's, and whatever goes wrong with one."""

import json
import secrets
import socket
import ssl
import struct
import time
from collections import deque
from contextlib import suppress
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Semaphore, Thread
from urllib.parse import parse_qs, urlsplit

LOGIN, PATH = "/accounts/login/", "/elasticc2/brokermessage/"


class Tom:
    """Takes records; ``faults`` are what the next PUTs meet, ``bad`` alertId -> status.

    Who meets "unheard" or "unanswered" gets no answer, the latter after its records were taken;
    ``held`` is released once for each of them.

    users: names and passwords; None: nobody has to log in.
    """

    def __init__(self, users=None, certificate=None):
        self.users, self.certificate = users, certificate
        self.faults, self.bad = deque(), {}
        self.lists, self.asked = [], []  # of records that were taken; (method, path, status)
        self.tokens, self.sessions = set(), set()
        self.alone, self.held = Lock(), Semaphore(0)

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        scheme = "http"
        if self.certificate:
            scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.certificate.configure_cert(context)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.site = f"{scheme}://127.0.0.1:{self.server.server_port}"
        self.url = self.site + PATH
        self.thread = Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def records(self):
        return [record for one in self.lists for record in one]

    @property
    def ids(self):
        return [record["alertId"] for record in self.records]

    def statuses(self, method="PUT"):
        return [status for verb, _, status in self.asked if verb == method]


def _handler(tom):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *told):
            """Not on stderr."""

        def cookies(self):
            return {k: v.value for k, v in SimpleCookie(self.headers.get("Cookie", "")).items()}

        def answer(self, status, text="", **headers):
            tom.asked.append((self.command, urlsplit(self.path).path, status))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-").rstrip("-0123456789"), value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def hold(self):
            """No answer, for as long as the other side is there to wait for one."""
            tom.held.release()
            self.close_connection = True
            with suppress(ConnectionResetError):
                self.rfile.read(1)

        def token(self):
            token = secrets.token_hex(16)
            tom.tokens.add(token)
            return f"csrftoken={token}; Path=/; SameSite=Lax"

        def is_forged(self, told):
            if tom.certificate and not self.headers.get("Referer", "").startswith(tom.site):
                return True
            cookie = self.cookies().get("csrftoken")
            return cookie not in tom.tokens or told != cookie

        def do_GET(self):
            if self.path != LOGIN:
                return self.answer(404)
            self.answer(200, "<form>", Set_Cookie=self.token())

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            if self.is_forged(form.get("csrfmiddlewaretoken")):
                return self.answer(403, "CSRF verification failed")
            if tom.users.get(form["username"]) != form["password"]:
                return self.answer(200, "<form>")
            session = secrets.token_hex(16)
            tom.sessions.add(session)
            cookie = f"sessionid={session}; Path=/; HttpOnly"
            self.answer(302, Location="/", Set_Cookie=cookie, Set_Cookie_2=self.token())

        def do_PUT(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fault = tom.faults.popleft() if tom.faults else None
            if fault == "reset":
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.close_connection = True
                return self.connection.close()
            if fault == "unheard":
                return self.hold()
            if fault == "slow":
                time.sleep(1.5)
            if fault == "moved":
                return self.answer(301, Location="https://elsewhere/tom/?key=1")
            if fault == "expire":
                tom.sessions.clear()
            if isinstance(fault, int):
                return self.answer(
                    fault, "not now", **({"Retry_After": "1"} if fault == 429 else {})
                )
            if self.is_forged(self.headers.get("X-CSRFToken")):
                return self.answer(403, "CSRF verification failed")
            if tom.users and self.cookies().get("sessionid") not in tom.sessions:
                return self.answer(302, Location=f"{LOGIN}?next={PATH}")
            if self.path != PATH:
                return self.answer(404)
            records = json.loads(body)
            bad = [record["alertId"] for record in records if record["alertId"] in tom.bad]
            if bad:
                return self.answer(tom.bad[bad[0]], f"bad message {bad[0]}")
            with tom.alone:
                tom.lists.append(records)
            if fault == "unanswered":
                return self.hold()
            self.answer(200, json.dumps({"message": f"{len(records)} saved"}))

    return Handler
