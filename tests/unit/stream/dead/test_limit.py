from hypothesis import given
from hypothesis import strategies as st

from lcclassify.errors import InputError
from lcclassify.stream.dead.limit import limited
from lcclassify.stream.message import Letter, Message, Work


def messages(pattern):
    return [Message("in", 0, n, b"bad" if is_bad else b"") for n, is_bad in enumerate(pattern)]


def step(batch):
    return Work(letters=[Letter(m, "decode", "it is bad") for m in batch if m.value])


def stops_at(pattern, max_share, size):
    """How many messages were let pass, and what was said then; None if all were."""
    bounded = limited(step, max_share)
    every = messages(pattern)
    for start in range(0, len(every), size):
        try:
            bounded(every[start : start + size])
        except InputError as error:
            return start, str(error)
    return None


def test_a_share_above_the_limit_stops_it():
    assert stops_at([False] * 95 + [True] * 5, 0.05, 10) is None
    assert stops_at([True] * 99, 0.0, 10) is None  # so few say nothing
    assert stops_at([False] * 95 + [True] * 6, 0.05, 50) == (
        100,
        "6 of the last 101 messages cannot be answered, more than --max-dead-letters 0.05 allows; "
        "in [0] at offset 100: it is bad; nothing of this batch counts: put right what sends them, "
        "or allow more, and start again",
    )


def test_what_is_long_ago_is_forgotten():
    early = [False] * 900 + [True] * 100
    assert stops_at(early + [False] * 1000 + [True] * 100, 0.1, 500) is None
    assert stops_at([*early, True], 0.1, 500) is not None


PATTERN = st.lists(st.booleans(), min_size=90, max_size=300)


@given(PATTERN, st.floats(0, 1), st.integers(1, 50), st.integers(1, 50))
def test_the_size_of_batches_changes_nothing(pattern, max_share, size, other):
    found, again = stops_at(pattern, max_share, size), stops_at(pattern, max_share, other)
    assert (found and found[1]) == (again and again[1])


def test_a_batch_that_comes_again_counts_once():
    bounded = limited(step, 0.1)
    batch = messages([False] * 90 + [True] * 10)
    for _ in range(20):
        assert len(bounded(batch).letters) == 10
