"""Dead letters of a folder, back to where they came from, once each wherever it is killed."""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition
from filelock import FileLock, Timeout

from lcclassify.errors import BrokerError, InputError, OutputError
from lcclassify.grouped_log import GroupedLog
from lcclassify.sinks.kafka import ExactlyOnce, StaleError
from lcclassify.sinks.letter_files import LetterFiles, LetterName
from lcclassify.sources.kafka import PATIENCE_S, SLICE_S
from lcclassify.stream.brokers.clients import Watch, open_client, place, sentence
from lcclassify.stream.dead.headers import to_replay
from lcclassify.stream.dead.journal import Entry, read_journal, write_journal
from lcclassify.stream.dead.replay import BATCH, Candidate, Replay, candidate
from lcclassify.stream.loop import Pause
from lcclassify.stream.message import Outgoing, Work

LOCK = ".replay.lock"
T = TypeVar("T")

log = logging.getLogger("lcclassify.stream")


@dataclass(frozen=True, slots=True)
class Marker:
    """What counts as handled when a batch is sent: its id, as metadata of an offset."""

    consumer: Consumer
    entry: Entry

    @property
    def group(self) -> Any:
        """The group as a transaction takes it; it has no members."""
        return self.consumer.consumer_group_metadata()

    def attend(self, future: Future[T]) -> T:
        """Wait; no group has to be told."""
        return future.result()

    def offsets(self) -> list[TopicPartition]:
        """The id of the batch."""
        return [TopicPartition(self.entry.marker or "", 0, 0, metadata=self.entry.batch)]

    def commit(self) -> None:
        """Say so without a transaction. KafkaException"""
        self.consumer.commit(offsets=self.offsets(), asynchronous=False)


def list_folder(told: Replay, files: LetterFiles) -> list[Candidate]:
    """What is there. Whether a batch that a kill left was sent is not asked."""
    names = files.names()[: told.limit]
    return [candidate(letter, told.to) for _, letter in _read(files, names)]


def replay_folder(told: Replay, files: LetterFiles, stop: Event) -> int:
    """Send the letters that are there, and put them away; how many that are.

    InputError, BrokerError, OutputError
    """
    with _alone(files):
        entry = read_journal(files.folder)
        with ExactlyOnce(told.target, entry.group, may_renew=False) as delivery:
            watch = Watch(place("input", told.target))
            ours = {"group.id": entry.group, "enable.auto.commit": "false"}
            consumer = open_client(Consumer, told.target, watch, ours)
            try:
                return _Sender(files, delivery, consumer, watch, stop).send(entry, told)
            finally:
                consumer.close()


@dataclass(frozen=True, slots=True)
class _Sender:
    files: LetterFiles
    delivery: ExactlyOnce
    consumer: Consumer
    watch: Watch
    stop: Event

    def send(self, entry: Entry, told: Replay) -> int:
        """All that is there now, batch by batch."""
        n_sent = self._settle(entry)
        if n_sent:
            log.info("%d letters had been replayed before a replay was killed", n_sent)
        entry = entry.ended()
        names = self.files.names()[: told.limit]
        n_done = 0
        for start in range(0, len(names), BATCH):
            if self.stop.is_set():
                break
            found = list(_read(self.files, names[start : start + BATCH]))
            if found:
                letters = [to_replay(letter, told.to) for _, letter in found]
                self._send(entry.begun(letters[0].topic, tuple(n for n, _ in found)), letters)
                n_done += len(found)
        return n_sent + n_done

    def _send(self, entry: Entry, letters: Sequence[Outgoing]) -> None:
        """One batch, until it is known to have been sent."""
        pause = Pause()
        write_journal(self.files.folder, entry)
        while True:
            try:
                self.delivery.deliver(Work(letters), Marker(self.consumer, entry))
                break
            except StaleError as stale:
                log.warning("%d letters are looked at again: %s", len(letters), stale)
                time.sleep(pause.after(stale))
                if self._was_sent(entry):
                    break
        self._put_away(entry)

    def _settle(self, entry: Entry) -> int:
        """Put away what a killed replay has sent; how many letters that are."""
        if entry.batch is None or not self._was_sent(entry):
            return 0
        self._put_away(entry)
        return len(entry.letters)

    def _put_away(self, entry: Entry) -> None:
        self.files.put_away(entry.letters)
        write_journal(self.files.folder, entry.ended())

    def _was_sent(self, entry: Entry) -> bool:
        """Whether the group's offset has the id of the batch. BrokerError if it cannot be had"""
        deadline = time.monotonic() + PATIENCE_S
        asked = [TopicPartition(entry.marker or "", 0)]
        while True:
            try:
                [found] = self.consumer.committed(asked, 10.0)
                error = found.error
            except KafkaException as exception:
                error = exception.args[0]
            if error is None:
                return bool(found.metadata == entry.batch)
            self.consumer.poll(SLICE_S)  # hear why
            self.watch.raise_if_final()
            if time.monotonic() > deadline:
                reason = sentence(error, self.watch.where)
                raise BrokerError(f"it cannot be known what was replayed: {reason}")


def _read(files: LetterFiles, names: Sequence[LetterName]) -> Iterator[tuple[LetterName, Outgoing]]:
    """Letters; those that cannot be read stay where they are."""
    faults = GroupedLog(log, "letter")
    for name in names:
        try:
            yield name, files.read(name)
        except InputError as error:  # which begins with the file's path
            faults.add("cannot be replayed", str(name), str(error), kind="damaged")
    faults.tell()


@contextmanager
def _alone(files: LetterFiles) -> Iterator[None]:
    """OutputError while another replay of the folder is at work."""
    try:
        with FileLock(files.folder / LOCK).acquire(timeout=0):
            yield
    except Timeout:
        raise OutputError(f"{files.folder}: another replay of it is at work; wait for it") from None
