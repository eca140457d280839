"""Every golden message by the compiled walk, against fastavro: all that is wanted is equal."""

import io

import fastavro
import pytest

from lcclassify.stream.decoding.containers import Containers
from lcclassify.stream.decoding.narrow import Wants

RECORDS = ("messages_ztf", "messages_ztf_errors", "messages_ztf_newnames", "messages_ztf_tid_upper")
MAPS = ("messages_ztf_map", "messages_elasticc", "messages_elasticc_errors")  # features are a map
N_MESSAGES = 141
WANTS = {
    "as Barney": Wants(
        frozenset(["oid", "aid", "candid"]), None, frozenset(["mjd", "extra_fields", "forced"])
    ),
    "as Balto": Wants(
        frozenset(["oid"]), frozenset(), frozenset(["mjd", "mag", "e_mag", "fid", "tid"])
    ),
    "as a forest": Wants(
        frozenset(["oid", "candid"]), frozenset(["Amplitude_1", "Multiband_period"]), frozenset()
    ),
}


def by_fastavro(data, wants, is_map):
    """The same fields of a message that was read whole; a map is wanted whole."""
    [message] = fastavro.reader(io.BytesIO(data))
    found = {name: message[name] for name in message if name in wants.fields}
    found["features"] = features = message["features"]
    if features is not None and wants.features is not None and not is_map:
        found["features"] = {k: v for k, v in features.items() if k in wants.features}
    if wants.detections:
        found["detections"] = [
            {name: one[name] for name in one if name in wants.detections}
            for one in message["detections"]
        ]
    return found


def in_order(found):
    """As text, in which NaN is NaN."""
    return {name: repr(found[name]) for name in sorted(found)}


@pytest.mark.parametrize("name", WANTS)
def test_what_is_wanted_is_what_fastavro_reads(golden, name):
    n_compared = 0
    for folder in (*RECORDS, *MAPS):
        for path in sorted((golden / folder).glob("*.avro")):
            data = path.read_bytes()
            theirs = by_fastavro(data, WANTS[name], folder in MAPS)
            assert in_order(Containers(WANTS[name])(data)) == in_order(theirs), path
            n_compared += 1
    assert n_compared == N_MESSAGES
