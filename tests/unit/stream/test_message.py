from lcclassify.stream.message import Message, spans_of


def test_spans_reach_from_the_first_to_the_last_offset_of_each_partition():
    places = [("a", 0, 7), ("a", 1, 3), ("a", 0, 12), ("b", 0, 0), ("a", 0, 9)]
    messages = [Message(topic, partition, offset, None) for topic, partition, offset in places]
    assert spans_of(messages) == {("a", 0): (7, 12), ("a", 1): (3, 3), ("b", 0): (0, 0)}
    assert spans_of([]) == {}


def test_the_place_of_a_message_for_people():
    assert Message("features", 3, 42, b"").place == "features [3] at offset 42"
