import io
from dataclasses import replace

import pytest
from rich.console import Console

from lcclassify.stream.operation.display import panel
from lcclassify.stream.operation.tally import N_DELAYS, RECENT_S, Tally

ABOUT = {"lcclassify": "0.1.0", "group": "g", "model": "toy", "version": "1.0"}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tally(clock):
    return Tally(clock)


def drawn(tally, width=100, about=ABOUT):
    """Lines, without the frame."""
    console = Console(file=io.StringIO(), width=width)
    console.print(panel(tally.shown(), about))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    return [line.strip("│╭╮╰╯─ ") for line in lines]


def test_before_the_first_batch_nothing_is_known(tally):
    assert drawn(tally) == [
        "lcclassify 0.1.0 · toy 1.0 · group g",
        "messages    0: answered 0, dead 0, skipped 0; 0 batches again",
        "rate        0.0/s now, 0.0/s since the start",
        "lag         no partitions",
        "delay       -",
        "last batch  -",
        "ms/message  decode 0.000, batch 0.000, score 0.000, encode 0.000, deliver 0.000",
        "classes     -",
        "up 0:00:00",
    ]


def test_rates_are_of_the_last_seconds_and_since_the_start(tally, clock, make_report):
    tally.assigned(frozenset({("in", 0)}))
    clock.now += 100
    for _ in range(4):
        tally.delivered(make_report(50, delay_s=4))
        clock.now += 5
    assert drawn(tally) == [
        "lcclassify 0.1.0 · toy 1.0 · group g",
        "messages    200: answered 192, dead 4, skipped 4; 0 batches again",
        "rate        10.0/s now, 1.7/s since the start",
        "lag         7 messages; partitions: 1",
        "delay       half within 4.0 s, 99 % within 4.0 s",
        "last batch  50 messages, 5.0 s ago",
        "ms/message  decode 2.000, batch 0.400, score 0.600, encode 0.800, deliver 0.600",
        "classes     LPV 100%",
        "up 0:02:00",
    ]
    clock.now += RECENT_S + 1
    shown = tally.shown()
    assert (shown.rate, shown.n_last) == (0, 50)
    assert shown.stages["decode"] == 2.0


def test_delays_are_those_of_the_last_messages(tally, make_report):
    tally.delivered(make_report(N_DELAYS, delay_s=3600))
    tally.delivered(make_report(N_DELAYS // 2, delay_s=1))
    median, most = tally.shown().delays_s
    assert (median, most) == pytest.approx((3600, 3600), abs=1)
    tally.delivered(make_report(N_DELAYS, delay_s=1))
    assert tally.shown().delays_s[1] == pytest.approx(1, abs=0.1)


def test_drift_and_the_shadow_model_have_lines_of_their_own(tally, drift, shadow):
    tally.drift(drift)
    tally.shadow(shadow)
    assert drawn(tally)[-3:-1] == [
        "drift       no W1-W2",
        "shadow      other@2.0: agrees on 97.0% of 100, dropped 20, failed 5",
    ]
    tally.drift(replace(drift, sentences=()))
    tally.shadow(replace(shadow, is_alive=False))
    lines = drawn(tally)
    assert lines[-3] == "drift       none"
    assert lines[-2].endswith("; it has ended")


def test_much_drift_leaves_room_for_the_rest(tally, drift):
    tally.drift(replace(drift, sentences=[f"no {n}" for n in range(180)]))
    assert "drift       no 0; no 1; no 2; and 177 more" in drawn(tally)


@pytest.mark.parametrize("width", [20, 40, 60, 300])
def test_it_fits_any_terminal(tally, make_report, drift, shadow, width):
    tally.delivered(make_report())
    tally.drift(drift)
    tally.shadow(shadow)
    assert len(drawn(tally, width)) >= 10


def test_names_are_not_taken_for_markup(tally, drift):
    tally.drift(replace(drift, sentences=("[bold]W1[/bold]",)))
    assert "drift       [bold]W1[/bold]" in drawn(tally, about=ABOUT | {"group": "[red]g"})
