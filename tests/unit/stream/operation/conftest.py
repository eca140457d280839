import logging
import time
from types import SimpleNamespace

import pytest

from lcclassify.remarks import Kind, Remark, add_remarks
from lcclassify.stream.message import Letter, Message, Outgoing, Work
from lcclassify.stream.operation.logs import LOGGERS
from lcclassify.stream.report import Counts, DriftState, Report, ShadowState

CLASSES = ("LPV", "QSO", "RRL")
SECONDS = {"gather": 0.5, "answer": 0.2, "deliver": 0.03}


@pytest.fixture(autouse=True)
def loggers():
    """Handlers are put back: other tests listen to these loggers."""
    names = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger, logger.handlers, logger.propagate, logger.level) for logger in names]
    yield
    for logger, handlers, propagate, level in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture
def bundle():
    """What is told of a model."""
    taxonomy = SimpleNamespace(classes=CLASSES)
    return SimpleNamespace(name="toy", version="1.0", digest="abc", taxonomy=taxonomy)


@pytest.fixture
def make_report():
    """Reports of one run: make_report(n_messages, delay_s=...); one message each is dead and
    skipped, if there are three or more.
    """
    counts = Counts()

    def make(n_messages=50, delay_s=2.0, lag=None, stamp=True):
        now = time.time()
        when = int(1000 * (now - delay_s)) if stamp else None
        messages = [Message("in", 0, n, b"x" * 100, b"", when) for n in range(n_messages)]
        bad = messages[:2] if n_messages > 2 else []
        work = Work(
            [Outgoing("results", "out", b"", b"y" * 10)] * (n_messages - len(bad)),
            letters=[Letter(message, "decode", "it is no Avro container") for message in bad],
            statuses={"ok": n_messages - len(bad)},
            classes={"LPV": n_messages - len(bad)},
            seconds={"decode": 0.1, "batch": 0.02, "score": 0.03, "encode": 0.04},
        )
        add_remarks(counts.remarks, {Remark(Kind.UNKNOWN_BAND, "J"): 3})
        counts.n_messages += n_messages
        counts.n_batches += 1
        counts.n_dead += len(bad) // 2
        counts.n_skipped += len(bad) // 2
        counts.n_answered += n_messages - len(bad)
        return Report(messages, work, counts, SECONDS, now, {("in", 0): 7} if lag is None else lag)

    return make


@pytest.fixture
def drift():
    return DriftState(
        1, 2000, {"W1-W2": 1.0, "rb": 0.0}, {"rb": 0.25}, frozenset({"W1-W2"}), 0.5, ["no W1-W2"]
    )


@pytest.fixture
def shadow():
    return ShadowState("other@2.0", 100, 97, 20, 5, True, 1.5, {})
