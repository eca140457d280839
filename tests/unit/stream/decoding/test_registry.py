import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fastavro
import pytest

from lcclassify.errors import BrokerError
from lcclassify.stream.decoding import registry as module
from lcclassify.stream.decoding.narrow import UnreadableError, Wants
from lcclassify.stream.decoding.registry import Registry
from lcclassify.stream.secret import Secret

WANTS = Wants(frozenset(["oid"]), None, frozenset())
NO_SCHEMA = (404, b'{"error_code": 40403, "message": "Schema 7 not found"}')
USER = ("me", Secret("pass-word"))


class Server:
    """A schema registry that gives these answers, each as often as it is asked, but errors once."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, self.headers.get("Authorization")))
                found = outer.answers.get(self.path, NO_SCHEMA)
                status, body = found.pop(0) if isinstance(found, list) else found
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/registry/"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.01)


@pytest.fixture(scope="module")
def answer(schema):
    return json.dumps({"schema": json.dumps(schema)}).encode()


@pytest.fixture(scope="module")
def framed(schema, make_record):
    def write(oid, number=7):
        buffer = io.BytesIO(b"\x00" + number.to_bytes(4, "big"))
        buffer.seek(5)
        fastavro.schemaless_writer(buffer, schema, make_record(oid))
        return buffer.getvalue()

    return write


def test_a_schema_is_asked_for_once(answer, framed):
    with Server({"/registry/schemas/ids/7": (200, answer)}) as server:
        read = Registry(server.url, WANTS, USER)
        assert [read(framed(oid))["oid"] for oid in "abc"] == ["a", "b", "c"]
        basic = "Basic " + base64.b64encode(b"me:pass-word").decode()
        assert server.asked == [("/registry/schemas/ids/7", basic)]


def test_a_registry_that_stumbles_is_asked_again(answer, framed):
    answers = [(503, b""), (200, b"not json"), (200, answer)]
    with Server({"/registry/schemas/ids/7": answers}) as server:
        assert Registry(server.url, WANTS)(framed("a"))["oid"] == "a"


def test_a_registry_without_answers_is_no_fault_of_the_message(framed):
    with Server({"/registry/schemas/ids/7": (500, b"")}) as server:
        read = Registry(server.url.replace("//", "//me:pass-word@"), WANTS)
        with pytest.raises(BrokerError) as error:
            read(framed("a"))
        url = server.url
        assert str(error.value) == f"the schema registry {url} gives no answer: status 500"
        assert len(server.asked) == module.ATTEMPTS
    with pytest.raises(BrokerError, match="gives no answer: .*refused"):
        Registry(url, WANTS)(framed("a"))


def test_a_registry_that_refuses_is_not_asked_again(framed):
    with Server({"/registry/schemas/ids/7": (401, b"")}) as server:
        with pytest.raises(BrokerError, match=r"refuses \(401\): check the user and password$"):
            Registry(server.url, WANTS, USER)(framed("a"))
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "the schema registry knows no schema 7"),
        ({"schema": "{"}, "schema 7 of the registry is no Avro schema"),
        ({"schema": "17"}, "schema 7 cannot be read: its schema is none"),
        ({"schemaType": "JSON", "schema": "{}"}, "schema 7 of the registry is not Avro, or has"),
        ({"references": [1], "schema": "{}"}, "schema 7 of the registry is not Avro, or has parts"),
    ],
)
def test_a_message_of_no_such_schema_is_refused_and_not_asked_for_again(body, reason, framed):
    answers = {} if body is None else {"/registry/schemas/ids/7": (200, json.dumps(body).encode())}
    with Server(answers) as server:
        read = Registry(server.url, WANTS)
        for _ in range(2):
            with pytest.raises(UnreadableError) as error:
                read(framed("a"))
            assert str(error.value).startswith(reason)
        assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"schema": 5}', b"[" * 100_000])
def test_an_answer_that_no_registry_gives_is_no_fault_of_the_message(body, framed):
    path = "/registry/schemas/ids/7"
    with Server({path: (200, body)}) as server:
        with pytest.raises(BrokerError) as error:
            Registry(server.url, WANTS)(framed("a"))
        what = f"the schema registry {server.url} gives no answer"
        assert str(error.value) == f"{what}: its answer holds no schema"
    with Server({path: (404, body)}) as server:
        with pytest.raises(BrokerError) as error:
            Registry(server.url, WANTS)(framed("a"))
        said = f"there is no schema registry at {server.url}: correct the URL"
        assert str(error.value) == said
        assert len(server.asked) == 1


@pytest.mark.parametrize("data", [b"", bytes(4), b"Obj\x01....", b"\x01\x00\x00\x00\x07"])
def test_a_message_without_frame_is_refused(data):
    with pytest.raises(UnreadableError, match="does not begin with a zero and the id of a schema"):
        Registry("http://127.0.0.1:1", WANTS)(data)
