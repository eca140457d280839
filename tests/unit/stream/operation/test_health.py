from threading import Event

import pytest

from lcclassify.stream.operation.health import HUNG_S, Health


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_it_is_ready_from_the_first_assignment_until_it_stops(clock):
    health, stop = Health(clock), Event()
    assert health.obstacle == "model, brokers and topics are being checked"
    health.begins(stop)
    assert health.obstacle == "the group has not assigned partitions yet"
    health.assigned(frozenset({("in", 0)}))
    assert health.obstacle is None
    stop.set()
    assert health.obstacle == "the stream is stopping"
    assert health.fault is None


def test_a_spare_member_is_ready_and_so_is_one_that_loses_its_partitions(clock):
    health = Health(clock)
    health.begins(Event())
    health.assigned(frozenset())
    assert health.obstacle is None
    health.assigned(frozenset({("in", 0)}))
    health.assigned(frozenset())
    assert health.obstacle is None


def test_the_start_may_take_any_time_and_the_loop_may_not(clock):
    health = Health(clock)
    clock.now += 100 * HUNG_S
    assert health.fault is None
    health.begins(Event())
    health.assigned(frozenset())
    clock.now += HUNG_S
    assert health.fault is None
    clock.now += 1
    assert health.fault == health.obstacle == "nothing was heard of the loop for 601 s"
    health.alive()
    assert health.fault is None


def test_when_it_has_ended_it_is_not_ready_and_nobody_waits_for_the_loop(clock):
    health = Health(clock)
    health.begins(Event())
    health.assigned(frozenset())
    health.ended()
    clock.now += 2 * HUNG_S
    assert health.fault is None
    assert health.obstacle == "the stream has ended"
