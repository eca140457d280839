"""run_replay: open what a replay names, and go."""

import logging
from pathlib import Path

from lcclassify.sinks.letter_files import LetterFiles
from lcclassify.stream.dead.replay import Candidate, Replay, list_topic, replay_topic
from lcclassify.stream.dead.replay_folder import list_folder, replay_folder
from lcclassify.stream.operation.logs import log_to_stderr
from lcclassify.stream.settings import Operation
from lcclassify.stream.shutdown import aside, stopped_by_signals

SHUTDOWN_S = 25.0  # after the first signal

log = logging.getLogger("lcclassify.stream")


def list_letters(told: Replay) -> list[Candidate]:
    """What would be replayed. LcclassifyError"""
    log_to_stderr(Operation(debug=told.debug), {})
    with stopped_by_signals(SHUTDOWN_S) as stop:
        letters = told.letters
        if letters is None:
            return list_folder(told, LetterFiles(Path(told.source)))
        return aside(lambda: list_topic(told, letters, stop))


def run_replay(told: Replay) -> int:
    """Replay; how many letters that were. LcclassifyError"""
    log_to_stderr(Operation(debug=told.debug), {})
    with stopped_by_signals(SHUTDOWN_S) as stop:
        letters = told.letters
        if letters is None:
            files = LetterFiles(Path(told.source))
            n_replayed = aside(lambda: replay_folder(told, files, stop))
        else:
            n_replayed = aside(lambda: replay_topic(told, letters, stop))
    log.info("done: replayed %d", n_replayed)
    return n_replayed
