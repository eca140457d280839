import pytest

from lcclassify.errors import InputError
from lcclassify.stream.fitting import fitting
from lcclassify.stream.message import Message, Work


def messages(count):
    return [Message("features", 0, offset, b"") for offset in range(count)]


def step_with(*misfits):
    """A step whose calls find so many misfits each."""
    found = iter(misfits)
    return fitting(
        lambda batch: Work(misfits=["its bytes are no value of its schema"] * next(found))
    )


def test_a_topic_of_which_nothing_fits_is_refused_before_it_counts():
    step = step_with(4, 4, 4)
    assert step(messages(4)).misfits == step(messages(4)).misfits
    with pytest.raises(InputError) as error:
        step(messages(4))
    assert str(error.value) == (
        "none of the first 12 messages can be answered; features [0] at offset 3: its bytes are "
        "no value of its schema; check --consumer-topics, --input-format and --model"
    )


def test_once_a_message_fits_bad_ones_are_only_counted():
    step = step_with(9, 2, 500)
    for count in (9, 3, 500):
        step(messages(count))


def test_few_bad_messages_say_nothing():
    assert len(step_with(9)(messages(9)).misfits) == 9
