import json
import os
import resource
import signal
import subprocess
import sys
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.errors import OutputError
from lcclassify.sinks import offset_files
from lcclassify.sinks.offset_files import LOCK, OffsetFiles, OffsetName

TOPICS = st.from_regex(r"[a-zA-Z0-9._-]{1,190}", fullmatch=True)
OFFSETS = st.integers(0, 2**63 - 1)


def answers(rows, metadata=None):
    """A table of these (topic, partition, offset, class)."""
    topics, partitions, offsets, classes = map(list, zip(*rows, strict=True)) if rows else [[]] * 4
    columns = {
        "topic": pa.array(topics, pa.string()),
        "partition": pa.array(partitions, pa.int32()),
        "offset": pa.array(offsets, pa.int64()),
        "class": pa.array(classes, pa.string()),
    }
    return pa.table(columns).replace_schema_metadata(metadata)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != LOCK)


ROWS = [("f", 0, 5, "RRL"), ("f", 1, 2, "EB"), ("f", 0, 7, "QSO")]
SPANS = {("f", 0): (5, 8), ("f", 1): (2, 2), ("g.h-0", 0): (0, 9)}
FILES = [
    "f-00000-0000000000000000005-0000000000000000008",
    "f-00001-0000000000000000002-0000000000000000002",
    "g.h-0-00000-0000000000000000000-0000000000000000009",
]


def test_a_parquet_file_for_each_partition_with_its_rows(tmp_path):
    OffsetFiles(tmp_path / "new" / "out", "parquet").write(answers(ROWS, {"who": "me"}), SPANS)
    folder = tmp_path / "new" / "out"
    assert names(folder) == [f"{name}.parquet" for name in FILES]
    tables = [pq.read_table(folder / f"{name}.parquet") for name in FILES]
    assert [table["offset"].to_pylist() for table in tables] == [[5, 7], [2], []]
    assert [table["class"].to_pylist() for table in tables] == [["RRL", "QSO"], ["EB"], []]
    assert all(table.schema.metadata[b"who"] == b"me" for table in tables)
    assert sorted(pq.read_table(folder)["offset"].to_pylist()) == [2, 5, 7]


def test_json_lines(tmp_path):
    OffsetFiles(tmp_path, "jsonl").write(answers(ROWS), SPANS)
    texts = [(tmp_path / f"{name}.jsonl").read_text() for name in FILES]
    rows = [[json.loads(line) for line in text.splitlines()] for text in texts]
    assert rows[0][1] == {"topic": "f", "partition": 0, "offset": 7, "class": "QSO"}
    assert list(map(len, rows)) == [2, 1, 0]


def test_what_is_done_is_what_the_folder_has(tmp_path):
    files = OffsetFiles(tmp_path, "parquet")
    assert files.done("f", 0) is None
    files.write(answers(ROWS), SPANS)
    files.write(answers([]), {("f", 0): (9, 9)})
    again = OffsetFiles(tmp_path, "jsonl")
    done = {place: again.done(*place) for place in [("f", 0), ("f", 1), ("g.h-0", 0), ("f", 2)]}
    assert done == {("f", 0): 10, ("f", 1): 3, ("g.h-0", 0): 10, ("f", 2): None}


def test_a_replay_writes_the_same_name_again(tmp_path):
    files = OffsetFiles(tmp_path, "parquet")
    files.write(answers([("f", 0, 5, "old")]), {("f", 0): (5, 8)})
    files.write(answers(ROWS), SPANS)
    assert names(tmp_path) == [f"{name}.parquet" for name in FILES]
    assert pq.read_table(tmp_path / f"{FILES[0]}.parquet")["offset"].to_pylist() == [5, 7]


@pytest.mark.parametrize("span", [(0, 5), (6, 7), (8, 20), (5, 9), (0, 100)])
def test_messages_that_another_process_has_answered_are_not_written_again(tmp_path, span):
    OffsetFiles(tmp_path, "parquet").write(answers(ROWS), SPANS)
    before = names(tmp_path)
    with pytest.raises(OutputError) as error:
        OffsetFiles(tmp_path, "parquet").write(answers([]), {("f", 7): (0, 0), ("f", 0): span})
    assert str(error.value) == (
        f"{tmp_path}/{FILES[0]}.parquet answers messages of {OffsetName('f', 0, *span, 'parquet')} "
        "already: another process reads this partition, or its offsets began anew; a new start "
        "goes on after the files that are there, another folder holds everything again"
    )
    assert names(tmp_path) == before


@given(TOPICS, st.integers(0, 2**31 - 1), OFFSETS, OFFSETS, st.sampled_from(["parquet", "jsonl"]))
def test_a_name_says_what_it_was_made_from(topic, partition, first, last, form):
    name = OffsetName(topic, partition, first, last, form)
    assert OffsetName.of(str(name)) == name
    assert len(f".{name}.12345678") <= 255 or partition > 99_999


@given(TOPICS, st.lists(OFFSETS, min_size=2))
def test_names_of_a_partition_sort_by_offset(topic, offsets):
    made = [OffsetName(topic, 3, offset, offset, "jsonl") for offset in sorted(offsets)]
    assert list(map(str, made)) == sorted(map(str, made))


@pytest.mark.parametrize("name", ["part-00000.parquet", "f-0-1-2.parquet", f"{FILES[0]}.csv"])
def test_other_files_are_left_alone(tmp_path, name):
    (tmp_path / name).touch()
    assert OffsetFiles(tmp_path, "parquet").done("f", 0) is None
    assert names(tmp_path) == [name]


