"""A program that replays dead letters, and can kill itself at a chosen moment (see ``fated``).

Its only argument is JSON: the source, the server, and "fault".
"""

import json
import sys

from member import fated

from lcclassify.errors import LcclassifyError
from lcclassify.sinks import kafka as sinks
from lcclassify.sinks.letter_files import LetterFiles
from lcclassify.stream.dead import run_replay as command
from lcclassify.stream.dead.replay import Replay
from lcclassify.stream.settings import Client


def main(bootstrap, source, fault=None, consumer=None, **told):
    if fault:
        name = fault.pop("of")
        place = {"Producer": sinks, "LetterFiles": command}[name]
        kind = {"Producer": sinks.Producer, "LetterFiles": LetterFiles}[name]
        setattr(place, name, fated(kind, **fault))
    target = Client(bootstrap, {"transaction.timeout.ms": "5000"})
    letters = None if source.endswith("/") else Client(bootstrap, consumer or {})
    try:
        n_replayed = command.run_replay(Replay(source, target, letters, **told))
    except LcclassifyError as error:
        print(f"lcclassify: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"replayed {n_replayed}", file=sys.stderr)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
