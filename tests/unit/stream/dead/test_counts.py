import pytest

from lcclassify.errors import OutputError
from lcclassify.stream.config.gather import gather
from lcclassify.stream.config.read_settings import read_settings
from lcclassify.stream.message import Work
from lcclassify.stream.report import Counts
from lcclassify.stream.run import reconcile
from lcclassify.stream.settings import DeadLetters

TOLD = {
    "consumer.topics": "features",
    "consumer.server": "here:9092",
    "consumer.group_id": "group",
    "producer.server": "here:9092",
    "producer.topic_format": "results",
}


def test_every_message_is_answered_or_dead_or_skipped():
    counts = Counts()
    counts.add(10, Work(n_answered=7, n_dead=2, n_skipped=1))
    counts.add(5, Work(n_answered=5))
    reconcile(counts)
    assert (counts.n_messages, counts.n_answered, counts.n_dead, counts.n_skipped) == (15, 12, 2, 1)


@pytest.mark.parametrize("n_answered", [11, 13])
def test_counts_that_do_not_add_up_are_an_error(n_answered):
    with pytest.raises(OutputError) as caught:
        reconcile(Counts(n_messages=15, n_answered=n_answered, n_dead=2, n_skipped=1))
    assert str(caught.value) == (
        f"15 messages were handled, but answered {n_answered}, dead 2 and skipped 1 make "
        f"{n_answered + 3}: results were lost or doubled by a fault of lcclassify; report it, and "
        "read these messages again by --from"
    )


def test_a_limit_needs_no_place():
    settings = read_settings(gather(TOLD | {"dead_letters.max": "0.5"}, {}))
    assert settings.dead_letters == DeadLetters(None, 0.5)


def test_a_folder_goes_with_everything_and_a_topic_with_topics():
    told = {"output.to": "-", "dead_letters.to": "dead/"}
    found = read_settings(gather(TOLD | told, {})).dead_letters
    assert (str(found.folder), found.topic) == ("dead", None)
    found = read_settings(gather(TOLD | {"dead_letters.to": "dead"}, {})).dead_letters
    assert (found.folder, found.topic) == (None, "dead")
