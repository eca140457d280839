from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lcclassify.remarks import (
    LONGEST,
    MOST_NAMES,
    OTHERS,
    Kind,
    Remark,
    add_remarks,
    all_remarks,
    as_plain,
    of_plain,
    remark,
    sentences,
)

REMARKS = st.dictionaries(
    st.builds(Remark, st.sampled_from(Kind), st.text(max_size=3)), st.integers(1, 9), max_size=12
)


def test_each_kind_has_one_sentence_with_its_most_frequent_names():
    found = {Remark(Kind.UNKNOWN_BAND, "J"): 2, Remark(Kind.UNKNOWN_BAND, "K"): 3000}
    found[Remark(Kind.ROUNDED_ID, "id")] = 1
    assert sentences(found) == [
        "3,002 observations left out, the band is not known: 'K' 3,000, 'J' 2",
        "1 object whose id went through a float: 'id' 1",
    ]


def test_beyond_a_number_of_names_they_are_counted_together():
    total = Counter()
    add_remarks(total, {Remark(Kind.UNKNOWN_BAND, f"b{n}"): 1 for n in range(2 * MOST_NAMES)})
    assert len(total) == MOST_NAMES + 1
    assert total[Remark(Kind.UNKNOWN_BAND, OTHERS)] == MOST_NAMES
    assert sentences(total)[0].endswith(f" and {MOST_NAMES + 1 - 8} more")


def test_a_long_name_is_cut():
    assert len(remark(Kind.UNKNOWN_BAND, "x" * 1000).name) == LONGEST + 3


@given(REMARKS)
def test_plain_values_come_back(found):
    assert of_plain(as_plain(found)) == Counter(found)


@given(st.lists(REMARKS, max_size=4))
def test_nothing_is_lost_when_parts_are_added(parts):
    assert all_remarks(parts).total() == sum(sum(part.values()) for part in parts)
