"""A program that runs the real stream with a trivial step, and can kill itself at a chosen moment.

Its only argument is JSON: the keyword arguments of ``settings`` below, and "fault" (see ``fated``).
Each message goes to ``out`` as it is, or into files, and to ``cmd`` as a command.
"""

import json
import os
import signal
import sys
import time
from itertools import count
from threading import Timer
from types import SimpleNamespace

import pyarrow as pa

from lcclassify.errors import LcclassifyError
from lcclassify.sinks import kafka as sinks
from lcclassify.sinks.letter_files import LetterFiles
from lcclassify.sinks.offset_files import OffsetFiles
from lcclassify.sources import kafka as sources
from lcclassify.stream import step
from lcclassify.stream.dead.headers import to_outgoing
from lcclassify.stream.message import Letter, Outgoing, Work, spans_of
from lcclassify.stream.settings import (
    Client,
    DeadLetters,
    Input,
    Model,
    Operation,
    Settings,
    Side,
)
from lcclassify.stream.topics import OneTopic
from lcclassify.task import Output

MODEL = tuple((name, b"echo") for name in ("model", "version", "digest", "lcclassify"))


def echo(out, cmd, step_s=0.0, to_files=False, dead=None):
    """A step that takes ``step_s`` for a batch. With ``dead``, values that end in 7 go there."""

    def answer(messages):
        time.sleep(step_s)
        bad = [m for m in messages if dead and m.value.endswith(b"7")]
        letters = [Letter(message, "score", "it ends in 7") for message in bad]
        messages, every = [m for m in messages if m not in bad], messages
        told = [(m.key, m.value or b"tombstone") for m in messages]
        results = [Outgoing("results", out, key, value) for key, value in told]
        commands = [Outgoing("scribe", cmd, key, value) for key, value in told]
        places = ([m[n] for m in messages] for n in range(3))
        values = [value.decode() for _, value in told]
        table = pa.table([*places, values], names=["topic", "partition", "offset", "value"])
        sent = [to_outgoing(letter, dead, MODEL) for letter in letters]
        return Work(
            results * (not to_files) + commands + sent,
            table,
            spans_of(every),
            n_answered=len(messages),
            n_dead=len(letters),
            letters=letters,
        )

    taxonomy = SimpleNamespace(classes=("echo",))
    answer.bundle = SimpleNamespace(name="echo", version="1", digest="none", taxonomy=taxonomy)
    return answer


def fated(kind, method, when, call=1, ms=0, by="SIGKILL"):
    """A subclass that ends this process ``ms`` before, during or after a call of ``method``."""
    numbers = count(1)

    def strike():
        os.kill(os.getpid(), getattr(signal, by))

    def deadly(self, *args, **named):
        moment = when if next(numbers) == call else None
        if moment == "during":
            Timer(ms / 1000, strike).start()
        if moment == "before":
            time.sleep(ms / 1000)
            strike()
        result = getattr(kind, method)(self, *args, **named)
        if moment == "after":
            time.sleep(ms / 1000)
            strike()
        return result

    return type(kind.__name__, (kind,), {method: deadly})


def settings(
    bootstrap,
    topics,
    out,
    cmd,
    group,
    consumer=None,
    producer=None,
    folder=None,
    delivery="exactly-once",
    transactional_id=None,
    shutdown_s=25.0,
    operation=None,
    dead=None,
    **reading,
):
    results = Client(bootstrap, producer or {})
    told = Input(Client(bootstrap, consumer or {}), group, tuple(topics), **reading)
    into = {"to": folder, "file_form": "jsonl"} if folder else {"results": results}
    return Settings(
        told,
        Model("echo"),
        Output(),
        topics=None if folder else OneTopic(out),
        scribe=Side(results, cmd),
        delivery=delivery,
        transactional_id=transactional_id,
        shutdown_s=shutdown_s,
        operation=Operation(**operation or {}),
        dead_letters=DeadLetters(dead),
        **into,
    )


def main(bootstrap, out, cmd, step_s=0.0, fault=None, **told):
    step.open_step = lambda settings: echo(out, cmd, step_s, "folder" in told, told.get("dead"))
    from lcclassify.stream import destination, run

    sinks.STUCK_S = 6.0  # of a call whose answer was lost with a broker
    if fault:
        places = {"Producer": sinks, "Consumer": sources}
        kinds = {
            "Producer": sinks.Producer,
            "Consumer": sources.Consumer,
            "OffsetFiles": OffsetFiles,
            "LetterFiles": LetterFiles,
        }
        name = fault.pop("of")
        setattr(places.get(name, destination), name, fated(kinds[name], **fault))
    try:
        counts = run.run_stream(settings(bootstrap, out=out, cmd=cmd, **told))
    except LcclassifyError as error:
        print(f"lcclassify: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"handled {counts.n_messages} repeated {counts.n_repeated}", file=sys.stderr)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
