import pytest

from lcclassify.errors import InputError
from lcclassify.sinks.letter_files import LetterName
from lcclassify.stream.dead.journal import NAME, read_journal, write_journal


def test_a_folder_keeps_its_group_and_tells_what_is_under_way(tmp_path):
    new = read_journal(tmp_path)
    assert new.batch is None
    assert read_journal(tmp_path).group != new.group  # nothing was written
    begun = new.begun("in", (LetterName("in", 0, 7), LetterName("in", 1, 8)))
    assert begun.batch != new.begun("in", ()).batch
    write_journal(tmp_path, begun)
    assert read_journal(tmp_path) == begun
    write_journal(tmp_path, begun.ended())
    assert read_journal(tmp_path) == new


@pytest.mark.parametrize("text", ["", "[]", '{"group": "g"}', '{"letters": [1]}'])
def test_a_damaged_journal_is_told(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    with pytest.raises(InputError, match=r"\.replay\.json is no journal of a replay: "):
        read_journal(tmp_path)
