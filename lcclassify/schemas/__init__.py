"""Output schemas: how a prediction becomes a table."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from lcclassify.errors import InputError
from lcclassify.prediction import Prediction

if TYPE_CHECKING:
    from lcclassify.schemas.avro import AvroOutput, OutputOptions

OutputSchema = Callable[[Prediction], pa.Table]


def _alerce(name: str, options: "OutputOptions") -> "AvroOutput":
    from lcclassify.schemas.alerce import alerce_output

    return alerce_output(name, options)


def _elasticc(name: str, options: "OutputOptions") -> "AvroOutput":
    from lcclassify.schemas.elasticc import elasticc_output

    return elasticc_output(name, options)


def _scribe(name: str, options: "OutputOptions") -> "AvroOutput":
    from lcclassify.schemas.scribe import scribe_output

    return scribe_output(name, options)


OUTPUTS: dict[str, Callable[[str, "OutputOptions"], "AvroOutput"]] = {
    "alerce": _alerce,
    "alerce-map": _alerce,
    "elasticc-v0_9": _elasticc,
    "elasticc-v0_9_1": _elasticc,
    "scribe": _scribe,
    "scribe-hierarchy": _scribe,
    "scribe-score": _scribe,
    "scribe-per-class": _scribe,
}


def open_output(name: str, options: "OutputOptions") -> "AvroOutput":
    """The published schema of this name. InputError if the model or the options do not fit it."""
    if name not in OUTPUTS:
        raise InputError(f"there is no output schema {name!r}; choose from {', '.join(OUTPUTS)}")
    return OUTPUTS[name](name, options)
