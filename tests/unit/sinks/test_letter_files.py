import json
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lcclassify.errors import InputError, OutputError
from lcclassify.sinks.letter_files import LetterFiles, LetterName
from lcclassify.stream.dead.headers import read_origin, to_outgoing
from lcclassify.stream.message import Letter, Message

MODEL = tuple((name, b"1") for name in ("model", "version", "digest", "lcclassify"))
BYTES = st.none() | st.binary(max_size=9)


def letter(offset=7, value=b"bad", topic="in", key=None, headers=(), timestamp=None):
    message = Message(topic, 2, offset, value, key, timestamp, headers)
    return to_outgoing(Letter(message, "decode", "it is bad"), "", MODEL)


def there(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@given(BYTES, BYTES, st.lists(st.tuples(st.text(max_size=5), BYTES)), st.integers(0, 2**63 - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_letter_is_read_as_it_was_written(tmp_path, value, key, headers, offset):
    files = LetterFiles(tmp_path / f"{offset}-{os.urandom(4).hex()}")
    written = letter(offset, value, "a-b", key, tuple(headers), 17)
    files.write([written])
    [name] = files.names()
    assert name == LetterName("a-b", 2, offset)
    assert files.read(name) == written


def test_files_are_named_by_the_place_and_say_what_is_wrong(tmp_path):
    LetterFiles(tmp_path).write([letter(key=b"\xff", headers=(("n", b"v"),), timestamp=3)])
    name = "in-00002-0000000000000000007"
    assert there(tmp_path) == [f"{name}.bin", f"{name}.json"]
    assert (tmp_path / f"{name}.bin").read_bytes() == b"bad"
    assert json.loads((tmp_path / f"{name}.json").read_text()) == {
        "error": "it is bad",
        "stage": "decode",
        "topic": "in",
        "partition": 2,
        "offset": 7,
        "timestamp": 3,
        "model": "1",
        "version": "1",
        "digest": "1",
        "lcclassify": "1",
        "replays": 0,
        "is_tombstone": False,
        "key": "/w==",
        "headers": [["n", "dg=="]],
    }


def test_a_letter_written_again_is_there_once_and_never_after_its_replay(tmp_path):
    files = LetterFiles(tmp_path)
    files.write([letter(10), letter(9)])
    files.write([letter(9)])
    assert [name.offset for name in files.names()] == [9, 10]
    files.put_away([LetterName("in", 2, 9)])
    files.put_away([LetterName("in", 2, 9)])  # as after a kill
    files.write([letter(9), letter(10)])
    assert [name.offset for name in files.names()] == [10]
    assert len(there(tmp_path / "replayed")) == 2


def test_a_topic_that_was_made_anew_replaces_no_letter(tmp_path):
    files = LetterFiles(tmp_path)
    files.write([letter()])
    with pytest.raises(OutputError) as caught:
        files.write([letter(value=b"other")])
    path = tmp_path / "in-00002-0000000000000000007.bin"
    assert str(caught.value) == (
        f"{path} holds another message of that place: the topic was made anew; name another folder "
        "by --dead-letters, or move these files away"
    )
    assert path.read_bytes() == b"bad"
    files.put_away(files.names())
    files.write([letter(value=b"other")])
    assert len(files.names()) == 1


def test_a_damaged_letter_is_told(tmp_path):
    files = LetterFiles(tmp_path)
    files.write([letter()])
    [name] = files.names()
    about = tmp_path / f"{name}.json"
    told = json.loads(about.read_text())
    wrong = ({"key": "?"}, {"offset": "x"}, {"topic": None}, {"topic": "no/topic"})
    for text in ("{", "[" * 100_000, "[]", *(json.dumps(told | one) for one in wrong)):
        about.write_text(text)
        with pytest.raises(InputError) as caught:
            files.read(name)
        assert str(caught.value).startswith(f"{about} is no dead letter: ")
    about.write_text(json.dumps(told))
    about.with_suffix(".bin").unlink()
    with pytest.raises(InputError, match="^cannot read .*: No such file or directory$"):
        files.read(name)


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="^cannot write .*/file: "):
        LetterFiles(tmp_path / "file")


def test_a_full_disk_is_told_and_leaves_no_half_letter(tmp_path):
    """A limit on the size of files stands for it."""
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from test_letter_files import LetterFiles, letter\n"
        "files = LetterFiles(Path(sys.argv[1]))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "files.write([letter(value=bytes(5000))])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stderr.endswith(f"OutputError: cannot write {tmp_path}: File too large\n")
    assert there(tmp_path) == []
    files = LetterFiles(tmp_path)
    files.write([letter()])
    assert read_origin(files.read(files.names()[0]).headers).topic == "in"


def test_what_a_killed_writer_left_is_removed_later(tmp_path):
    names = [f".in-00002-0000000000000000007.{suffix}.{'a' * 32}" for suffix in ("bin", "json")]
    for name in names:
        (tmp_path / name).write_bytes(b"half")
    os.utime(tmp_path / names[0], (0, 0))
    LetterFiles(tmp_path).write([letter()])
    assert names[0] not in there(tmp_path)
    assert names[1] in there(tmp_path)
