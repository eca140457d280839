"""The sink for a TOM, against a server that keeps Django's rules."""

import logging

import httpx
import pyarrow as pa
import pytest
import trustme
from tom_server import Tom

from lcclassify.errors import OutputError
from lcclassify.sinks import tom as sinks
from lcclassify.sinks.tom import TomSink
from lcclassify.stream.secret import Secret

USERS = {"alerce": "a secret & more"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(sinks, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(sinks, "TIMEOUT", httpx.Timeout(1.0))


@pytest.fixture
def tom():
    with Tom(USERS) as server:
        yield server


def of(tom, password=USERS["alerce"], **told):
    return TomSink(tom.url, "alerce", Secret(password), **told)


def write(sink, ids):
    with sink:
        sink.write(table(ids))
    return sink


def table(ids):
    classes = [[{"classId": 2222, "probability": 0.1}, {"classId": 300, "probability": 0.9}]]
    return pa.table({"alertId": ids, "diaSourceId": ids, "classifications": classes * len(ids)})


def refusal(sink, ids=(1,)):
    with pytest.raises(OutputError) as error:
        write(sink, ids)
    return str(error.value)


def test_lists_have_at_most_a_thousand_records(tom):
    write(of(tom), range(2500))
    assert [len(one) for one in tom.lists] == [1000, 1000, 500]
    assert tom.ids == list(range(2500))
    single = [{"classId": 2222, "probability": 0.10000000149011612}]
    assert tom.records[0]["classifications"][:1] == single
    assert tom.asked[:2] == [
        ("GET", "/accounts/login/", 200),
        ("POST", "/accounts/login/", 302),
    ]


def test_nobody_has_to_log_in_where_nobody_is_known():
    with Tom() as tom:
        write(TomSink(tom.url), [1])
    assert tom.ids == [1]


@pytest.mark.parametrize("fault", [503, 502, 500, 429, 408, "reset", "slow"])
def test_what_passes_is_waited_for(tom, fault, caplog):
    tom.faults.extend([fault, fault])
    write(of(tom), [1, 2])
    assert set(tom.ids) == {1, 2}
    assert len([line for line in caplog.messages if "; again in " in line]) == 2
    assert len(tom.statuses()) >= 1


def test_a_server_that_asks_for_time_gets_it(tom, caplog):
    tom.faults.append(429)
    write(of(tom), [1])
    [line] = caplog.messages
    assert line == f"{tom.url}: it answers 429 Too Many Requests (not now); again in 1.0 s"


def test_a_session_that_is_over_is_begun_anew(tom):
    with of(tom) as sink:
        for number in range(3):
            tom.faults.append("expire")
            sink.write(table([number]))
        assert tom.ids == [0, 1, 2]
        assert tom.statuses("POST") == [302] * 4
        tom.tokens.clear()
        sink.write(table([3]))
    assert tom.ids == [0, 1, 2, 3]


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_a_bad_record_is_left_out_and_no_other(tom, status, caplog):
    caplog.set_level(logging.DEBUG, "lcclassify.stream")
    tom.bad = {0: status, 7: status, 99: status}
    sink = write(of(tom), range(100))
    assert sorted(tom.ids) == [n for n in range(100) if n not in tom.bad]
    assert (sink.n_taken, sink.n_refused) == (97, 3)
    reason = f"it answers {status} {httpx.Response(status).reason_phrase}"
    assert [line for level, line in records(caplog) if level == logging.ERROR] == [
        f"3 records cannot be delivered to {tom.url}, the first alertId 0, diaSourceId 0: "
        f"{reason} (bad message 0)"
    ]
    assert sorted(line for level, line in records(caplog) if level == logging.DEBUG) == [
        f"alertId {n}, diaSourceId {n} cannot be delivered to {tom.url}: {reason} (bad message {n})"
        for n in (0, 7, 99)
    ]


def records(caplog):
    return [(record.levelno, record.getMessage()) for record in caplog.records]


def test_a_tom_that_takes_nothing_is_not_the_records_fault(tom):
    tom.bad = dict.fromkeys(range(100), 400)
    assert refusal(of(tom), range(100)) == (
        f"cannot write to {tom.url}: none of the first 10 records is taken: "
        "it answers 400 Bad Request (bad message 9)"
    )


def test_a_tom_that_crashes_at_everything_is_given_up(tom):
    tom.bad = {1: 500}
    assert refusal(of(tom, patience_s=0.5)) == (
        f"cannot write to {tom.url}: given up: it answers 500 Internal Server Error (bad message 1)"
    )


def test_patience_ends(tom):
    tom.faults.extend([503] * 1000)
    assert refusal(of(tom, patience_s=0.5)) == (
        f"cannot write to {tom.url}: given up: it answers 503 Service Unavailable (not now)"
    )


def test_a_server_that_asks_for_too_much_time_is_given_up_at_once(tom):
    tom.faults.append(429)
    assert refusal(of(tom, patience_s=0.5)) == (
        f"cannot write to {tom.url}: given up: "
        "it answers 429 Too Many Requests (not now), and asks for 1 s"
    )


def test_a_wrong_password_is_told_and_not_shown(tom):
    assert refusal(of(tom, "not this")) == (
        f"cannot write to {tom.url}: user 'alerce' or the password is wrong"
    )


def test_a_tom_that_wants_a_user_says_so(tom):
    assert refusal(TomSink(tom.url)) == (
        f"cannot write to {tom.url}: it wants a login; set TOM_USERNAME and TOM_PASSWORD"
    )


def test_a_wrong_url_is_told_without_its_query(tom):
    url = f"{tom.site}/elasticc2/other/"
    assert refusal(TomSink(f"{url}?key=1", "alerce", Secret(USERS["alerce"]))) == (
        f"cannot write to {url}: it answers 404 Not Found"
    )


def test_a_redirect_is_not_followed_with_the_password(tom):
    tom.faults.append("moved")
    assert refusal(of(tom)) == f"cannot write to {tom.url}: it is elsewhere: https://elsewhere/tom/"


def test_nobody_there_is_told(tom):
    assert refusal(TomSink("http://127.0.0.1:9/tom/", patience_s=0.3)) == (
        "cannot write to http://127.0.0.1:9/tom/: given up: "
        "the connection failed: [Errno 111] Connection refused"
    )


def test_certificates_are_checked(tmp_path, monkeypatch):
    authority = trustme.CA()
    with Tom(USERS, certificate=authority.issue_cert("127.0.0.1")) as tom:
        said = refusal(of(tom))
        assert said.startswith(f"cannot write to {tom.url}: its certificate is not trusted: ")
        assert said.endswith("; if it is your own authority's, name its file in SSL_CERT_FILE")
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        write(of(tom), [1])
        assert tom.ids == [1]
