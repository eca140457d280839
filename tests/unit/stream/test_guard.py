import logging
from dataclasses import replace

import numpy as np
import pytest

from lcclassify.bundle import Feature, Range
from lcclassify.errors import DriftError
from lcclassify.stream.guard import CALM, EARLY, REMIND, Guard
from lcclassify.stream.message import Message, Work
from lcclassify.stream.report import Counts, Observers, Report
from lcclassify.stream.settings import Drift
from lcclassify.stream.step import open_step
from lcclassify.tally import Tally, total
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import TOY_FEATURES, make_bundle

FEATURES = (
    Feature("W1-W2", ("W1-W2",), 0.2),
    Feature("PPE", ("PPE",), 0.0, Range(0.05, 500.0, 0.002)),
    Feature("rb", ("rb",), None),
)
CLASSES = Taxonomy.from_children(["Periodic", "Transient"], {})
BUNDLE = make_bundle(CLASSES, FEATURES, {"Periodic": 0.7, "Transient": 0.3})
GONE = "W1-W2 is missing in 100.0% of the objects; 20.0% in training"


class States(Observers):
    """Remembers what it is told."""

    def __init__(self):
        super().__init__()
        self.told, self.n_delivered = [], 0

    def delivered(self, report):
        self.n_delivered += 1

    def drift(self, state):
        self.told.append(state)


def work(n_objects, missing=0.2, outside=0.0, periodic=0.7):
    """What a batch of so many objects leads to, with these shares."""
    n_periodic = round(n_objects * periodic)
    return Work(
        tally=Tally(
            BUNDLE,
            n_objects,
            np.array([round(n_objects * missing), 0, 0]),
            np.array([0, round(n_objects * outside), 0]),
            np.array([n_periodic, n_objects - n_periodic]),
        )
    )


def deliver(guard, *works):
    for each in works:
        guard.delivered(Report([], each, Counts(), {}, 0.0, {}))


@pytest.fixture
def states():
    return States()


@pytest.fixture
def said(caplog, monkeypatch):
    """What was logged, line by line."""
    monkeypatch.setattr(logging.getLogger("lcclassify.stream"), "propagate", True)
    caplog.set_level(logging.INFO, "lcclassify.stream")

    def lines():
        found = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return found

    return lines


def test_windows_as_in_training_are_told_to_observers_alone(states, said):
    deliver(Guard(Drift(window=1000), states), *[work(300)] * 9)
    assert (states.n_delivered, said()) == (9, [])
    first, second = states.told
    assert (first.number, first.n_objects, second.number, second.n_objects) == (1, 1200, 2, 1200)
    assert first.missing == {"W1-W2": 0.2, "PPE": 0.0, "rb": 0.0}
    assert first.outside == {"PPE": 0.0}
    assert (first.drifting, first.sentences) == (frozenset(), [])
    assert first.class_shift == pytest.approx(0)


def test_colours_that_went_missing_are_told_once_and_before_the_window_is_full(states, said):
    guard = Guard(Drift(), states)
    deliver(guard, *[work(100)] * 20, *[work(100, missing=1)] * 5)
    assert said() == [f"drift: {GONE} (window 2, 500 objects)"]
    assert states.told[-1].drifting == {"W1-W2"}
    assert states.told[-1].missing["W1-W2"] == 1
    assert states.told[-1].sentences == [GONE]
    deliver(guard, *[work(100, missing=1)] * 40)
    assert said() == []
    assert [(state.number, state.n_objects) for state in states.told] == [
        (1, 2000),
        (2, 500),
        (3, 2000),
        (4, 2000),
    ]


