from hypothesis import given
from hypothesis import strategies as st

from lcclassify.hats.properties import format_properties, parse_properties


def test_what_hats_and_what_java_write_is_read():
    text = (
        "#HATS catalog\n\n! other comment\na=1\nb = two words \nurl: https\\://x.org/?q\\=1\nc=\n"
    )
    assert parse_properties(text) == {
        "a": "1",
        "b": "two words",
        "url": "https://x.org/?q=1",
        "c": "",
    }


def test_a_line_without_a_value_says_nothing():
    assert parse_properties("hats\n=3\na=1=2\n") == {"a": "1=2"}


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1))
def test_what_is_written_is_read(value):
    assert parse_properties(format_properties({"obs_collection": value})) == {
        "obs_collection": value
    }
