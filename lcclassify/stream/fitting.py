"""Whether a stream that begins reads the right topic, in the right form, with the right model."""

from collections.abc import Sequence

from lcclassify.errors import InputError
from lcclassify.stream.message import Message, Work
from lcclassify.stream.step import Step

LEAST_MESSAGES = 10  # fewer say nothing about a topic


def fitting(step: Step) -> Step:
    """A step that refuses to begin if none of the first messages is one for the model. InputError

    Else a wrong topic, form or model would be read to its end, and all of it count as handled.
    """
    n_seen, fits = 0, False

    def fitting_step(messages: Sequence[Message], /) -> Work:
        nonlocal n_seen, fits
        work = step(messages)
        n_seen += len(messages)
        fits = fits or len(work.misfits) < len(messages)
        if not fits and n_seen >= LEAST_MESSAGES:
            raise InputError(
                f"none of the first {n_seen} messages can be answered; {messages[-1].place}: "
                f"{work.misfits[-1]}; check --consumer-topics, --input-format and --model"
            )
        return work

    return fitting_step
