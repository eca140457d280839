"""The broker is killed and started again, or answers late, under members that work."""

import random
import time

import pytest
from scene import CONSUMER, PRODUCER, Scene

OFTEN = pytest.param(10, marks=[pytest.mark.long])


@pytest.mark.parametrize("kills", [1, OFTEN])
def test_a_killed_broker_costs_neither_kind_of_delivery_a_message(own_kafka, tmp_path, kills):
    scenes = []
    for delivery in ("exactly-once", "at-least-once"):
        logs = tmp_path / delivery
        logs.mkdir()
        scenes.append(Scene(own_kafka, logs, delivery=delivery, step_s=0.02))
    exactly, at_least = scenes
    chance = random.Random(7)
    with exactly.member() as first, at_least.member() as second:
        for member in (first, second):
            member.wait_for("assigned: .* \\[0\\]")
        for _ in range(kills):
            for scene in scenes:
                scene.send(500)
            time.sleep(chance.uniform(0, 0.6))
            own_kafka.kill()
            own_kafka.start()
        for scene, member in zip(scenes, (first, second), strict=True):
            scene.send(100)
            if member.running:
                scene.wait_until_done()
                member.tell("SIGTERM")
            if member.wait() == 9:
                scene.finish()
            else:
                assert member.wait() == 0, member.said()
    exactly.check_exactly_once()
    at_least.check_nothing_lost()


@pytest.mark.long
def test_answers_that_come_too_late_double_nothing(own_kafka, tmp_path):
    patient = CONSUMER | {"session.timeout.ms": "30000"}  # it stays a member
    hasty = PRODUCER | {"request.timeout.ms": "1000", "socket.timeout.ms": "2000"}
    for delivery in ("exactly-once", "at-least-once"):
        logs = tmp_path / delivery
        logs.mkdir()
        scene = Scene(own_kafka, logs, delivery=delivery, consumer=patient, producer=hasty)
        scene.send(3000)
        with scene.member(step_s=0.02, batch_size=20) as member:
            member.wait_for("assigned: .* \\[0\\]")
            for _ in range(3):
                time.sleep(0.5)
                own_kafka.pause()
                time.sleep(2.5)
                own_kafka.resume()
            scene.wait_until_done()
            member.tell("SIGTERM")
            assert member.wait() == 0, member.said()
        scene.check_exactly_once()
