"""Step: from a batch of messages to everything that is sent on, without a broker."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import compress
from typing import NamedTuple, Protocol

import pyarrow as pa

from lcclassify.drift import known_of
from lcclassify.errors import LcclassifyError, SettingsError
from lcclassify.grouped_log import GroupedLog
from lcclassify.predictors import load_predictor
from lcclassify.remarks import USUAL, Kind, Remark, all_remarks, kind_sentences
from lcclassify.resolve import resolve_model
from lcclassify.schemas.avro import AvroOutput
from lcclassify.sources.records import Record
from lcclassify.status import Problem, Status
from lcclassify.stream.answers import Sent, ToTable, ToTopic, headers_of
from lcclassify.stream.batches import Batches
from lcclassify.stream.config.chosen_model import SCHEMAS
from lcclassify.stream.config.classes import answers_for, require_kind
from lcclassify.stream.dead.faults import Fault, find_faults, misfits
from lcclassify.stream.dead.headers import refuse_too_large, to_outgoing
from lcclassify.stream.decoding.decoders import open_decoder
from lcclassify.stream.decoding.narrow import UnreadableError
from lcclassify.stream.encoders import open_encoder
from lcclassify.stream.message import Letter, Message, Outgoing, Stage, Where, Work, spans_of
from lcclassify.stream.metrics import to_metrics
from lcclassify.stream.settings import Settings
from lcclassify.stream.stages import Stages
from lcclassify.tally import Tallier, Tally, total

log = logging.getLogger("lcclassify.stream")
Clock = Callable[[], datetime]


class Step(Protocol):
    """What is done with a batch; stateless between calls."""

    def __call__(self, messages: Sequence[Message], /) -> Work:
        """Answer every message. Those that cannot be read or answered are logged and counted."""


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


def open_step(settings: Settings, *, clock: Clock = utc_now) -> "MessageStep":
    """Load the model, and open what its answers are written as.

    ModelError, InputError or SettingsError if they do not fit each other.
    """
    return MessageStep(settings, clock)


class _Row(NamedTuple):
    """A message and what was read of it."""

    message: Message
    record: Record
    problem: Problem | None = None  # why nothing was
    stage: Stage = "decode"  # in which that showed


@dataclass(frozen=True, slots=True)
class _Part:
    """What some of the messages lead to."""

    results: Sequence[Outgoing] = ()
    commands: Sequence[Outgoing] = ()
    table: pa.Table | None = None
    statuses: Counter[str] = field(default_factory=Counter)
    remarks: Mapping[Remark, int] = field(default_factory=dict)
    first: Mapping[Kind, str] = field(default_factory=dict)  # what was said -> the first place
    best: Mapping[Where, str] = field(default_factory=dict)
    tally: Tally | None = None
    n_answered: int = 0
    n_skipped: int = 0
    letters: Sequence[Letter] = ()
    misfits: Sequence[str] = ()


class MessageStep:
    """A step, whose parts can be looked at one by one."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        model, output, self._clock = settings.model, settings.output, clock
        bundle = resolve_model(model.name, quantiles=model.quantiles, offline=model.offline)
        require_kind(bundle, model.expected)
        self.bundle = bundle
        self._settings = settings
        survey = answers_for(bundle)
        output = replace(output, survey=output.survey or survey)
        if settings.to == "kafka" and output.schema is None:
            output = replace(output, schema=SCHEMAS[survey])
        schema = output.open(bundle)
        self._model = headers_of(bundle)
        self.results: ToTopic | ToTable
        if settings.to == "kafka" and settings.results and isinstance(schema, AvroOutput):
            encode = open_encoder(schema.schema_name, settings.encoding)
            self.results = ToTopic("results", schema, encode, settings.results.max_bytes)
        else:
            self.results = ToTable(schema)
        self._is_flat = not isinstance(schema, AvroOutput)
        self.commands = None
        outputs = [schema] if isinstance(schema, AvroOutput) else []
        if settings.scribe is not None:
            commands = replace(
                output, schema=settings.scribe_form, tidy=False, top=None, hierarchy=False
            ).open(bundle)
            if not isinstance(commands, AvroOutput):
                raise SettingsError(f"{settings.scribe_form} is no form of scribe commands")
            encode = open_encoder(commands.schema_name, settings.encoding)
            most = settings.scribe.client.max_bytes
            self.commands = ToTopic("scribe", commands, encode, most)
            outputs.append(commands)
        self.batches = Batches(bundle, outputs, model, settings.input.id_name)
        self.decode = open_decoder(settings.input, self.batches.wants)
        self.predictor = load_predictor(
            bundle,
            min_coverage=0.0,
            min_object_coverage=model.min_object_coverage,
            reference_nulls=settings.reference_nulls,
            threads=model.threads,
            device=model.device,
        )
        self.tally = None
        if settings.drift.policy != "off":
            self.tally = Tallier(bundle)
            log.info("drift: %s", known_of(bundle))

    def __call__(self, messages: Sequence[Message], /) -> Work:
        """Answer every message."""
        received, stages, faults = self._clock(), Stages(), GroupedLog(log)
        with stages("decode"):
            rows = [self._read(message, faults) for message in messages]
        kept = [row for row in rows if row.problem is None or self._has_rows_for_all]
        parts = self._answer(kept, received, stages, faults) if kept else []
        faults.tell()
        if unread := [] if self._has_rows_for_all else [row for row in rows if row.problem]:
            parts.append(self._left_out(unread))
        tables = [part.table for part in parts if part.table is not None]
        outgoing = [item for part in parts for item in part.commands]
        outgoing += [item for part in parts for item in part.results]
        letters = [letter for part in parts for letter in part.letters]
        dead = self._dead(letters)
        best = {where: name for part in parts for where, name in part.best.items()}
        classes = Counter(best.values())
        remarks = all_remarks(part.remarks for part in parts)
        self._tell(remarks, parts)
        if self._settings.operation.log_classes:
            told = ", ".join(f"{name} {n}" for name, n in classes.most_common())
            log.info("classes: %s", told or "none")
        metrics = to_metrics(
            self._settings, [row.record for row in rows], received=received, sent=self._clock()
        )
        return Work(
            outgoing=[*outgoing, *dead, *metrics],
            table=pa.concat_tables(tables) if tables else None,
            n_answered=sum(part.n_answered for part in parts),
            n_dead=len(dead),
            n_skipped=sum(part.n_skipped for part in parts),
            letters=letters,
            misfits=[
                *(row.problem.reason for row in rows if row.problem is not None),
                *(reason for part in parts for reason in part.misfits),
            ],
            statuses=dict(sum((part.statuses for part in parts), Counter())),
            remarks=remarks,
            classes=classes,
            best=best,
            tally=total(part.tally for part in parts),
            seconds=stages.seconds,
            spans=spans_of(messages),
        )

    @property
    def _has_rows_for_all(self) -> bool:
        """Whether the table of results has a row also for a message that cannot be answered."""
        return self._is_flat and self._settings.dead_letters.to is None

    def _read(self, message: Message, faults: GroupedLog) -> _Row:
        try:
            if message.value is None:
                raise UnreadableError("it has no value")
            return _Row(message, self.decode(message.value))
        except (LcclassifyError, MemoryError):  # as of a registry: no message is to blame
            raise
        except UnreadableError as error:
            reason = str(error)
        except Exception as error:  # that none of the checks foresaw
            reason = repr(error)
        faults.add("cannot be read", message.place, reason)
        return _Row(message, {}, Problem(Status.INVALID_RECORD, reason))

    def _answer(
        self, rows: Sequence[_Row], now: datetime, stages: Stages, faults: GroupedLog
    ) -> list[_Part]:
        """Answer messages; if that fails, each half of them, down to the one that is to blame."""
        try:
            return [self._part(rows, now, stages, faults)]
        except MemoryError:  # of which no message is to blame
            raise
        except Exception as error:  # that none of the checks foresaw
            failure = error
        if len(rows) > 1:
            half = len(rows) // 2
            return [
                *self._answer(rows[:half], now, stages, faults),
                *self._answer(rows[half:], now, stages, faults),
            ]
        [(message, _, problem, _)] = rows
        if problem is not None:  # nothing of the message was looked at
            raise failure
        reason = f"{type(failure).__name__}: {failure!s:.200}"
        faults.add(
            "cannot be answered", message.place, reason, level=logging.ERROR, failure=failure
        )
        told = Problem(Status.INVALID_RECORD, f"it cannot be answered: {reason}")
        row = _Row(message, {}, told, stages.last)
        if self._has_rows_for_all:
            return self._answer([row], now, stages, faults)
        return [self._left_out([row])]

    def _tell(self, remarks: Mapping[Remark, int], parts: Sequence[_Part]) -> None:
        """Log what is to be said of a batch, a line a kind, with the first place that is known.

        What is usual is no warning; another survey is drift, of which the guard tells once.
        """
        first = {kind: place for part in reversed(parts) for kind, place in part.first.items()}
        for kind, sentence in kind_sentences(remarks).items():
            where = f"; the first in {first[kind]}" if kind in first else ""
            is_told = kind is Kind.OTHER_SURVEY and self.tally is not None
            usual = is_told or kind in USUAL
            log.log(logging.INFO if usual else logging.WARNING, "%s%s", sentence, where)

    def _left_out(self, rows: Sequence[_Row]) -> _Part:
        """What comes of messages that cannot be read or scored, and have no row for that."""
        letters = [
            Letter(row.message, row.stage, row.problem.reason) for row in rows if row.problem
        ]
        is_dead = self._settings.dead_letters.to is not None
        return _Part(letters=letters, n_skipped=0 if is_dead else len(rows))

    def _part(
        self, rows: Sequence[_Row], now: datetime, stages: Stages, noted: GroupedLog
    ) -> _Part:
        unread = {n: row.problem for n, row in enumerate(rows) if row.problem is not None}
        with stages("batch"):
            batch = self.batches([row.record for row in rows], unread)
        with stages("score"):
            prediction = self.predictor.predict(batch)
        messages = [row.message for row in rows]
        settings = self._settings
        commands = Sent()
        with stages("encode"):
            if isinstance(self.results, ToTable):
                found = self.results(prediction, messages)
            else:
                topic = settings.topics.at(now) if settings.topics else ""
                found = self.results(prediction, topic)
            if self.commands is not None and settings.scribe is not None:
                commands = self.commands(prediction, settings.scribe.topic)
            faults = find_faults(prediction, found, commands)
            faults |= {n: Fault(rows[n].stage, problem.reason) for n, problem in unread.items()}
            is_dead = settings.dead_letters.to is not None
            if faults and is_dead:
                found, commands = found.without(faults), commands.without(faults)
        missing = {*found.refused, *found.too_large}
        statuses = Counter(note.status.name.lower() for note in prediction.notes.values())
        statuses["ok"] += len(rows) - statuses.total()
        names = prediction.bundle.taxonomy.classes
        leaves = prediction.ranking[prediction.answered, 0].tolist()
        answered = compress(messages, prediction.answered)
        part = _Part(
            results=found.outgoing,
            commands=commands.outgoing,
            table=found.table,
            statuses=statuses,
            remarks=prediction.remarks,
            first={kind: messages[row].place for kind, row in batch.first_rows.items()},
            best={m.where: names[leaf] for m, leaf in zip(answered, leaves, strict=True)},
            tally=None if self.tally is None else self.tally(prediction),
            n_answered=len(set(found.rows)),
            n_skipped=len(missing - faults.keys() if is_dead else missing),
            letters=[Letter(messages[n], *fault) for n, fault in faults.items()],
            misfits=misfits(batch.problems),
        )
        for n, fault in faults.items():  # last: until here, all may be done again in halves
            if is_dead or n in missing or n in commands.too_large:
                noted.add("got no record", messages[n].place, fault.reason)
        return part

    def _dead(self, letters: Sequence[Letter]) -> list[Outgoing]:
        """The letters as they are sent, if they are. BrokerError if one is too large for that."""
        told, client = self._settings.dead_letters, self._settings.results
        if told.to is None:
            return []
        dead = [to_outgoing(letter, told.to, self._model) for letter in letters]
        if told.topic and client:
            for letter, sent in zip(letters, dead, strict=True):
                refuse_too_large(sent, letter.message, client.max_bytes)
        return dead
