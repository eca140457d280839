"""Signals: the first ends a member in peace, the second at once; neither loses or doubles."""

import signal
import time

import pytest
from scene import Scene


@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("SIGINT", marks=pytest.mark.long)])
def test_the_batch_in_hand_is_finished(apache_kafka, tmp_path, name):
    scene = Scene(apache_kafka, tmp_path, partitions=1, step_s=1.0)
    scene.send(200)
    with scene.member() as member:
        member.wait_for("results go to")  # which is said after the first batch's answer
        time.sleep(0.5)  # the second one is under way
        member.tell(name)
        assert member.wait(5) == 0, member.said()
        told = member.said()
    assert f"{name}: finishing the batch, 25 s at most" in told
    assert "handled 100 repeated 0" in told
    assert scene.n_handled() == 100
    scene.finish(step_s=0)
    scene.check_exactly_once()


def test_the_second_signal_ends_it_at_once(apache_kafka, tmp_path):
    scene = Scene(apache_kafka, tmp_path)
    scene.send(100)
    with scene.member(step_s=20) as member:
        member.wait_for("assigned")
        time.sleep(1)
        member.tell("SIGINT")
        member.wait_for("finishing the batch")
        member.tell("SIGINT")
        assert member.wait(2) == 128 + signal.SIGINT, member.said()
        assert "SIGINT again: leaving at once" in member.said()
    scene.finish()
    scene.check_exactly_once()


@pytest.mark.long
def test_a_batch_that_hangs_ends_at_the_limit(apache_kafka, tmp_path):
    scene = Scene(apache_kafka, tmp_path)
    scene.send(100)
    with scene.member(step_s=60, shutdown_s=1.5) as member:
        member.wait_for("assigned")
        time.sleep(1)
        member.tell("SIGTERM")
        assert member.wait(3.5) == 128 + signal.SIGTERM, member.said()
        assert "not finished 1.5 s after SIGTERM: leaving at once" in member.said()
    scene.finish()
    scene.check_exactly_once()


def test_a_member_that_waits_for_messages_ends_at_once(apache_kafka, tmp_path):
    scene = Scene(apache_kafka, tmp_path, timeout_s=60)
    scene.send(10)
    with scene.member() as member:
        member.wait_for("assigned")
        time.sleep(1)
        member.tell("SIGTERM")
        assert member.wait(4) == 0, member.said()
        assert "handled 10 repeated 0" in member.said()
    scene.check_exactly_once()


@pytest.mark.long
def test_a_second_process_with_the_same_transactional_id_ends_the_first(apache_kafka, tmp_path):
    scene = Scene(apache_kafka, tmp_path, transactional_id="the-same", partitions=1)
    scene.send(100)
    with scene.member(step_s=4) as first:
        first.wait_for("assigned")
        with scene.member(group=scene.told["group"] + "-other") as second:
            second.wait_for("results go to")
            assert first.wait(20) == 9, first.said()
            second.tell("SIGTERM")
            assert second.wait(10) == 0, second.said()
    assert first.said().splitlines()[-1] == (
        f"lcclassify: results ({scene.bootstrap}): another process with the same transactional id"
        " has taken over (Failed to add offsets to transaction); give each process a transactional"
        " id of its own, or none"
    )
    scene.check_exactly_once()  # of the second one, whose group is another
