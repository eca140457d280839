"""A process that speaks as a shadow's does, without a model: what it answers is what it is told.

Of a message it answers its value: nothing of an empty one. ``die`` and ``sleep`` it does. The name
of the model tells how it begins: ready, refuse, die or sleep.
"""

import json
import os
import signal
import sys
import time

from lcclassify.stream.shadow.frames import read_batch, read_settings


def say(**told):
    print(json.dumps(told), flush=True)


def die():
    print('{"best": [', end="", flush=True)  # in the middle of a line
    os.kill(os.getpid(), signal.SIGKILL)


def main():
    beginning = read_settings(sys.stdin.buffer).model.name
    if beginning == "die":
        die()
    if beginning == "sleep":
        time.sleep(600)
    if beginning == "refuse":
        say(error="ModelError", text="no such model")
        sys.exit(4)
    say(ready="toy@1.0")
    while True:
        try:
            values = [message.value.decode() for message in read_batch(sys.stdin.buffer)]
        except EOFError:
            return
        if "die" in values:
            die()
        if "sleep" in values:
            time.sleep(600)
        say(best=[value or None for value in values])


main()
