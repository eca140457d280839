"""Dead letters go in one transaction with results, or into files, and are replayed once each."""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from member import echo
from scene import CONSUMER, Scene, fault, kill_all, until
from topics import committed, make_topics, produce_all, read_all, unique

from lcclassify.sinks.kafka import ExactlyOnce
from lcclassify.sources.kafka import Intake
from lcclassify.stream.loop import run
from lcclassify.stream.settings import Client

PROGRAM = Path(__file__).parents[2] / "replayer.py"
N_BAD = 10  # of a hundred: those that end in 7
TO_TOPIC = [
    fault("Producer", "produce", "after", call=60, ms=50),
    fault("Producer", "send_offsets_to_transaction", "after", call=2, ms=100),
    fault("Producer", "commit_transaction", "during", ms=3),
    fault("Producer", "commit_transaction", "after"),
]
TO_FOLDER = [
    fault("LetterFiles", "write", "before"),
    fault("LetterFiles", "write", "during", ms=2),
    fault("LetterFiles", "write", "after"),
    fault("Producer", "commit_transaction", "during", ms=3),
    fault("Producer", "commit_transaction", "after"),
]
REPLAYING = [
    fault("Producer", "init_transactions", "after"),
    fault("Producer", "produce", "after", call=3, ms=50),
    fault("Producer", "send_offsets_to_transaction", "after", ms=100),
    *(fault("Producer", "commit_transaction", "during", ms=ms) for ms in (0, 2, 4, 8)),
    fault("Producer", "commit_transaction", "after"),
    fault("LetterFiles", "put_away", "before"),
    fault("LetterFiles", "put_away", "during", ms=1),
    fault("LetterFiles", "put_away", "after"),
]
SOME = [REPLAYING[2], REPLAYING[4], REPLAYING[9]]


def replay(scene, source, kill=None, **told):
    """Run it in a process of its own; what it said."""
    told |= {"bootstrap": scene.bootstrap, "source": source, "fault": kill, "consumer": CONSUMER}
    done = subprocess.run(
        [sys.executable, PROGRAM, json.dumps(told)], capture_output=True, text=True, timeout=120
    )
    may_end = not kill or kill["when"] == "during"  # of which the last may come too late
    assert done.returncode == -9 * bool(kill) or (may_end and done.returncode == 0), done.stderr
    return done.stderr


def offsets_of(folder):
    return sorted(int(path.stem.split("-")[-1]) for path in folder.glob("[!.]*.json"))


def bad(n_sent):
    return {b"value %d" % n: 1 for n in range(n_sent) if n % 10 == 7}


def good(n_sent):
    return {b"value %d" % n: 1 for n in range(n_sent) if n % 10 != 7}


@pytest.fixture
def letters(apache_kafka, admin):
    name = unique("dead")
    make_topics(admin, {name: 2})
    return name


def test_results_and_letters_are_there_once_whoever_was_killed(apache_kafka, tmp_path, letters):
    scene = Scene(apache_kafka, tmp_path, dead=letters, transactional_id=unique("id"))
    kill_all(scene, TO_TOPIC)
    assert scene.values(scene.out) == good(scene.n_sent)
    assert scene.values(scene.cmd) == good(scene.n_sent)
    assert scene.values(letters) == bad(scene.n_sent)


def test_without_transactions_no_letter_is_lost(apache_kafka, tmp_path, letters):
    scene = Scene(apache_kafka, tmp_path, dead=letters, delivery="at-least-once")
    kill_all(scene, [fault("Producer", "flush", "after")])
    assert set(scene.values(scene.out)) == set(good(scene.n_sent))
    assert set(scene.values(letters)) == set(bad(scene.n_sent))


def test_files_of_letters_are_there_once_whoever_was_killed(apache_kafka, tmp_path):
    folder = tmp_path / "dead"
    scene = Scene(apache_kafka, tmp_path, dead=f"{folder}/", transactional_id=unique("id"))
    kill_all(scene, TO_FOLDER)
    assert scene.values(scene.out) == good(scene.n_sent)
    assert Counter(path.read_bytes() for path in folder.glob("*.bin")) == bad(scene.n_sent)
    assert {path.stem for path in folder.glob("*.bin")} == {p.stem for p in folder.glob("*.json")}


