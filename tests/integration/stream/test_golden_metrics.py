"""The metrics message, byte for byte the reference's; nothing that it tells is lost there."""

import json
from datetime import UTC, datetime, timedelta

import fastavro

from lcclassify.stream.metrics import metrics_message

RECEIVED = datetime(2023, 11, 14, 12, 0, 0, 250_000, UTC)  # the fixed clock of all runs
SENT = RECEIVED + timedelta(seconds=1.375)
N_RUNS = 20  # of 21: one failed before its metrics were sent


def first_record(path):
    with path.open("rb") as file:
        return next(iter(fastavro.reader(file)))


def test_every_run_s_message_is_the_reference_s(golden):
    paths = sorted(golden.glob("expected_step/*/metrics.json"))
    assert len(paths) == N_RUNS
    for path in paths:
        run = json.loads((path.parent / "run.json").read_text())
        records = [first_record(golden / name) for name in run["inputs"]]
        message = metrics_message(
            received=RECEIVED,
            sent=SENT,
            aids=[record.get("aid") for record in records],
            candids=[record["candid"] for record in records],
            n_messages=len(records),
            source="LateClassifier",
            survey=None,
        )
        assert message == path.read_bytes(), path.parent.name
