"""The step for ZTF written message by message, with pandas: what our speed is held against.

It does what ALeRCE's own step does, in the same places: a reader and a writer for each message, a
test of each detection, a frame for each message, dictionaries for each object. The forests are
answered by this package's own engine, and whatever is slow only by mistake is left out.
``test_golden_stream`` shows that it gives the answers of ALeRCE's step.
"""

import io
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.predictors import Predictor
from lcclassify.schemas.avro import read_avsc

NO_MEASUREMENT = 100


@dataclass
class PlainStep:
    """Messages in; results and scribe commands out, as containers."""

    predictor: Predictor
    schema: str = "alerce"
    name: str = "noise"
    version: str = "1.0"
    min_detections: int | None = None

    def __post_init__(self) -> None:
        self.output = fastavro.parse_schema(read_avsc(self.schema))
        self.scribe = fastavro.parse_schema(read_avsc("scribe"))
        self.seconds: dict[str, float] = {}

    def __call__(self, values: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
        clock = Clock(self.seconds)
        messages = [next(fastavro.reader(io.BytesIO(value))) for value in values]
        clock.stop("decode")
        kept = list(self.filtered(messages))
        clock.stop("filter")
        detections_frame(kept)
        features = features_frame(kept)
        clock.stop("frames")
        answers = self.predict(features)
        clock.stop("predict")
        commands = [serialise(self.scribe, {"payload": text}) for text in self.commands(answers)]
        clock.stop("commands")
        records = list(self.records(messages, features, answers))
        clock.stop("records")
        results = [serialise(self.output, record) for record in records]
        clock.stop("encode")
        return results, commands

    def filtered(self, messages: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Messages with the detections that were measured, if there are enough at all."""
        for message in messages:
            detections = message["detections"]
            n_detections = sum(not detection["forced"] for detection in detections)
            if self.min_detections is None or n_detections >= self.min_detections:
                yield {**message, "detections": list(filter(is_measured, detections))}

    def predict(self, features: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """Probabilities, those of the top of the tree, and those below each of its nodes."""
        table = pa.Table.from_pandas(features.astype(float), preserve_index=False)
        prediction = self.predictor.predict(Batch(pa.array(features.index), "oid", table))
        tree = prediction.bundle.taxonomy

        def frame(names: Sequence[str], matrix: np.ndarray) -> pd.DataFrame:
            return pd.DataFrame(matrix, columns=list(names), index=features.index)

        found = {"": frame(tree.classes, prediction.leaf_probability)}
        for node in (-1, *range(len(tree.nodes))):
            children = tree.children(node)
            if len(children):
                names = [tree.nodes[child] for child in children]
                name = "top" if node < 0 else tree.nodes[node]
                found[name] = frame(names, prediction.conditional[:, children])
        return found

    def commands(self, answers: Mapping[str, pd.DataFrame]) -> Iterator[str]:
        """A command for each object, as text."""
        probabilities = answers[""]
        for oid in probabilities.index:
            about = {"classifier_name": self.name, "classifier_version": self.version}
            yield json.dumps(
                {
                    "collection": "object",
                    "type": "update_probabilities",
                    "criteria": {"_id": oid},
                    "data": about | probabilities.loc[oid].to_dict(),
                    "options": {"upsert": True, "set_on_insert": False},
                }
            )

    def records(
        self,
        messages: Sequence[Mapping[str, Any]],
        features: pd.DataFrame,
        answers: Mapping[str, pd.DataFrame],
    ) -> Iterator[dict[str, Any]]:
        """A record for each object that has an answer, in the order of the messages."""
        top, probabilities = answers["top"], answers[""]
        features = features.astype(object).where(features.notna(), None)
        for oid in dict.fromkeys(message["oid"] for message in messages):
            if oid not in features.index:
                continue
            children = {
                name: frame.loc[oid].to_dict()
                for name, frame in answers.items()
                if name not in ("", "top")
            }
            row = probabilities.loc[oid]
            yield {
                "oid": oid,
                "features": features.loc[oid].to_dict(),
                "lc_classification": {
                    "probabilities": row.to_dict(),
                    "class": row.idxmax(),
                    "hierarchical": {"top": top.loc[oid].to_dict(), "children": children},
                },
            }


class Clock:
    """Adds up the seconds of stages."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds, self.started = seconds, perf_counter()

    def stop(self, stage: str) -> None:
        now = perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.started
        self.started = now


def is_measured(detection: Mapping[str, Any]) -> bool:
    return not any(np.isclose(detection[name], NO_MEASUREMENT) for name in ("mag", "e_mag"))


def detections_frame(messages: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """All detections, each once."""
    frames = [pd.DataFrame(message["detections"]) for message in messages]
    with warnings.catch_warnings():  # of columns that are empty in some of the frames
        warnings.simplefilter("ignore", FutureWarning)
        detections = pd.concat(frames)
    return detections.drop_duplicates(["candid", "oid"]).set_index("oid")


def features_frame(messages: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The features of each object; of an object that comes twice, the last."""
    rows = [
        {"oid": message["oid"], **message["features"]}
        for message in messages
        if message["features"] is not None
    ]
    return pd.DataFrame(rows).drop_duplicates("oid", keep="last").set_index("oid")


def serialise(schema: Any, record: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.writer(buffer, schema, [record])
    return buffer.getvalue()
