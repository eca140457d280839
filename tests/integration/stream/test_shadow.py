"""A shadow beside the stream, as an operator runs it: it costs the first model nothing."""

import io
import os
import re
import signal
import time
from pathlib import Path

import fastavro
import pytest
from confluent_kafka.admin import AdminClient
from scene import until
from stage import Stage, wait_for

from lcclassify.convert import write_forest
from lcclassify.schemas.avro import read_avsc
from lcclassify.testing import TOY_CLASSES, TOY_FEATURES, make_forest

SCHEMA = fastavro.parse_schema(read_avsc("alerce-map"))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two that differ in their answers."""
    card = {"version": "1.0", "licence": "MIT", "citation": "none"}
    return {
        name: write_forest(
            tmp_path_factory.mktemp("models") / name,
            make_forest(TOY_FEATURES, TOY_CLASSES, seed=seed),
            TOY_FEATURES,
            card | {"name": name},
        ).path
        for seed, name in enumerate(("first", "second"))
    }


def best_of(value):
    record = fastavro.schemaless_reader(io.BytesIO(value), SCHEMA)
    classes = record["lc_classification"]["probabilities"]
    return max(classes, key=classes.get)


@pytest.fixture
def stage(kafka, models):
    return Stage(kafka.bootstrap, models["first"])


def shadow(stage, model):
    return "--shadow", model, "--shadow-topic", stage.of("shadow")


def best(stage, name):
    """The most probable class of each object of a topic."""
    return {key.decode(): best_of(value) for key, value, _ in stage.sent(name)}


def child_of(process):
    """The pid of the shadow's process."""
    found = []

    def look():
        tasks = Path(f"/proc/{process.pid}/task").iterdir()
        found[:] = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
        return found

    until(look, lambda: "no child", 30)
    return found[0]


def summary(said):
    [line] = re.findall(r"shadow: (.*; dropped .*, failed .*)", said)
    return line


def test_the_same_model_as_a_shadow_agrees_with_itself(stage, models):
    stage.send(100)
    alone = stage.run(out="alone")
    beside = stage.run(*shadow(stage, models["first"]))
    n_answered = sum(number % 7 > 0 for number in range(100))
    assert summary(beside) == (
        f"first@1.0 agreed on 100.0% of {n_answered} messages; dropped 0, failed 0"
    )
    assert "shadow" not in alone
    assert stage.sent("out") == stage.sent("alone")
    assert sorted(stage.sent("shadow")) == sorted(stage.sent("out"))
    assert stage.n_handled("out") == stage.n_handled("alone") == 100


def test_agreement_is_what_both_topics_say(stage, models):
    stage.send(150)
    said = stage.run(*shadow(stage, models["second"]))
    first, second = best(stage, "out"), best(stage, "shadow")
    assert first.keys() == second.keys()
    n_agree = sum(first[key] == second[key] for key in first)
    assert 0 < n_agree < len(first)
    assert summary(said) == (
        f"second@1.0 agreed on {n_agree / len(first):.1%} of {len(first)} messages; "
        "dropped 0, failed 0"
    )


def test_a_shadow_that_hangs_holds_nothing_up(stage, models):
    """20 batches and more go through while it stands still; the end does not wait for it."""
    with stage.start(*shadow(stage, models["second"]), "--shutdown-timeout", "60") as process:
        wait_for(process, "assigned")
        os.kill(child_of(process), signal.SIGSTOP)
        stage.send(25 * stage.batch)
        stage.wait()
        process.send_signal(signal.SIGTERM)
        stopped = time.monotonic()
        said = process.stderr.read()
        assert process.wait() == 0, said
    assert time.monotonic() - stopped < 30
    assert "shadow: it is behind; dropped so far:" in said
    assert summary(said) == "second@1.0 answered nothing; dropped 500, failed 0"
    assert len(stage.sent("out")) == sum(number % 7 > 0 for number in range(stage.n_sent))


def test_a_killed_shadow_is_started_again_and_misses_nothing(stage, models):
    with stage.start(*shadow(stage, models["second"])) as process:
        wait_for(process, "assigned")
        first = child_of(process)
        os.kill(first, signal.SIGSTOP)  # with a batch or two in its hands
        stage.send(5 * stage.batch)
        stage.wait()
        os.kill(first, signal.SIGKILL)
        said = wait_for(process, "shadow: its process ended with -9; started again in 1 s")
        until(lambda: len(stage.sent("shadow")) >= len(stage.sent("out")), lambda: "", 60)
        assert child_of(process) != first
        process.send_signal(signal.SIGTERM)
        said += process.stderr.read()
        assert process.wait() == 0, said
    assert best(stage, "shadow").keys() == best(stage, "out").keys()
    assert summary(said).endswith(" of 85 messages; dropped 0, failed 0")


def test_ctrl_c_lets_it_finish_what_it_has(stage, models):
    """A terminal sends the signal to the whole group of processes."""
    with stage.start(*shadow(stage, models["second"]), process_group=0) as process:
        wait_for(process, "assigned")
        child = child_of(process)
        assert os.getpriority(os.PRIO_PROCESS, child) == 19
        assert Path(f"/proc/{child}/oom_score_adj").read_text() == "1000\n"
        stage.send(4 * stage.batch)
        stage.wait()
        os.killpg(process.pid, signal.SIGINT)
        said = process.stderr.read()
        assert process.wait() == 0, said
    assert summary(said).endswith(" of 68 messages; dropped 0, failed 0")
    assert len(stage.sent("shadow")) == 68


def test_it_does_not_outlive_a_killed_stream(stage, models):
    with stage.start(*shadow(stage, models["second"])) as process:
        wait_for(process, "assigned")
        child = child_of(process)
        process.kill()
    until(lambda: not Path(f"/proc/{child}").exists(), lambda: "it is there", 30)


@pytest.mark.long
def test_what_is_wrong_with_a_shadow_at_the_start_is_told(stage, tmp_path):
    said = stage.run(*shadow(stage, tmp_path / "nothing.zip"), code=4)
    assert said.splitlines()[-1].startswith("lcclassify: shadow: ")
    assert "nothing.zip" in said.splitlines()[-1]
    assert "Fatal Python error" not in said
    assert stage.n_handled() == 0


@pytest.mark.long
def test_a_dry_run_looks_at_the_shadow_too(stage, models):
    said = stage.run("--dry-run", *shadow(stage, models["second"]))
    assert said.splitlines()[-1].endswith("everything is there; nothing was read")
    known = AdminClient({"bootstrap.servers": stage.bootstrap}).list_topics(timeout=10).topics
    assert stage.of("shadow") in known
