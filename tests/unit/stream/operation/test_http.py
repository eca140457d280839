import socket

import httpx
import pytest

from lcclassify.errors import SettingsError
from lcclassify.stream.operation.http import Answer, serve, verdict

PAGES = {
    "/healthz": lambda accept: verdict("alive", None),
    "/readyz": lambda accept: verdict("ready", "it waits"),
    "/echo": lambda accept: Answer(200, "text/plain", accept.encode()),
    "/broken": lambda accept: 1 / 0,
}


@pytest.fixture
def client():
    with serve(0, PAGES) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


def test_verdicts_are_json_with_the_reason_why_not(client):
    well, not_well = client.get("/healthz?verbose"), client.get("/readyz")
    assert (well.status_code, well.json()) == (200, {"alive": True})
    assert (not_well.status_code, not_well.json()) == (503, {"ready": False, "reason": "it waits"})
    assert not_well.headers["Content-Type"] == "application/json"


def test_pages_know_what_is_accepted(client):
    assert client.get("/echo", headers={"Accept": "application/x"}).text == "application/x"


def test_head_has_the_headers_alone(client):
    answer = client.head("/readyz")
    assert (answer.status_code, answer.content) == (503, b"")
    assert int(answer.headers["Content-Length"]) == len(client.get("/readyz").content)


def test_other_paths_and_methods_are_refused(client):
    assert client.get("/").status_code == 404
    assert client.get("/").text == "there is /healthz, /readyz, /echo, /broken\n"
    assert client.post("/healthz").status_code == 501


def test_it_does_not_say_what_it_is_made_of(client):
    assert client.get("/").headers["Server"] == "lcclassify"


def test_both_families_of_addresses_are_heard():
    with serve(0, PAGES) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        if socket.has_dualstack_ipv6():
            assert httpx.get(f"http://[::1]:{port}/healthz").status_code == 200


def test_a_taken_port_is_told():
    with serve(0, PAGES) as port, pytest.raises(SettingsError) as error, serve(port, PAGES):
        pass
    assert str(error.value) == (
        f"--http-port (HTTP_PORT): port {port} cannot be used: Address already in use; choose "
        "another, or 0 for any"
    )


def test_a_port_is_free_again_at_once():
    with serve(0, PAGES) as port:
        httpx.get(f"http://127.0.0.1:{port}/healthz")
    with serve(port, PAGES) as again:
        assert again == port


def test_a_page_that_fails_is_logged_and_the_server_goes_on(client, caplog):
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/broken")
    assert caplog.messages == ["a page could not be made"]
    assert client.get("/healthz").status_code == 200


def test_a_client_that_says_nothing_holds_up_nobody(client):
    address = client.base_url.host, client.base_url.port
    with socket.create_connection(address), socket.create_connection(address):
        assert client.get("/healthz", timeout=5).status_code == 200