def test_what_a_killed_process_left_unfinished_is_removed(tmp_path):
    for stray in (f".{FILES[0]}.parquet.x1y2z3_a", f".{FILES[2]}.jsonl.abcdefgh"):
        (tmp_path / stray).touch()
    (tmp_path / ".mine.parquet.abcdefgh").touch()
    OffsetFiles(tmp_path, "parquet")
    assert names(tmp_path) == [".mine.parquet.abcdefgh"]


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as error:
        OffsetFiles(tmp_path / "file", "parquet")
    assert str(error.value) == f"cannot write {tmp_path}/file: File exists"
    with pytest.raises(OutputError) as error:
        OffsetFiles(tmp_path / "file" / "out", "parquet")
    assert str(error.value) == f"cannot write {tmp_path}/file/out: Not a directory"


def test_a_topic_with_a_name_too_long_for_a_file(tmp_path):
    files, topic = OffsetFiles(tmp_path, "parquet"), "t" * 249
    with pytest.raises(OutputError) as error:
        files.write(answers([]), {(topic, 0): (0, 0), ("f", 0): (0, 0)})
    name = OffsetName(topic, 0, 0, 0, "parquet")
    assert str(error.value) == f"cannot write {tmp_path}/{name}: File name too long"
    assert names(tmp_path) == []


def test_a_process_that_hangs_while_it_writes_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(offset_files, "PATIENCE_S", 0.1)
    with FileLock(tmp_path / LOCK), pytest.raises(OutputError) as error:
        OffsetFiles(tmp_path, "parquet")
    assert str(error.value) == (
        f"cannot write {tmp_path}: another process has been writing there for 0.1 s"
    )


WRITE = """
import sys
import pyarrow as pa
from pathlib import Path
from lcclassify.errors import OutputError
from lcclassify.sinks.offset_files import OffsetFiles

try:
    files = OffsetFiles(Path(sys.argv[1]), "parquet")
    table = pa.table(
        {
            "topic": ["f"] * 9000,
            "partition": [0, 0, 1] * 3000,
            "offset": range(9000),
            "noise": [hash((row, "x")) / 3 for row in range(9000)],
        }
    )
    files.write(table, {("f", 0): (0, 8998), ("f", 1): (2, 8999)})
except OutputError as error:
    sys.exit(str(error))
"""


def write_apart(folder, script=WRITE, **options):
    """The same batch, written by a process of its own."""
    argv = [sys.executable, "-c", script, str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, **options)


def test_a_full_disk_leaves_nothing_that_is_not_whole(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))

    failed = write_apart(tmp_path, preexec_fn=limit)
    whole = [name for name in names(tmp_path) if pq.read_table(tmp_path / name).num_rows]
    assert failed.stderr.startswith(f"cannot write {tmp_path}/f-0000")
    assert failed.stderr.endswith(".parquet: File too large\n")
    assert whole == names(tmp_path)
    assert write_apart(tmp_path).stderr == ""
    assert [OffsetFiles(tmp_path, "parquet").done("f", n) for n in (0, 1)] == [8999, 9000]


def test_a_folder_that_may_only_be_read(tmp_path):
    """Read-only for everybody, root included."""
    script = 'mount --bind -o ro "$0" "$0" && mount -o remount,bind,ro "$0" && "$1" -c "$2" "$0"'
    argv = ["unshare", "-rm", "sh", "-c", script, str(tmp_path), sys.executable, WRITE]
    done = subprocess.run(argv, capture_output=True, text=True)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("this machine lets nobody mount a folder read-only")
    assert done.stderr == f"cannot write {tmp_path}: Read-only file system\n"


KILLED = """
import os, signal
from pathlib import Path
from lcclassify.sinks import offset_files

n_calls = 0

def die(call):
    def dying(*args):
        global n_calls
        result = call(*args)
        n_calls += 1
        if n_calls == {after}:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return dying

{target} = die({target})
"""


@pytest.mark.parametrize(
    ("target", "after", "n_files"),
    [
        ("os.fsync", 1, 0),  # one file is written and none has its name
        ("Path.replace", 1, 1),  # one has its name
        ("os.fsync", 2, 1),
        ("Path.replace", 2, 2),  # both have, and the folder may not know it yet
        ("os.fsync", 3, 2),  # all is done but the commit
    ],
)
def test_a_kill_at_any_moment_loses_and_doubles_nothing(tmp_path, target, after, n_files):
    killed = write_apart(tmp_path, KILLED.format(target=target, after=after) + WRITE)
    assert killed.returncode == -signal.SIGKILL
    whole = [name for name in os.listdir(tmp_path) if not name.startswith(".")]
    assert len(whole) == n_files
    files = OffsetFiles(tmp_path, "parquet")
    assert sorted(whole) == names(tmp_path)
    done = [files.done("f", partition) or 0 for partition in (0, 1)]
    spans = {("f", 0): (0, 8998), ("f", 1): (2, 8999)}
    missing = {place: span for place, span in spans.items() if done[place[1]] <= span[0]}
    offsets = [(n % 3 // 2, n) for n in range(9000)]
    rows = [("f", number, n, "") for number, n in offsets if ("f", number) in missing]
    files.write(answers(rows), missing)
    read = [pq.read_table(tmp_path / name)["offset"].to_pylist() for name in names(tmp_path)]
    assert sorted(chain.from_iterable(read)) == list(range(9000))
