"""Whatever happens on the way, a file that arrives is one state of the file, and whole."""

import tempfile
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.download.objects import Objects
from lcclassify.download.remote import (
    Answer,
    Patience,
    Persistence,
    Remote,
    StaleError,
    TransientError,
)
from lcclassify.download.staging import Staging, fetch_file

EVENTS = st.lists(
    st.tuples(st.sampled_from(["drop", "short", "change", "ignore", "stale"]), st.integers(0, 40)),
    max_size=12,
)


class Elsewhere:
    """A file that changes, on a server that drops connections and may ignore ranges."""

    def __init__(self, events, has_validator):
        self.events, self.has_validator = list(events), has_validator
        self.state = 0

    @property
    def content(self):
        return bytes([65 + self.state]) * (30 + self.state % 3)

    def look(self, url, /):
        validator = str(self.state) if self.has_validator else None
        return Remote(url, len(self.content), validator)

    @contextmanager
    def read(self, remote, start, /):
        kind, n_bytes = self.events.pop(0) if self.events else ("all", 100)
        if kind == "stale":
            raise StaleError("another state")
        if kind == "change":
            self.state += 1
        now = self.look(remote.url)
        if kind == "ignore" or remote.validator is None or now != remote:
            start = 0
        yield Answer(start, now, self.chunks(start, n_bytes, kind))

    def chunks(self, start, n_bytes, kind):
        content = self.content[start:]
        for first in range(0, min(n_bytes, len(content)), 7):
            yield content[first : min(first + 7, n_bytes)]
        if n_bytes < len(content) and kind != "short":  # that one seems to end well
            raise TransientError("the connection broke off")


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=3), st.booleans())
def test_what_arrives_is_the_last_state_and_whole(runs, has_validator):
    """Each run but the last gives up at its first failure, as if it were killed there."""
    elsewhere = Elsewhere([], has_validator)
    with tempfile.TemporaryDirectory() as folder:
        staging = Staging(Path(folder), "m")
        for number, events in enumerate(runs, 1):
            elsewhere.events = list(events)
            retries = 99 if number == len(runs) else 0
            persistence = Persistence(Patience(retries=retries, first_wait_s=0), Event(), str)
            told = []
            try:
                remote = elsewhere.look("x://y")
                fetch_file(elsewhere, "f", remote, staging, persistence, told.append)
            except TransientError:
                continue
            assert staging.file("f").read_bytes() == elsewhere.content
            assert sum(told) == len(elsewhere.content)
        assert staging.file("f").exists()


def test_a_file_of_this_machine_is_read_from_where_it_was_left(tmp_path):
    path = tmp_path / "a b"
    path.write_bytes(b"0123456789")
    remote = Objects().look(path.as_uri())
    with Objects().read(remote, 4) as answer:
        assert (answer.start, b"".join(answer.chunks)) == (4, b"456789")
    path.write_bytes(b"abcdefghijk")
    with Objects().read(remote, 4) as answer:
        assert (answer.start, b"".join(answer.chunks)) == (0, b"abcdefghijk")
