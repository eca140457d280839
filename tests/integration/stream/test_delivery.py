"""Members and brokers are killed; what comes out is the input, once."""

import pytest
from scene import Scene, fault, kill_all

PRODUCING = [
    fault("Producer", "produce", "after", call=1, ms=50),
    fault("Producer", "produce", "during", call=1, ms=2),
    fault("Producer", "produce", "after", call=60, ms=50),
    fault("Producer", "produce", "after", call=100, ms=50),
    fault("Producer", "produce", "after", call=130, ms=50),
    fault("Producer", "produce", "after", call=199, ms=10),
]
BEFORE_COMMIT = [
    fault("Producer", "send_offsets_to_transaction", "before", ms=50),
    fault("Producer", "send_offsets_to_transaction", "after"),
    fault("Producer", "send_offsets_to_transaction", "during", call=2, ms=2),
    fault("Producer", "send_offsets_to_transaction", "after", call=2, ms=100),
    fault("Producer", "commit_transaction", "before", ms=50),
    fault("Producer", "commit_transaction", "before", call=3),
]
COMMITTING = [
    *(fault("Producer", "commit_transaction", "during", ms=ms) for ms in (0, 1, 3, 5, 8, 12)),
    *(fault("Producer", "commit_transaction", "during", call=2, ms=ms) for ms in (2, 4, 6, 10)),
    *(fault("Producer", "commit_transaction", "during", call=3, ms=ms) for ms in (0, 2, 4)),
]
AFTER_COMMIT = [
    fault("Producer", "commit_transaction", "after"),
    fault("Producer", "commit_transaction", "after", call=2),
    fault("Producer", "init_transactions", "after"),
    fault("Consumer", "poll", "after", call=30),
    fault("Producer", "begin_transaction", "after", call=3),
]
ALL = [*PRODUCING, *BEFORE_COMMIT, *COMMITTING, *AFTER_COMMIT]
SOME = [PRODUCING[2], BEFORE_COMMIT[0], BEFORE_COMMIT[3], COMMITTING[2], AFTER_COMMIT[0]]
AT_LEAST_ONCE = [
    fault("Producer", "produce", "after", call=60, ms=50),
    fault("Producer", "flush", "before"),
    fault("Producer", "flush", "during", ms=5),
    fault("Producer", "flush", "after"),
    fault("Consumer", "commit", "before"),
    fault("Consumer", "commit", "during", ms=1),
    fault("Consumer", "commit", "after"),
]
FILES = [
    fault("OffsetFiles", "write", "before"),
    fault("OffsetFiles", "write", "during", ms=2),
    fault("OffsetFiles", "write", "during", call=2, ms=5),
    fault("OffsetFiles", "write", "after"),
    fault("Consumer", "commit", "during", ms=1),
    fault("Consumer", "commit", "after"),
]


def test_killed_members_leave_every_message_once(apache_kafka, tmp_path):
    scene = Scene(apache_kafka, tmp_path, transactional_id="killed-in-ci")
    kill_all(scene, SOME)
    scene.check_exactly_once()


@pytest.mark.long
@pytest.mark.parametrize("named", [True, False], ids=["one id", "an id each"])
def test_thirty_killed_members_leave_every_message_once(apache_kafka, tmp_path, named):
    scene = Scene(apache_kafka, tmp_path, transactional_id="killed-often" if named else None)
    kill_all(scene, ALL)
    scene.check_exactly_once()


@pytest.mark.parametrize(
    "faults", [AT_LEAST_ONCE[3:4], pytest.param(AT_LEAST_ONCE, marks=pytest.mark.long)]
)
def test_members_killed_without_transactions_lose_nothing(apache_kafka, tmp_path, faults):
    scene = Scene(apache_kafka, tmp_path, delivery="at-least-once")
    kill_all(scene, faults)
    scene.check_nothing_lost()


@pytest.mark.parametrize("faults", [FILES[3:4], pytest.param(FILES, marks=pytest.mark.long)])
def test_members_killed_while_they_write_files_leave_every_row_once(apache_kafka, tmp_path, faults):
    folder = tmp_path / "files"
    scene = Scene(apache_kafka, tmp_path, delivery="at-least-once", folder=str(folder))
    kill_all(scene, faults)
    assert scene.differences(scene.rows(folder)) == {"lost": [], "doubled": []}
