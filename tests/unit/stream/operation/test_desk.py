import io
import json
import sys

import pytest

from lcclassify.errors import BrokerError
from lcclassify.stream.operation.desk import Desk
from lcclassify.stream.settings import Client, Input, Model, Operation, Settings
from lcclassify.task import Output


class Terminal(io.StringIO):
    def isatty(self):
        return True


def make_settings(to="-", **told):
    reading = Input(Client("nowhere:9092"), "the group", ("in",))
    return Settings(reading, Model("plasticc"), Output(), to=to, operation=Operation(**told))


@pytest.mark.parametrize(
    ("stderr", "stdout", "to", "told", "is_shown"),
    [
        (Terminal, io.StringIO, "-", {}, True),
        (Terminal, Terminal, "kafka", {}, True),
        (Terminal, Terminal, "-", {}, False),  # between the results
        (io.StringIO, Terminal, "kafka", {}, False),
        (Terminal, Terminal, "kafka", {"display": "off"}, False),
        (Terminal, Terminal, "kafka", {"log_form": "json"}, False),
    ],
)
def test_figures_are_shown_on_a_terminal_of_their_own(
    monkeypatch, stderr, stdout, to, told, is_shown
):
    monkeypatch.setattr(sys, "stderr", stderr())
    monkeypatch.setattr(sys, "stdout", stdout())
    assert Desk(make_settings(to, **told))._has_terminal() is is_shown


def test_an_error_is_told_once_in_the_form_of_the_log(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with pytest.raises(BrokerError) as error, Desk(make_settings(log_form="json")):
        raise BrokerError("nobody\nthere")
    [line] = sys.stderr.getvalue().splitlines()
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("critical", "nobody there")
    assert error.value.is_told
    with pytest.raises(BrokerError) as error, Desk(make_settings()):
        raise BrokerError("nobody there")
    assert not error.value.is_told


def test_a_fault_of_ours_is_one_line_too(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with pytest.raises(SystemExit) as end, Desk(make_settings(log_form="json")):
        raise ZeroDivisionError
    assert end.value.code == 1
    [line] = sys.stderr.getvalue().splitlines()
    assert json.loads(line)["exception"].endswith("ZeroDivisionError\n")


def test_without_a_port_nothing_is_served():
    with Desk(make_settings()) as desk:
        desk.serve()
        assert desk._figures is None
