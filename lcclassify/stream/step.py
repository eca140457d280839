"""Step: from a batch of messages to everything that is sent on, without a broker."""

from collections.abc import Sequence
from typing import Protocol

from lcclassify.stream.message import Message, Work


class Step(Protocol):
    """What is done with a batch; stateless between calls."""

    def __call__(self, messages: Sequence[Message], /) -> Work:
        """Answer every message. One that cannot be read or answered is logged and counted."""
