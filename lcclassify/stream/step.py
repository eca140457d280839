"""Step: from a batch of messages to everything that is sent on, without a broker."""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import compress
from typing import NamedTuple, Protocol

import pyarrow as pa

from lcclassify.errors import LcclassifyError, SettingsError
from lcclassify.prediction import Prediction
from lcclassify.predictors import load_predictor
from lcclassify.resolve import resolve_model
from lcclassify.schemas.avro import AvroOutput, no_answer
from lcclassify.sources.parquet import NO_FEATURES
from lcclassify.sources.records import Record
from lcclassify.status import Problem, Status
from lcclassify.stream.answers import Sent, ToTable, ToTopic
from lcclassify.stream.batches import Batches
from lcclassify.stream.config.chosen_model import SCHEMAS
from lcclassify.stream.config.classes import answers_for, require_kind
from lcclassify.stream.decoding.decoders import open_decoder
from lcclassify.stream.decoding.narrow import UnreadableError
from lcclassify.stream.encoders import open_encoder
from lcclassify.stream.message import Message, Outgoing, Stage, Where, Work, spans_of
from lcclassify.stream.metrics import metrics_message
from lcclassify.stream.settings import Settings

log = logging.getLogger("lcclassify.stream")
AT_FAULT = (Status.INVALID_RECORD, Status.INVALID_FEATURES)
Clock = Callable[[], datetime]


class Step(Protocol):
    """What is done with a batch; stateless between calls."""

    def __call__(self, messages: Sequence[Message], /) -> Work:
        """Answer every message. One that cannot be read or answered is logged and counted."""


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


def open_step(settings: Settings, *, clock: Clock = utc_now) -> "MessageStep":
    """Load the model, and open what its answers are written as.

    ModelError, InputError or SettingsError if they do not fit each other.
    """
    return MessageStep(settings, clock)


class Stages:
    """How long each stage took, in s; one that comes again adds up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: Stage) -> Iterator[None]:
        """Measure what is done in the context."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start


class _Row(NamedTuple):
    """A message and what was read of it."""

    message: Message
    record: Record
    problem: Problem | None = None  # why nothing was


@dataclass(frozen=True, slots=True)
class _Part:
    """What some of the messages lead to."""

    results: Sequence[Outgoing]
    commands: Sequence[Outgoing]
    table: pa.Table | None = None
    statuses: Counter[str] = field(default_factory=Counter)
    best: Mapping[Where, str] = field(default_factory=dict)
    n_skipped: int = 0
    misfits: Sequence[str] = ()


