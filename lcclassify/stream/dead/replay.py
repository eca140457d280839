"""Dead letters of a topic, back to where they came from: once each where one cluster has both."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import NamedTuple, Self

from lcclassify.errors import InputError
from lcclassify.grouped_log import GroupedLog
from lcclassify.sinks.kafka import AtLeastOnce, Delivery, ExactlyOnce, Handled
from lcclassify.sources.kafka import Intake
from lcclassify.stream.brokers.check import check_brokers, exactly_once_possible
from lcclassify.stream.brokers.offsets import LATEST, open_offsets
from lcclassify.stream.dead.headers import read_origin, to_replay
from lcclassify.stream.loop import run
from lcclassify.stream.message import Message, Outgoing, Work
from lcclassify.stream.settings import Client, Input, Model, Settings
from lcclassify.stream.topics import OneTopic
from lcclassify.task import Output

BATCH = 100  # letters that count together
WAIT_S = 1.0  # for so many

log = logging.getLogger("lcclassify.stream")


@dataclass(frozen=True, slots=True)
class Replay:
    """What is fed back, and where it goes."""

    source: str  # a topic, or a folder
    target: Client  # the cluster of the stream's input
    letters: Client | None = None  # the cluster that has a topic of letters; None: a folder
    to: str | None = None  # another topic than the one that each letter came from
    group: str | None = None  # that remembers what of a topic of letters was replayed
    limit: int | None = None  # letters
    debug: bool = False


class Candidate(NamedTuple):
    """What is told of a letter that would be replayed."""

    place: str  # of the message that it was
    topic: str  # that it would go to
    replays: str  # before
    stage: str
    error: str


def candidate(letter: Outgoing, to: str | None) -> Candidate:
    """Of a letter. InputError if it is none."""
    origin = read_origin(letter.headers)
    facts = origin.facts
    topic = to or origin.topic
    return Candidate(origin.place, topic, facts["replays"], facts["stage"], facts["error"])


class Listing:
    """A delivery that delivers nothing: it lists what would be sent."""

    def __init__(self, to: str | None) -> None:
        self.found: list[Candidate] = []
        self._to = to

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing was opened."""

    def deliver(self, work: Work, intake: Handled) -> Work:
        """Nothing is sent, and nothing counts."""
        self.found += [candidate(letter, self._to) for letter in work.outgoing]
        return work


def list_topic(told: Replay, letters: Client, stop: Event) -> list[Candidate]:
    """What is there that was not replayed yet. BrokerError"""
    settings = _as_stream(told, letters)
    check_brokers(settings)
    listing = Listing(told.to)
    _run(settings, _letters_of, listing, stop)
    return listing.found


def replay_topic(told: Replay, letters: Client, stop: Event) -> int:
    """Send what was not replayed yet; how many that are. BrokerError

    A batch, and that the group has read it, is one transaction if one cluster has both topics.
    """
    settings = _as_stream(told, letters)
    obstacle = exactly_once_possible(settings, check_brokers(settings))
    delivery: Delivery
    if obstacle:
        log.info("replay at least once: %s", obstacle)
        delivery = AtLeastOnce({"results": told.target})
    else:
        delivery = ExactlyOnce(told.target, settings.input.group_id, may_renew=False)

    def restore(messages: Sequence[Message]) -> Work:
        found = _letters_of(messages).outgoing
        return Work([to_replay(letter, told.to) for letter in found], n_answered=len(found))

    return _run(settings, restore, delivery, stop)


def _as_stream(told: Replay, letters: Client) -> Settings:
    """A replay is a stream from the topic of letters to the cluster of the other one's input."""
    group = told.group or f"{told.source}-replay"
    return Settings(
        input=Input(letters, group, (told.source,), batch_size=BATCH, limit=told.limit),
        model=Model("none"),
        output=Output(),
        results=told.target,
        topics=OneTopic(told.to) if told.to else None,
        transactional_id=group,
    )


def _run(
    settings: Settings, step: Callable[[Sequence[Message]], Work], delivery: Delivery, stop: Event
) -> int:
    """Up to what is there now: a letter that comes back in the meantime waits for the next time."""
    told = settings.input
    ends = {(place.topic, place.number): n for place, n in open_offsets(told).at(LATEST).items()}
    intake = Intake(
        told.client,
        told.group_id,
        told.topics,
        batch_size=told.batch_size,
        timeout_s=WAIT_S,
        until_end=True,
        limit=told.limit,
        ends=ends,
        stop=stop,
    )
    with delivery, intake:
        return run(intake, step, delivery).n_answered


def _letters_of(messages: Sequence[Message]) -> Work:
    """The letters as they were sent; what is none is passed over."""
    letters, faults = [], GroupedLog(log, "letter")
    for message in messages:
        letter = Outgoing("dead", message.topic, message.key, message.value, message.headers)
        try:
            read_origin(letter.headers)
        except InputError as error:
            faults.add("cannot be replayed", message.place, str(error))
        else:
            letters.append(letter)
    faults.tell()
    return Work(letters, n_answered=len(letters), n_skipped=len(messages) - len(letters))
