"""Members come, go, die and wake up; every message counts once."""

import time
from itertools import islice

import pytest
from scene import CONSUMER, NEW_PROTOCOL, Scene, until

PROTOCOLS = {
    "eager": CONSUMER,
    "cooperative": CONSUMER | {"partition.assignment.strategy": "cooperative-sticky"},
    "new": NEW_PROTOCOL,
    "static": CONSUMER,
}
ONE = ["cooperative", *(pytest.param(name, marks=pytest.mark.long) for name in PROTOCOLS)]


def consumers(protocol):
    """Properties for one member after the other."""
    for name in "abc":
        static = {"group.instance.id": name} if protocol == "static" else {}
        yield {"consumer": PROTOCOLS[protocol] | static}


@pytest.mark.parametrize("protocol", ONE)
def test_a_member_is_killed_while_partitions_move(apache_kafka, tmp_path, protocol):
    scene = Scene(apache_kafka, tmp_path, partitions=6, step_s=0.05)
    scene.send(2000)
    first, second, third = islice(consumers(protocol), 3)
    with scene.member(**first) as one, scene.member(**second) as two:
        one.wait_for("assigned: .* \\[")
        two.wait_for("assigned: .* \\[")
        moves = len(two.assignments())
        with scene.member(**third) as three:
            until(lambda: len(two.assignments()) > moves, two.said)
            one.process.kill()
            scene.send(200)
            scene.wait_until_done()
            for member in (two, three):
                member.tell("SIGTERM")
                assert member.wait() == 0, member.said()
    scene.check_exactly_once()


MOMENTS = [
    ("Producer", "begin_transaction", "before"),
    ("Producer", "send_offsets_to_transaction", "before"),
    ("Producer", "send_offsets_to_transaction", "after"),
    ("Producer", "commit_transaction", "before"),
]
ZOMBIES = [
    ("eager", MOMENTS[1]),
    *(
        pytest.param(protocol, moment, marks=pytest.mark.long)
        for protocol in ("eager", "cooperative", "new")
        for moment in MOMENTS
    ),
]


@pytest.mark.parametrize(("protocol", "moment"), ZOMBIES)
def test_a_member_that_slept_beyond_its_session_adds_nothing(
    apache_kafka, tmp_path, protocol, moment
):
    scene = Scene(apache_kafka, tmp_path, partitions=2, consumer=PROTOCOLS[protocol])
    scene.send(300)
    of, method, when = moment
    fault = {"of": of, "method": method, "when": when, "call": 2, "by": "SIGSTOP"}
    with scene.member(fault=fault) as sleeper:
        until(sleeper.is_stopped, sleeper.said)
        with scene.member() as other:
            other.wait_for("assigned: .*\\[0\\].*\\[1\\]")
            scene.wait_until_done()
            sleeper.tell("SIGCONT")
            sleeper.wait_for("taken away")
            scene.send(100)
            scene.wait_until_done()
            for member in (sleeper, other):
                member.tell("SIGTERM")
                assert member.wait() == 0, member.said()
    scene.check_exactly_once()


@pytest.mark.long
def test_a_batch_may_take_longer_than_the_patience_of_the_group(apache_kafka, tmp_path):
    impatient = CONSUMER | {"session.timeout.ms": "1000", "max.poll.interval.ms": "2000"}
    scene = Scene(apache_kafka, tmp_path, consumer=impatient, step_s=4.5)
    scene.send(40)
    told = scene.finish()
    assert "handled 40 repeated 0" in told
    assert told.count("assigned:") == 1
    scene.check_exactly_once()


def test_a_member_that_slept_over_a_batch_begins_it_anew(apache_kafka, tmp_path):
    often = CONSUMER | {"max.poll.interval.ms": "3000"}  # it looks after the group each second
    scene = Scene(apache_kafka, tmp_path, partitions=1, consumer=often)
    scene.send(50)
    with scene.member(step_s=3) as member:
        member.wait_for("assigned")
        time.sleep(0.8)
        member.tell("SIGSTOP")
        time.sleep(2)  # its session is over, and nobody else is there
        member.tell("SIGCONT")
        scene.wait_until_done()
        member.tell("SIGTERM")
        assert member.wait() == 0, member.said()
        assert member.said().count("assigned: ") == 2
    scene.check_exactly_once()


@pytest.mark.long
@pytest.mark.parametrize("protocol", ["new", "eager", "cooperative"])
def test_a_member_goes_on_when_others_come_and_go_without_partitions(
    apache_kafka, tmp_path, protocol
):
    first, second = islice(consumers(protocol), 2)
    scene = Scene(apache_kafka, tmp_path, partitions=1, batch_size=10, step_s=0.05)
    scene.send(200)
    with scene.member(**first) as one:
        one.wait_for("assigned: .*\\[0\\]")
        with scene.member(**second) as two:
            two.wait_for("delivery exactly once")
            for _ in range(20):  # it joins meanwhile, of which the new protocol says nothing
                scene.send(10)
                scene.wait_until_done()
        scene.send(200)
        scene.wait_until_done()
        one.tell("SIGTERM")
        assert one.wait() == 0, one.said()
    scene.check_exactly_once()