@pytest.mark.parametrize("n_before", range(0, 2000, 50))
def test_a_change_is_caught_within_one_window_wherever_it_comes(n_before, states, said):
    guard = Guard(Drift(window=2000), states)
    deliver(guard, *[work(50)] * (n_before // 50))
    n_after = 0
    while not said():
        deliver(guard, work(50, missing=1))
        n_after += 50
    assert n_after <= 2000


def test_each_thing_has_a_line_that_names_it(states, said):
    deliver(Guard(Drift(), states), work(2000, missing=1, outside=0.5, periodic=0))
    where = "(window 1, 2000 objects)"
    assert said() == [
        "drift: 70% of the answers are of other classes than in training, where at most 30% are "
        f"usual: now (then) Periodic 0.0% (70.0%), Transient 100.0% (30.0%) {where}",
        f"drift: {GONE} {where}",
        "drift: PPE is outside 0.05 to 500 in 50.0% of the objects that have it; at most 0.2% "
        f"in training {where}",
    ]
    assert states.told[0].drifting == {"W1-W2", "PPE"}
    assert states.told[0].class_shift == pytest.approx(0.7)


def test_drift_that_is_over_is_told_and_can_come_again(states, said):
    guard = Guard(Drift(window=500), states)
    deliver(guard, work(500, missing=1), *[work(500)] * (CALM - 1))
    assert len(said()) == 1
    deliver(guard, work(500))
    assert said() == ["drift is over: W1-W2 (missing) (window 4, 500 objects)"]
    deliver(guard, work(500, missing=1))
    assert said() == [f"drift: {GONE} (window 5, 500 objects)"]


def test_a_share_that_comes_and_goes_is_told_once(states, said):
    guard = Guard(Drift(window=500), states)
    deliver(guard, *[work(500, missing=0.51), work(500, missing=0.49)] * 10)
    assert len(said()) == 1
    assert [bool(state.drifting) for state in states.told] == [True, False] * 10


def test_drift_that_goes_on_is_told_again_now_and_then(states, said):
    guard = Guard(Drift(window=500), states)
    deliver(guard, *[work(500, missing=1, periodic=0)] * REMIND)
    assert len(said()) == 1
    deliver(guard, *[work(500, missing=1, periodic=0)] * REMIND)
    assert said() == ["drift goes on: W1-W2 (missing) (window 51, 500 objects)"]


def test_what_is_left_in_the_end_is_looked_at_if_it_says_anything(states, said):
    guard = Guard(Drift(), states)
    deliver(guard, work(99, missing=1))
    guard.end()
    assert (said(), states.told) == ([], [])
    deliver(guard, work(1, missing=1))
    guard.end()
    assert said() == [f"drift: {GONE} (window 1, 100 objects)"]
    guard.end()
    assert said() == []


def test_batches_without_a_tally_are_not_watched(states, said):
    guard = Guard(Drift(), states)
    deliver(guard, *[Work()] * 3000)
    guard.end()
    assert (said(), states.told, states.n_delivered) == ([], [], 3000)


def stopping(guard, works):
    """The guard's step with answers made beforehand."""
    answers = iter(works)
    return guard.watch(lambda messages: next(answers))


def test_it_stops_before_wrong_answers_are_delivered(states):
    guard = Guard(Drift("stop"), states)
    batches = [work(1000), work(1000), work(1000, missing=1)]
    step = stopping(guard, batches)
    for batch in batches[:2]:
        assert step([]) is batch
        deliver(guard, batch)
    with pytest.raises(DriftError) as error:
        step([Message("in", 0, n, b"") for n in range(1000)])
    assert str(error.value) == (
        f"{GONE}; stopped before the last 1000 messages were delivered: --on-drift warn goes on "
        "with them"
    )
    assert [state.drifting for state in states.told] == [frozenset()]


def test_small_batches_stop_it_before_the_window_is_full(states):
    guard = Guard(Drift("stop"), states)
    batches = [work(100, missing=1)] * 5
    step = stopping(guard, batches)
    for batch in batches[:4]:
        deliver(guard, step([]))
        assert batch.tally.n_objects < EARLY
    with pytest.raises(DriftError, match="W1-W2 is missing in 100.0% of the objects"):
        step([])


def test_too_few_to_be_looked_at_before_are_an_error_in_the_end(states):
    guard = Guard(Drift("stop"), states)
    deliver(guard, work(400, missing=1))
    with pytest.raises(DriftError) as error:
        guard.end()
    assert str(error.value) == (
        f"{GONE}; the last 400 objects were too few to be looked at before they were delivered"
    )


def test_a_batch_that_is_answered_again_counts_once(states):
    """It is asked for as often as its delivery fails, and delivered once."""
    guard = Guard(Drift("stop"), states)
    step = stopping(guard, [work(300, missing=0.9)] * 9)
    for _ in range(8):
        step([])  # 300 objects every time: nothing is due
        guard.repeated(300, "stale")
    deliver(guard, step([]))
    assert states.told == []


def test_to_warn_leaves_the_step_alone(states):
    def step(messages):
        return Work()

    assert Guard(Drift("warn"), states).watch(step) is step
    assert Guard(Drift("off"), states).watch(step) is step


def test_the_step_counts_what_it_answers(toy, make_settings, contain, make_record, messages):
    nothing = dict.fromkeys(TOY_FEATURES, 0.5) | {"W1-W2": None}
    values = [contain(make_record("a")), contain(make_record("b", nothing)), b"broken"]
    values.append(contain(make_record("c") | {"features": None}))
    told = make_settings(toy)
    tally = open_step(told)(messages(values)).tally
    assert tally.bundle.label == "toy@1.0"
    assert (tally.n_objects, tally.n_missing.tolist()) == (2, [0, 0, 1, 0])
    assert sum(tally.classes.values()) == 2
    step = open_step(told)
    alone = [step(messages([value])).tally for value in values]
    assert total(alone).n_missing.tolist() == tally.n_missing.tolist()
    assert total(alone).classes == tally.classes
    off = open_step(replace(told, drift=Drift("off")))
    assert off(messages(values)).tally is None


def test_the_start_says_what_the_card_knows(toy, make_settings, said):
    told = make_settings(toy)
    open_step(told)
    assert said() == [
        "drift: the card of toy@1.0 knows the missing values of 0 of 4 features, the ranges of 0, "
        "no shares of classes; a feature that no object has is always told"
    ]
    open_step(replace(told, drift=Drift("off")))
    assert said() == []


def unanswered(n_messages):
    """A batch without an object that has an answer."""
    messages = [Message("t", 0, offset, b"") for offset in range(n_messages)]
    return Report(messages, Work(), Counts(), {}, 0.0, {})


def test_messages_none_of_which_is_answered_are_told_once(states, said):
    guard = Guard(Drift(window=1000), states)
    for _ in range(9):
        guard.delivered(unanswered(300))
    assert said() == ["drift: none of the last 1200 messages has an answer"]
    deliver(guard, work(1))
    assert said() == ["drift is over: after 2700 messages, one has an answer again"]
    for _ in range(3):
        guard.delivered(unanswered(300))
    assert said() == []
    quiet = Guard(Drift("off", 100), states)
    quiet.delivered(unanswered(300))
    assert said() == []


def test_a_stream_that_is_to_stop_does_not_go_on_without_answers(states):
    guard = Guard(Drift("stop", 1000), states)
    step = guard.watch(lambda messages: Work())
    for _ in range(3):
        batch = unanswered(300)
        guard.delivered(replace(batch, work=step(batch.messages)))
    with pytest.raises(DriftError) as error:
        step(batch.messages)
    assert str(error.value) == (
        "none of the last 1200 messages has an answer; stopped before the last 300 messages were "
        "delivered: --on-drift warn goes on with them"
    )
