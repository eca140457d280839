import json
from datetime import UTC, datetime

from lcclassify.stream.metrics import metrics_message

MESSAGE = {
    "received": datetime(2023, 11, 14, 12, 0, 0, 250_000, UTC),
    "sent": datetime(2023, 11, 14, 12, 0, 1, tzinfo=UTC),
    "aids": ["AL1", None],
    "candids": [["1", "2"], 2**62 + 1],
    "n_messages": 2,
    "source": "lcclassify",
    "survey": "ztf",
}


def test_a_message_word_for_word():
    assert metrics_message(**MESSAGE) == (
        b'{"timestamp_received": "2023-11-14T12:00:00.250000+00:00", '
        b'"timestamp_sent": "2023-11-14T12:00:01+00:00", "execution_time": 0.75, '
        b'"aid": ["AL1", null], "candid": ["1", "2", 4611686018427387905], '
        b'"n_messages": 2, "source": "lcclassify", "survey": "ztf"}'
    )


def test_what_json_has_no_words_for_is_null():
    message = json.loads(metrics_message(**MESSAGE | {"aids": [b"AL1", ["é", b""]]}))
    assert message["aid"] == [None, "é", None]


def test_a_batch_without_messages():
    empty = {"aids": [], "candids": [], "n_messages": 0, "survey": None}
    message = json.loads(metrics_message(**MESSAGE | empty))
    assert (message["aid"], message["candid"], message["survey"]) == ([], [], None)