def test_letters_of_a_topic_come_back_once_each(apache_kafka, tmp_path, letters):
    scene = Scene(apache_kafka, tmp_path, dead=letters)
    scene.send(100)
    produce_all(scene.bootstrap, letters, [(b"no", b"letter")])
    scene.finish()
    said = replay(scene, letters)
    [line] = [line for line in said.splitlines() if "cannot be replayed" in line]
    assert f" 1 letter cannot be replayed, {letters} [" in line
    assert line.endswith(": it has not the headers of a dead letter")
    assert said.endswith(f"done: replayed {N_BAD}\nreplayed {N_BAD}\n")
    assert replay(scene, letters).endswith("replayed 0\n")
    again = [m for m in read_all(scene.bootstrap, [scene.topic]) if m.headers()]
    assert Counter(message.value() for message in again) == bad(100)
    assert {m.key().split()[-1] for m in again} == {m.value().split()[-1] for m in again}
    assert {tuple(m.headers()) for m in again} == {(("lcclassify.replays", b"1"),)}
    scene.finish()  # what comes back and is still bad, is a letter again
    twice = [dict(m.headers() or ()) for m in read_all(scene.bootstrap, [letters])]
    counts = Counter(headers.get("lcclassify.replays") for headers in twice)
    assert counts == {b"0": N_BAD, b"1": N_BAD, None: 1}


def test_a_killed_replay_of_a_topic_is_taken_up(apache_kafka, tmp_path, letters):
    scene = Scene(apache_kafka, tmp_path, dead=letters)
    other = unique("other")
    for kill in (REPLAYING[1], REPLAYING[4], REPLAYING[7]):
        scene.send(100)
        scene.finish()
        replay(scene, letters, kill, to=other)
    replay(scene, letters, to=other)
    assert scene.values(other) == bad(scene.n_sent)
    assert scene.values(scene.topic).total() == scene.n_sent


def test_a_replay_waits_until_a_killed_one_has_left_the_group(apache_kafka, tmp_path, admin):
    scene, source = Scene(apache_kafka, tmp_path), unique("dead")
    make_topics(admin, {source: 1})
    scene.send(100)
    scene.finish(dead=source)
    # of one partition, the member whose id is the smallest gets all
    told = {"bootstrap.servers": scene.bootstrap, "group.id": f"{source}-replay", "client.id": "a"}
    killed = Consumer(told | CONSUMER)
    try:
        killed.subscribe([source])
        until(lambda: killed.poll(0.1) or killed.assignment(), lambda: "nothing is assigned")
        with ThreadPoolExecutor(1) as pool:
            said = pool.submit(replay, scene, source, to=scene.out)
            for _ in range(50):
                killed.poll(0.1)
            killed.close()
            assert "replayed 10" in said.result(60)
    finally:
        killed.close()


@pytest.mark.parametrize("kills", [SOME, pytest.param(REPLAYING, marks=pytest.mark.long)])
def test_a_killed_replay_of_a_folder_is_taken_up(apache_kafka, tmp_path, kills):
    folder = tmp_path / "dead"
    scene = Scene(apache_kafka, tmp_path, dead=f"{folder}/")
    for kill in kills:
        scene.send(100)
        scene.finish(timeout_s=60)
        replay(scene, f"{folder}/", kill, to=scene.out)
    replay(scene, f"{folder}/", to=scene.out)
    assert scene.differences(scene.values(scene.out)) == {"lost": [], "doubled": []}
    assert offsets_of(folder) == []
    assert len(offsets_of(folder / "replayed")) == scene.n_sent // 10
    assert replay(scene, f"{folder}/").endswith("replayed 0\n")


def test_letters_of_a_folder_go_where_they_came_from(apache_kafka, tmp_path):
    folder = tmp_path / "dead"
    scene = Scene(apache_kafka, tmp_path, partitions=1, dead=f"{folder}/")
    scene.send(100)
    scene.finish()
    assert offsets_of(folder) == list(range(7, 100, 10))
    assert replay(scene, f"{folder}/", limit=3).endswith("replayed 3\n")
    assert offsets_of(folder) == list(range(37, 100, 10))
    again = read_all(scene.bootstrap, [scene.topic])[100:]
    assert [message.value() for message in again] == [b"value 7", b"value 17", b"value 27"]
    damaged = next(folder.glob("[!.]*.json"))
    damaged.write_text("{")
    said = replay(scene, f"{folder}/")
    told = f"1 letter cannot be replayed, {damaged.stem}: {damaged} is no dead letter"
    assert told in said
    assert said.endswith("replayed 6\n")
    assert committed(scene.bootstrap, scene.told["group"])[scene.topic, 0] == 100


def test_what_comes_after_the_end_that_was_set_waits(apache_kafka, tmp_path):
    """As a letter that comes back while others are replayed."""
    scene = Scene(apache_kafka, tmp_path)
    scene.send(100)
    place = (scene.topic, 0)

    def read(ends):
        client = Client(scene.bootstrap, CONSUMER)
        told = {"batch_size": 50, "timeout_s": 0.5, "until_end": True, "ends": ends}
        intake = Intake(client, scene.told["group"], [scene.topic], **told)
        delivery = ExactlyOnce(Client(scene.bootstrap), unique("id"), may_renew=True)
        with delivery, intake:
            return run(intake, echo(scene.out, scene.cmd), delivery).n_messages

    assert read({place: 10}) == 10
    assert committed(scene.bootstrap, scene.told["group"]) == {place: 10}
    assert read({place: 10}) == 0
    assert read(None) == 90
    scene.check_exactly_once()
