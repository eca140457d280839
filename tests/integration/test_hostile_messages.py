"""Whatever bytes come: nothing runs, nothing stops, and every message is accounted for."""

import json
import logging
from collections import Counter
from dataclasses import replace

import pytest
from mutations import mutated

from lcclassify.convert import convert
from lcclassify.stream.message import Message
from lcclassify.stream.settings import Client, DeadLetters, Input, Model, Settings, Side
from lcclassify.stream.step import open_step
from lcclassify.stream.topics import OneTopic
from lcclassify.task import Output

CLIENT = Client("none:1", {"message.max.bytes": "100000000"})
MODELS = {"messages_ztf": "ztf_hrf_1.1", "messages_elasticc": "barney"}
SCHEMAS = {"messages_ztf": "alerce", "messages_elasticc": "elasticc-v0_9_1"}
BATCH = 200


@pytest.fixture(scope="module")
def models(golden, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {name: convert(golden / name, folder / name).path for name in MODELS.values()}


def settings(models, folder, to="dead", **more):
    told = Settings(
        input=Input(CLIENT, "g", ("in",)),
        model=Model(str(models[MODELS[folder]])),
        output=Output(schema=SCHEMAS[folder]),
        results=CLIENT,
        topics=OneTopic("out"),
        scribe=Side(CLIENT, "commands"),
        dead_letters=DeadLetters(to),
    )
    return replace(told, **more)


def values_of(golden, folder):
    return [path.read_bytes() for path in sorted((golden / folder).iterdir())]


def answer(step, values):
    """All of them in batches, none of which may raise; what they come to."""
    messages = [Message("in", 0, n, value) for n, value in enumerate(values)]
    logging.disable()
    try:
        works = [step(messages[n : n + BATCH]) for n in range(0, len(messages), BATCH)]
    finally:
        logging.disable(logging.NOTSET)
    counts = Counter()
    for work in works:
        counts.update(answered=work.n_answered, dead=work.n_dead, skipped=work.n_skipped)
    assert counts.total() == len(values)
    return works, counts


def sent(works, channel):
    return [out for work in works for out in work.outgoing if out.channel == channel]


@pytest.mark.parametrize("folder", MODELS)
def test_a_thousand_mutations_cost_themselves_alone(golden, models, folder, tmp_path, monkeypatch):
    """A good message after every ten is answered as it is alone."""
    monkeypatch.chdir(tmp_path)
    good = values_of(golden, folder)
    step = open_step(settings(models, folder))
    first = good[0]
    [alone] = sent([step([Message("in", 0, 0, first)])], "results")
    bad = [value for _, value in mutated(good, 1000, seed=8)]
    values = [v for n in range(0, 1000, 10) for v in (*bad[n : n + 10], first)]
    works, counts = answer(step, values)
    assert sent(works, "results").count(alone) >= 100
    assert counts["answered"] >= 100
    assert counts["dead"] > 400
    letters = {out.value for out in sent(works, "dead")}
    assert letters <= set(bad)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", [DeadLetters("dead"), DeadLetters()], ids=["kept", "logged"])
@pytest.mark.parametrize("to", ["kafka", "-"])
@pytest.mark.parametrize("folder", MODELS)
def test_awkward_and_malicious_messages_are_all_accounted_for(
    golden, models, folder, to, form, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    output = Output(schema=SCHEMAS[folder] if to == "kafka" else None)
    told = settings(models, folder, to=to, output=output, dead_letters=form)
    step = open_step(told)
    good, awkward = values_of(golden, folder), values_of(golden, f"{folder}_errors")
    cases = json.loads((golden / "malicious" / "EXPECTED.json").read_text())
    paths = [golden / case["path"] for case in cases if case["load_as"] == "message_elasticc"]
    hostile = [path.read_bytes() for path in paths]
    assert len(hostile) == 4
    works, counts = answer(step, [*good, *awkward, *hostile, *good])
    assert counts["answered"] >= 2 * len(good) - 10
    assert (counts["dead"] > 0) == (form.to is not None)
    if folder == "messages_elasticc" and form.to:  # Barney reads the header, where they hide
        assert set(hostile) <= {out.value for out in sent(works, "dead")}
    assert not list(tmp_path.iterdir())
