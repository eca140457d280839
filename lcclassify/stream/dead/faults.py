"""Which messages are themselves to blame for having no answer."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lcclassify.prediction import Prediction
from lcclassify.schemas.avro import no_answer
from lcclassify.sources.parquet import NO_FEATURES
from lcclassify.status import Problem, Status
from lcclassify.stream.answers import Sent
from lcclassify.stream.message import Stage

AT_FAULT = (Status.INVALID_RECORD, Status.INVALID_FEATURES)


class Fault(NamedTuple):
    """What is wrong with a message."""

    stage: Stage
    reason: str


def find_faults(prediction: Prediction, results: Sent, commands: Sent) -> dict[int, Fault]:
    """Rows at fault: what is invalid, lacks the model's features, or fits no schema or topic.

    An object that just has no features, too few values of them, or too few detections, is not.
    """
    found = {
        row: Fault("batch", problem.reason)
        for row, problem in prediction.problems.items()
        if problem.status in AT_FAULT
    }
    found |= {
        row: Fault("batch", problem.reason)
        for row, problem in prediction.batch.problems.items()
        if is_misfit(problem)
    }
    for row, reason in results.refused.items():
        problem = prediction.problems.get(row)
        if problem is None or reason != no_answer(problem):
            found.setdefault(row, Fault("encode", reason))
    for row, reason in {**commands.too_large, **results.too_large}.items():
        found.setdefault(row, Fault("encode", reason))
    return dict(sorted(found.items()))


def misfits(problems: Mapping[int, Problem]) -> Sequence[str]:
    """What is said of the rows that lack the model's features; ``problems`` are their batch's."""
    return [problem.reason for problem in problems.values() if is_misfit(problem)]


def is_misfit(problem: Problem) -> bool:
    """Whether a message has features, but not the model's; ``problem`` is one of its batch.

    What the model itself finds too little of is there, and null: nobody's fault.
    """
    return problem.status is Status.MISSING_FEATURES and problem != NO_FEATURES
