import math
import pickle

import pytest

from lcclassify.legacy.records import RefusedError
from lcclassify.sources.context import CONTEXT
from lcclassify.sources.messages import context_of, with_header


def detection(**fields):
    return {"tid": "LSST", "candid": "1", "mjd": 60000.0, "has_stamp": True, "new": True} | fields


def context(*detections):
    return context_of({"detections": list(detections)})


def headed(mjd, header, **fields):
    return detection(mjd=mjd, extra_fields={"diaObject": header}, **fields)


@pytest.mark.parametrize("header", [{"z": 1}, [{"z": 1}, 7], pickle.dumps([{"z": 1}, 7])])
def test_the_header_is_that_of_the_earliest_detection_that_has_one(header):
    late = pickle.dumps([{"z": 9}])
    detections = [
        headed(None, late),
        headed(3.0, late),
        headed(math.nan, late),
        headed(2.0, header, mag=100.0, e_mag=100.0),  # a flux of 100 is a flux
        headed(1.0, None),
        headed(0.5, pickle.dumps([None])),
        detection(mjd=0.25, extra_fields=None),
        detection(mjd=0.125),
        "no detection",
    ]
    message = {"oid": "x", "detections": detections}
    assert with_header(message) == message | {"diaObject": {"z": 1}}


@pytest.mark.parametrize("message", [{}, {"detections": None}, {"detections": [headed(1.0, None)]}])
def test_a_message_without_a_header_stays_as_it_is(message):
    assert with_header(message) == message


@pytest.mark.parametrize("header", [5, [], [[]], {"z": []}, b"", pickle.dumps([])])
def test_a_header_of_another_shape_is_refused(header):
    with pytest.raises(RefusedError):
        with_header({"detections": [headed(1.0, header), headed(2.0, {"z": 1})]})


def test_context_is_that_of_the_first_new_detection_with_a_stamp():
    times = {"surveyPublishTimestamp": "1690559739428", "brokerIngestTimestamp": 1690948661}
    found = context(
        detection(candid="1", has_stamp=False),
        detection(candid="2", new=False),
        detection(candid="9007199254740993", mjd=1.0, extra_fields=times),
        detection(candid="4"),
    )
    assert found == {
        "alertId": 9007199254740993,
        "diaSourceId": 9007199254740993,
        "elasticcPublishTimestamp": 1690559739428,
        "brokerIngestTimestamp": 1690948661000,
        "lastmjd": 60000.0,
    }
    assert list(CONTEXT.names) == [*list(found)[1:], "lastmjd"]


def test_context_without_a_new_detection_is_that_of_the_last_with_a_stamp():
    old = [detection(candid=f"{mjd:.0f}", mjd=mjd, new=False) for mjd in (1.0, 3.0, 2.0)]
    assert context(*old, detection(mjd=9.0, has_stamp=False))["alertId"] == 3


@pytest.mark.parametrize("detections", [(), (detection(has_stamp=False, mjd=None),)])
def test_a_message_without_a_stamped_detection_has_no_context(detections):
    assert context(*detections) == {"lastmjd": None}


@pytest.mark.parametrize("name", ["alertId", "diaSourceId"])
@pytest.mark.parametrize(
    ("value", "candid", "expected"),
    [
        ("80158101829897422", "7", 80158101829897422),
        (325945431, "7", 325945431),
        (12.0, "7", 12),
        (6.2325722e16, "66578222744594794", 66578222744594794),  # was rounded on its way
        (2.0**24, 8, 8),
        (12.5, "7", 7),
        (True, "7", 7),
        (None, "7", 7),
        ("abc", "7", 7),
        (math.nan, "not-a-number", None),
        (6.2325722e16, None, None),
        (None, "9223372036854775808", None),
        (None, "-5", -5),
        (None, "\uff11", None),
        (None, "9" * 5000, None),
    ],
)
def test_ids_are_exact_or_null(name, value, candid, expected):
    assert context(detection(candid=candid, extra_fields={name: value}))[name] == expected


@pytest.mark.parametrize(
    ("value", "published", "ingested"),
    [
        (1690161866, 1690161866, 1690161866000),
        (1690161866.75, 1690161866, 1690161866000),
        ("1690161866123", 1690161866123, 1690161866123),
        (1690352222208.0, 1690352222208, 1690352222208),
        (math.inf, None, None),
        (math.nan, None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_times_are_milliseconds_or_null(value, published, ingested):
    extra = {"surveyPublishTimestamp": value, "brokerIngestTimestamp": value}
    found = context(detection(extra_fields=extra))
    assert found["elasticcPublishTimestamp"] == published
    assert found["brokerIngestTimestamp"] == ingested


@pytest.mark.parametrize(
    ("tid", "mag", "e_mag", "last"),
    [
        ("ztf", 18.0, 0.1, 60000.0),
        ("ZTF", 100.0, 0.1, 50000.0),
        ("ztf", 18.0, 100.0005, 50000.0),
        ("ztf", 100.0020, 0.1, 60000.0),
        ("ztf", None, math.nan, 60000.0),
        ("LSST", 100.0, 100.0, 60000.0),
    ],
)
def test_the_last_date_is_that_of_a_measurement(tid, mag, e_mag, last):
    last_one = detection(tid=tid, mag=mag, e_mag=e_mag)
    assert context(detection(mjd=50000.0), last_one)["lastmjd"] == last
