"""ELAsTiCC's broker messages: a probability for each of the survey's 32 classes.

Every alert is answered: one that the model has no answer for is NotClassified with probability 1.
"""

import csv
from collections.abc import Mapping
from functools import cache, partial
from importlib.resources import files

import numpy as np
import pyarrow as pa

from lcclassify.errors import InputError
from lcclassify.prediction import Prediction
from lcclassify.schemas.avro import AvroOutput, OutputOptions, struct_array, without_context

NOT_CLASSIFIED = "NotClassified"
IDS = ("alertId", "diaSourceId")
TIMES = ("elasticcPublishTimestamp", "brokerIngestTimestamp")  # ms; the second may be null


@cache
def class_ids() -> Mapping[str, int]:
    """The classes of the survey, in the order of its list."""
    text = (files("lcclassify") / "catalogue" / "elasticc_classes.csv").read_text("utf-8")
    return {row["class"]: int(row["class_id"]) for row in csv.DictReader(text.splitlines())}


def elasticc_output(name: str, options: OutputOptions) -> AvroOutput:
    """``elasticc-v0_9`` or ``elasticc-v0_9_1``. InputError if a class of the model has no id."""
    if stray := [name for name in options.bundle.taxonomy.classes if name not in class_ids()]:
        raise InputError(
            f"{name} has no class {', '.join(stray)}, which {options.bundle.label} answers with"
        )
    times = TIMES if name == "elasticc-v0_9_1" else ()
    speaker = {
        "brokerName": options.broker_name,
        "brokerVersion": options.version,
        "classifierName": options.name,
        "classifierParams": options.version,
    }
    return AvroOutput(
        schema_name=name,
        bundle=options.bundle,
        records=partial(_records, columns=(*IDS, *times), speaker=speaker),
        refuse=partial(without_context, names=(*IDS, *times[:1])),
        requires=(*IDS, *times[:1]),
        context=times[1:],
    )


def _records(
    prediction: Prediction, rows: np.ndarray, columns: tuple[str, ...], speaker: Mapping[str, str]
) -> pa.Table:
    context, index = prediction.batch.context, pa.array(rows)
    table = {
        name: context[name].cast(pa.int64()).take(index)
        if name in context.column_names
        else pa.nulls(len(rows), pa.int64())
        for name in columns
    }
    table |= {name: pa.repeat(pa.scalar(text), len(rows)) for name, text in speaker.items()}
    return pa.table(table | {"classifications": _classifications(prediction, rows)})


def _classifications(prediction: Prediction, rows: np.ndarray) -> pa.Array:
    """The model's classes, NotClassified, and the others with 0. (n,) of 32 structs"""
    ids, classes = class_ids(), prediction.bundle.taxonomy.classes
    order = list(dict.fromkeys([*classes, NOT_CLASSIFIED, *ids]))
    probability = np.zeros((len(rows), len(order)))
    probability[:, : len(classes)] = np.nan_to_num(prediction.leaf_probability[rows])
    probability[~prediction.answered[rows], order.index(NOT_CLASSIFIED)] = 1
    items = {
        "classId": pa.array(np.tile(np.array([ids[name] for name in order], np.int32), len(rows))),
        "probability": pa.array(probability.ravel()),
    }
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * len(order)
    return pa.ListArray.from_arrays(offsets, struct_array(items))
