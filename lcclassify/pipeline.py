"""The one loop."""

from collections.abc import Callable, Sequence

from lcclassify.predictors import Predictor
from lcclassify.schemas import OutputSchema
from lcclassify.sinks import Sink
from lcclassify.sources import Source
from lcclassify.summary import Summary


def run(
    source: Source,
    predictor: Predictor,
    schema: OutputSchema,
    sinks: Sequence[Sink],
    progress: Callable[[int], None] = lambda n_objects: None,
) -> Summary:
    """Classify until the source ends. Delivers at least once."""
    summary = Summary()
    for batch in source:
        prediction = predictor.predict(batch)
        table = schema(prediction)
        for sink in sinks:
            sink.write(table)
        for sink in sinks:
            sink.flush()
        source.commit()  # last: a crash before this line repeats the batch, never loses it
        summary.add(prediction)
        summary.n_rows += len(table)
        progress(len(batch))
    return summary
