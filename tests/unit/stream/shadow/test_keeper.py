import logging
import time
from itertools import count
from pathlib import Path
from threading import Event

import pytest
from scene import until

from lcclassify.errors import ModelError, WorkerError
from lcclassify.stream.message import Message, Work
from lcclassify.stream.report import Counts, Observers, Report
from lcclassify.stream.settings import Client, Input, Model, Settings
from lcclassify.stream.shadow import keeper as keepers
from lcclassify.stream.shadow import process as processes
from lcclassify.stream.shadow.keeper import Keeper
from lcclassify.task import Output

TESTS = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def puppet(monkeypatch):
    """A process that does what it is told in the place of the shadow's."""
    monkeypatch.setattr(processes, "MODULE", "shadow_child")
    monkeypatch.setattr(keepers, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setenv("PYTHONPATH", str(TESTS))


def keeper(beginning="ready"):
    return Keeper(Settings(Input(Client(""), "g", ("t",)), Model(beginning), Output()))


def reports():
    """report(("first's answer", "shadow's answer"), ...): of a batch of its own."""
    numbers = count()

    def report(*pairs):
        offsets = [next(numbers) for _ in pairs]
        messages = [
            Message("t", 0, offset, (second or "").encode())
            for offset, (_, second) in zip(offsets, pairs, strict=True)
        ]
        best = {m.where: first for m, (first, _) in zip(messages, pairs, strict=True) if first}
        return Report(messages, Work(best=best), Counts(), {}, 0.0, {})

    return report


def done(shadow):
    shadow.finish(Event())
    return shadow.state


def test_both_models_answers_are_compared():
    report, told = reports(), []

    class Listener(Observers):
        def shadow(self, state):
            told.append(state)

    with keeper() as shadow:
        shadow.check()
        observer = shadow.beside(Listener())
        observer.delivered(report(("A", "A"), ("A", "B"), (None, "B")))
        observer.delivered(report(("B", "B"), ("B", None)))
        state = done(shadow)
        assert (state.model, state.n_messages, state.n_agree) == ("toy@1.0", 3, 2)
        assert (state.n_dropped, state.n_failed) == (0, 0)
        assert state.pairs == {
            ("A", "A"): 1,
            ("A", "B"): 1,
            (None, "B"): 1,
            ("B", "B"): 1,
            ("B", None): 1,
        }
        assert 0 < state.delay_s < 60
        assert told[0].is_alive
    assert told[-1] == shadow.state
    assert not told[-1].is_alive


def test_a_batch_that_it_dies_of_is_tried_twice_and_the_others_are_not_lost(caplog):
    report = reports()
    with keeper() as shadow:
        shadow.check()
        for answer in ("A", "die", "B", "C"):
            shadow.delivered(report(("A", answer), ("A", "A")))
        state = done(shadow)
    assert (state.n_messages, state.n_failed, state.n_dropped) == (6, 2, 0)
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 2
    assert errors[0] == "shadow: its process ended with -9; started again in 0.05 s"


def test_it_has_room_for_some_batches_and_never_waits(caplog):
    report = reports()
    with keeper() as shadow:
        shadow.check()
        begin = time.monotonic()
        for _ in range(50):
            shadow.delivered(report(("A", "sleep"), ("A", "A")))
        assert time.monotonic() - begin < 1
        assert 2 * (50 - keepers.MOST_BATCHES - keepers.AHEAD) <= shadow.state.n_dropped < 100
        shadow.finish(stop=stopped())
        begin = time.monotonic()
    assert time.monotonic() - begin < 3 * keepers.STOP_S
    assert shadow.state.n_dropped == 100
    lines = [line for line in caplog.messages if "behind" in line]
    assert lines == ["shadow: it is behind; dropped so far: 2 messages"]


def test_what_waits_is_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr(keepers, "MOST_BYTES", 10)
    report = reports()
    shadow = keeper()  # which is not started
    shadow.delivered(
        report(
            ("A", "more than 10 bytes"),
        )
    )
    shadow.delivered(
        report(
            ("A", "A"),
        )
    )
    assert shadow.state.n_dropped == 1


def stopped():
    event = Event()
    event.set()
    return event


def test_what_is_wrong_at_the_start_is_raised():
    with pytest.raises(ModelError) as error, keeper("refuse") as shadow:
        shadow.check()
    assert str(error.value) == "shadow: no such model"
    with pytest.raises(WorkerError) as error, keeper("die") as shadow:
        shadow.check()
    assert str(error.value) == "shadow: it could not be started, or died before it was ready"


def test_one_that_takes_its_time_is_not_waited_for(monkeypatch, caplog):
    monkeypatch.setattr(keepers, "START_S", 0.2)
    with keeper("sleep") as shadow:
        shadow.check()
        shadow.delivered(
            reports()(
                ("A", "A"),
            )
        )
        shadow.finish(stopped())
    assert caplog.messages[0] == "shadow: not ready after 0.2 s; the stream begins without it"
    assert shadow.state.n_dropped == 1


def test_at_the_end_it_is_waited_for_while_it_does_something(monkeypatch):
    monkeypatch.setattr(keepers, "IDLE_S", 0.5)
    monkeypatch.setattr(keepers, "STOP_S", 0.1)
    report = reports()
    with keeper() as shadow:
        shadow.check()
        shadow.delivered(report(("A", "A")))
        shadow.delivered(report(("A", "sleep")))
        until(lambda: shadow.state.n_messages == 1, lambda: shadow.state)
        begin = time.monotonic()
        shadow.finish(Event())
        assert 0.5 <= time.monotonic() - begin < 10
    assert (shadow.state.n_messages, shadow.state.n_dropped) == (1, 1)


def test_settings_that_cannot_be_handed_over_are_told_at_the_start():
    told = Settings(Input(Client(""), "g", ("t",)), Model("ready"), Output(), topics=object())
    with Keeper(told) as shadow:
        begun = time.monotonic()
        with pytest.raises(WorkerError, match=r"shadow: it cannot be handed .*: TypeError\("):
            shadow.check()
    assert time.monotonic() - begun < keepers.START_S / 2
