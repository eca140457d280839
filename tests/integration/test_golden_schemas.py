"""Every golden message and expected output is recognised for what it is."""

import base64
import json
from collections import Counter

import pytest

from lcclassify.cli import main

STEP_OUTPUTS = {  # run: what its messages are, how many
    "ztf_batch": ("alerce-map", 44),
    "ztf_batch_min_detections": ("alerce-map", 26),
    "ztf_map_batch": ("alerce-map", 8),
    "toretto_batch": ("elasticc-v0_9_1", 62),
    "barney_batch": ("elasticc-v0_9_1", 62),
}
COMMANDS = {
    "ztf_batch": 44,
    "ztf_batch_min_detections": 26,
    "ztf_map_batch": 8,
    "toretto_batch": 58,
    "barney_batch": 60,
}


@pytest.fixture
def recognise(capsys):
    """What files are: (schema, fit) -> how many."""

    def run(*inputs):
        with pytest.raises(SystemExit) as stop:
            main(["validate-schema", *map(str, inputs), "--json"])
        answer = json.loads(capsys.readouterr().out)
        counts = Counter()
        for match in answer["schemas"]:
            counts[match["schema"], match["fit"]] += len(match["files"])
        return stop.value.code, counts

    return run


def test_every_golden_message_is_recognised(golden, recognise):
    code, counts = recognise(
        *sorted(golden.glob("messages_*.avro")), *sorted(golden.glob("messages_*/"))
    )
    assert code == 0
    assert counts == {
        ("feature-step-map", "exact"): 87,
        ("feature-step-ztf-178", "exact"): 57,
        ("feature-step-ztf-209", "exact"): 4,
    }


@pytest.mark.parametrize("run", STEP_OUTPUTS)
def test_every_message_of_the_step_is_recognised(run, golden, recognise, tmp_path):
    name, n_messages = STEP_OUTPUTS[run]
    n_commands = COMMANDS[run]
    for kind in ("output", "scribe"):
        lines = (golden / "expected_step" / run / f"avro_{kind}.jsonl").read_text().splitlines()
        for number, line in enumerate(lines):
            data = base64.b64decode(json.loads(line)["container_b64"])
            (tmp_path / f"{kind}{number}.avro").write_bytes(data)
    assert recognise(tmp_path) == (
        0,
        {(name, "exact"): n_messages, ("scribe", "exact"): n_commands},
    )


def test_every_list_of_records_of_the_step_is_recognised(golden, recognise):
    lists = sorted((golden / "expected_step").glob("*/records.jsonl"))
    full = [path for path in lists if path.stat().st_size]
    code, counts = recognise(*full)
    assert counts == {("alerce-map", "exact"): 7, ("elasticc-v0_9_1", "exact"): 7}
    assert (code, len(full)) == (0, 14)