class MessageStep:
    """A step, whose parts can be looked at one by one."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        model, output, self._clock = settings.model, settings.output, clock
        bundle = resolve_model(model.name, quantiles=model.quantiles, offline=model.offline)
        require_kind(bundle, model.expected)
        self._settings = settings
        survey = answers_for(bundle)
        output = replace(output, survey=output.survey or survey)
        if settings.to == "kafka" and output.schema is None:
            output = replace(output, schema=SCHEMAS[survey])
        schema = output.open(bundle)
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
            bundle, min_coverage=0.0, threads=model.threads, device=model.device
        )

    def __call__(self, messages: Sequence[Message], /) -> Work:
        """Answer every message."""
        received, stages = self._clock(), Stages()
        with stages("decode"):
            rows = [self._read(message) for message in messages]
        kept = [row for row in rows if row.problem is None or self._is_flat]
        parts = self._answer(kept, received, stages) if kept else []
        tables = [part.table for part in parts if part.table is not None]
        outgoing = [item for part in parts for item in part.commands]
        outgoing += [item for part in parts for item in part.results]
        unread = [row.problem.reason for row in rows if row.problem is not None]
        best = {where: name for part in parts for where, name in part.best.items()}
        classes = Counter(best.values())
        if self._settings.operation.log_classes:
            told = ", ".join(f"{name} {n}" for name, n in classes.most_common())
            log.info("classes: %s", told or "none")
        return Work(
            outgoing=[*outgoing, *self._metrics(rows, received)],
            table=pa.concat_tables(tables) if tables else None,
            n_skipped=len(unread) + sum(part.n_skipped for part in parts),
            misfits=[*unread, *(reason for part in parts for reason in part.misfits)],
            statuses=dict(sum((part.statuses for part in parts), Counter())),
            classes=classes,
            best=best,
            seconds=stages.seconds,
            spans=spans_of(messages),
        )

    def _read(self, message: Message) -> _Row:
        try:
            if message.value is None:
                raise UnreadableError("it has no value")
            return _Row(message, self.decode(message.value))
        except (LcclassifyError, MemoryError):  # as of a registry: no message is to blame
            raise
        except UnreadableError as error:
            return self._unread(message, str(error))
        except Exception as error:  # that none of the checks foresaw
            return self._unread(message, repr(error))

    def _unread(self, message: Message, reason: str) -> _Row:
        log.warning("%s cannot be read: %s", message.place, reason)
        return _Row(message, {}, Problem(Status.INVALID_RECORD, reason))

    def _answer(self, rows: Sequence[_Row], now: datetime, stages: "Stages") -> list[_Part]:
        """Answer messages; if that fails, each half of them, down to the one that is to blame."""
        try:
            return [self._part(rows, now, stages)]
        except MemoryError:  # of which no message is to blame
            raise
        except Exception as error:  # that none of the checks foresaw
            failure = error
        if len(rows) > 1:
            half = len(rows) // 2
            return [
                *self._answer(rows[:half], now, stages),
                *self._answer(rows[half:], now, stages),
            ]
        [(message, _, problem)] = rows
        if problem is not None:  # nothing of the message was looked at
            raise failure
        reason = f"{type(failure).__name__}: {failure!s:.200}"
        log.error("%s cannot be answered: %s", message.place, reason, exc_info=failure)
        row = _Row(message, {}, Problem(Status.INVALID_RECORD, f"it cannot be answered: {reason}"))
        found = self._answer([row], now, stages) if self._is_flat else []
        return [*found, _Part((), (), n_skipped=1)]

    def _part(self, rows: Sequence[_Row], now: datetime, stages: "Stages") -> _Part:
        unread = {n: row.problem for n, row in enumerate(rows) if row.problem is not None}
        with stages("batch"):
            batch = self.batches([row.record for row in rows], unread)
        with stages("score"):
            prediction = self.predictor.predict(batch)
        messages = [row.message for row in rows]
        settings = self._settings
        commands = Sent((), None, {})
        with stages("encode"):
            if isinstance(self.results, ToTable):
                found = self.results(prediction, messages)
            else:
                topic = settings.topics.at(now) if settings.topics else ""
                found = self.results(prediction, topic)
            if self.commands is not None and settings.scribe is not None:
                commands = self.commands(prediction, settings.scribe.topic)
        statuses = Counter(note.status.name.lower() for note in prediction.notes.values())
        statuses["ok"] += len(rows) - statuses.total()
        names = prediction.bundle.taxonomy.classes
        leaves = prediction.ranking[prediction.answered, 0].tolist()
        answered = compress(messages, prediction.answered)
        return _Part(
            results=found.outgoing,
            commands=commands.outgoing,
            table=found.table,
            statuses=statuses,
            best={m.where: names[leaf] for m, leaf in zip(answered, leaves, strict=True)},
            n_skipped=self._left_out(messages, prediction, found, commands),
            misfits=[
                problem.reason
                for problem in prediction.problems.values()
                if problem.status is Status.MISSING_FEATURES and problem != NO_FEATURES
            ],
        )

    def _left_out(
        self, messages: Sequence[Message], answer: Prediction, sent: Sent, commands: Sent
    ) -> int:
        """Count and log the messages at fault; objects that just have no answer are not told of."""
        left_out = dict(sent.refused)
        for row, problem in answer.problems.items():
            if left_out.get(row) == no_answer(problem):
                if problem.status in AT_FAULT:
                    left_out[row] = problem.reason
                else:
                    del left_out[row]
        left_out |= {**commands.too_large, **sent.too_large}
        for row, reason in sorted(left_out.items()):
            log.warning("%s has no record: %s", messages[row].place, reason)
        return len(left_out)

    def _metrics(self, rows: Iterable[_Row], received: datetime) -> list[Outgoing]:
        settings = self._settings
        if settings.metrics is None:
            return []
        told = [row.record for row in rows]
        tell = partial(
            metrics_message,
            received=received,
            sent=self._clock(),
            n_messages=len(told),
            source=settings.metrics_source,
            survey=settings.metrics_survey,
        )
        value = tell(
            aids=[record.get("aid") for record in told],
            candids=[record.get("candid") for record in told],
        )
        if len(value) > settings.metrics.client.max_bytes:
            log.warning(
                "the metrics message of %d messages has %d bytes, more than message.max.bytes; "
                "it goes without aid and candid: raise that, or lower --consume-messages",
                len(told),
                len(value),
            )
            value = tell(aids=[], candids=[])
        return [Outgoing("metrics", settings.metrics.topic, None, value)]
