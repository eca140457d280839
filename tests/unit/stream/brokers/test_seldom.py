import logging

import pytest

from lcclassify.stream.brokers.seldom import MOST_TEXTS, Seldom

REFUSED = "FAIL [rdkafka#consumer-{}] h:1/1: Connection refused (after {}ms in state CONNECT)"


@pytest.fixture
def passes(clock):
    seldom = Seldom(clock)
    return lambda text: seldom.filter(logging.makeLogRecord({"msg": text}))


def test_a_line_passes_once_a_minute(passes, clock):
    told = 0
    for second in range(125):
        clock.now = second
        told += sum(passes(REFUSED.format(5, at)) for at in range(10))
    assert told == 3


def test_other_lines_pass(passes):
    assert passes(REFUSED.format(5, 0))
    assert passes("SESSTMOUT session timed out")


def test_what_is_remembered_is_bounded(passes):
    assert all(passes("x" * length) for length in range(2 * MOST_TEXTS))
    assert passes("x")
