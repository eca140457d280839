"""How many dead letters are too many."""

from collections.abc import Sequence

from lcclassify.errors import InputError
from lcclassify.stream.message import Letter, Message, Where, Work
from lcclassify.stream.step import Step

WINDOW = 1000  # messages of which the share is taken
LEAST = 100  # fewer say nothing


def limited(step: Step, max_share: float) -> Step:
    """A step that refuses to go on where too many of the last messages are at fault. InputError

    It is raised before anything of the batch is delivered. Whatever the batches, the same messages
    in the same order lead to the same end, and one that comes again counts once.
    """
    last: dict[Where, bool] = {}  # whether each of the last messages is at fault
    letter: Letter | None = None

    def limited_step(messages: Sequence[Message], /) -> Work:
        nonlocal letter
        work = step(messages)
        faults = {letter.message.where: letter for letter in work.letters}
        n_faults = sum(last.values())
        for message in messages:
            key = message.where
            n_faults += (key in faults) - last.pop(key, False)
            last[key] = key in faults
            if len(last) > WINDOW:
                n_faults -= last.pop(next(iter(last)))
            letter = faults.get(key, letter)
            if letter and len(last) >= LEAST and n_faults > max_share * len(last):
                raise InputError(
                    f"{n_faults} of the last {len(last)} messages cannot be answered, more than "
                    f"--max-dead-letters {max_share:g} allows; {letter.message.place}: "
                    f"{letter.reason}; nothing of this batch counts: put right what sends them, "
                    "or allow more, and start again"
                )
        return work

    return limited_step
