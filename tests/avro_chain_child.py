"""Reads chains of named types in one of the ways in which schemas come; a process of its own.

Each is answered by a line of JSON: kind, links, and what came of it.
"""

import contextlib
import io
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path

from avro_hostile import LINKS, body_of_chain, chain
from mutations import with_schema

from lcclassify.cli import main as command
from lcclassify.errors import LcclassifyError
from lcclassify.stream.decoding.decoders import open_decoder
from lcclassify.stream.decoding.narrow import UnreadableError, Wants
from lcclassify.stream.settings import Client, Input

LENGTHS = (1, 31, 32, 60, 61, 62, 64, 200, 1000, 20_000)


class Registry(BaseHTTPRequestHandler):
    """Knows the schema of every chain: its id is the kind's number and the links."""

    def do_GET(self):
        kind, links = divmod(int(self.path.rpartition("/")[2]), 100_000)
        schema = json.dumps(chain(list(LINKS)[kind], links))
        body = json.dumps({"schema": schema}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def decoded(form, kind, links, folder, url):
    """What the stream reads of a message: its id and last field, or why not."""
    body, text = body_of_chain(kind, links), json.dumps(chain(kind, links))
    (folder / "chain.avsc").write_text(text)
    wants = Wants(frozenset(["oid", f"f{links - 1}"]), None, frozenset())
    told = Input(Client(""), "", (), form=form, schema=str(folder / "chain.avsc"), registry=url)
    number = list(LINKS).index(kind) * 100_000 + links
    framed = {
        "avro": with_schema(text.encode(), body),
        "schemaless": body,
        "confluent": b"\0" + number.to_bytes(4, "big") + body,
    }
    try:
        value = open_decoder(told, wants)(framed[form])
    except (LcclassifyError, UnreadableError) as error:
        return type(error).__name__, str(error)
    return "value", [value["oid"], value[f"f{links - 1}"]]


def commanded(name, kind, links, folder):
    """The exit code of a command, and what it says on standard error."""
    text = json.dumps(chain(kind, links)).encode()
    name, _, suffix = name.partition(" ")
    path = folder / f"chain{suffix or '.avro'}"
    whole = with_schema(text, body_of_chain(kind, links))
    path.write_bytes(text if suffix else whole)
    model = ["--model", "plasticc", "--id", "oid"] if name == "classify-file" else []
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            command([name, str(path), *model])
        except SystemExit as stop:
            return stop.code, errors.getvalue()
    return None, errors.getvalue()


def main():
    way, folder = sys.argv[1], Path(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    for kind, links in product(LINKS, LENGTHS):
        if way in ("avro", "schemaless", "confluent"):
            found = decoded(way, kind, links, folder, url)
        else:
            found = commanded(way, kind, links, folder)
        print(json.dumps([kind, links, *found]), flush=True)
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
