"""The stream's step without a broker, message bytes in and out, against a plain step, on one core.

Messages are synthetic: 60 detections with some 20 further values each, and 178 features; forests
are of the size of ALeRCE's. Both answer the same messages in turns; every figure is the median of
runs. Read the ratios, since the times are the machine's. --quick takes a tenth of the trees.
"""

import argparse
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import fastavro
from machine import machine
from plain_step import Clock, PlainStep
from stream_messages import make_bundle, make_messages

from lcclassify.predictors import load_predictor
from lcclassify.stream.message import Message
from lcclassify.stream.settings import Client, Input, Model, Settings, Side
from lcclassify.stream.step import MessageStep, open_step
from lcclassify.stream.topics import OneTopic
from lcclassify.task import Output

BATCHES = (50, 1000)
TARGETS = {50: 10.0, 1000: 12.0}
N_REPEATS = 3


def open_ours(model: Path) -> MessageStep:
    client = Client("nowhere:9092")
    return open_step(
        Settings(
            input=Input(client, "benchmark", ("in",)),
            model=Model(str(model)),
            output=Output(schema="alerce"),
            results=client,
            topics=OneTopic("out"),
            scribe=Side(client, "commands"),
        )
    )


def seconds(action: Callable[[], object]) -> float:
    start = perf_counter()
    action()
    return perf_counter() - start


def in_batches(values: Sequence[bytes], size: int) -> list[list[bytes]]:
    return [list(values[start : start + size]) for start in range(0, len(values), size)]


def messages_of(values: Sequence[bytes]) -> list[Message]:
    return [Message("in", 0, offset, value) for offset, value in enumerate(values)]


def stages(step: MessageStep, values: Sequence[bytes]) -> dict[str, float]:
    """Seconds of what the step does, one after the other."""
    found: dict[str, float] = {}
    clock = Clock(found)
    records = [step.decode(value) for value in values]
    clock.stop("decode")
    batch = step.batches(records, {})
    clock.stop("batch")
    prediction = step.predictor.predict(batch)
    clock.stop("predict")
    answers = step.results.output.answers(prediction)
    clock.stop("records")
    list(step.results.encode(answers.table))
    clock.stop("encode")
    step.commands(prediction, "commands")
    clock.stop("commands")
    return found


def check_equal(step: MessageStep, plain: PlainStep, values: Sequence[bytes]) -> None:
    """Both give the same records and commands, or their speeds say nothing."""
    outgoing = step(messages_of(values)).outgoing
    for channel, theirs in zip(("results", "scribe"), plain(values), strict=True):
        ours = [message.value for message in outgoing if message.channel == channel]
        assert list(map(record, ours)) == list(map(record, theirs)), channel


def record(container: bytes) -> object:
    [value] = fastavro.reader(io.BytesIO(container))
    return value


def compare(step: MessageStep, plain: PlainStep, values: Sequence[bytes], size: int) -> None:
    ours = [messages_of(batch) for batch in in_batches(values, size)]
    theirs = in_batches(values, size)
    plain.seconds.clear()
    pairs = [
        (
            seconds(lambda: [plain(batch) for batch in theirs]),
            seconds(lambda: [step(batch) for batch in ours]),
        )
        for _ in range(N_REPEATS)
    ]
    they, we = (median(times) / len(values) for times in zip(*pairs, strict=True))
    print(f"batch {size}: plain {1 / they:.0f} messages/s, ours {1 / we:.0f} messages/s,", end=" ")
    print(f"{they / we:.1f}x (target {TARGETS[size]:g}x)")
    per_message = {n: s / N_REPEATS / len(values) for n, s in plain.seconds.items()}
    print("  plain:", shares(per_message))
    runs = [stages(step, batch) for _ in range(N_REPEATS) for batch in theirs]
    print("  ours: ", shares({n: median(r[n] for r in runs) / len(theirs[0]) for n in runs[0]}))


def shares(per_message: dict[str, float]) -> str:
    whole = sum(per_message.values())
    parts = (f"{n} {1e6 * s:.0f} us ({s / whole:.0%})" for n, s in per_message.items())
    return ", ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50 trees a forest")
    n_trees = 50 if parser.parse_args().quick else 500
    print(f"{machine()}, fastavro {fastavro.__version__}")
    values = make_messages(max(BATCHES))
    print(f"{len(values)} messages of {len(values[0]):,} bytes, 4 forests x {n_trees} trees\n")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "noise"
        make_bundle(model, n_trees)
        step, plain = open_ours(model), PlainStep(load_predictor(model))
        check_equal(step, plain, values[:50])
        for size in BATCHES:
            compare(step, plain, values, size)


if __name__ == "__main__":
    main()
