"""The example that takes a cluster's address: objects in, answers out, each once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "stream.py"


def test_the_example_runs(kafka, tmp_path):
    done = example(tmp_path, kafka.bootstrap)
    sent, command, _, *answers = done.stdout.splitlines()
    assert sent.startswith("201 messages sent to features-")
    assert command.startswith("$ lcclassify stream --model plasticc ")
    check(answers)


def test_the_services_of_the_compose_file_run_it_as_processes(kafka, tmp_path):
    """Commands and variables as they stand there; SIGTERM ends the stream as Docker does."""
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    services = yaml.safe_load(text.replace("kafka:19092", kafka.bootstrap))["services"]
    for sent in ("201 messages sent to features", "features is there already: nothing is sent"):
        assert example(tmp_path, *services["sender"]["command"]).stdout.strip() == sent
    with subprocess.Popen(
        [sys.executable, "-m", "lcclassify", "stream"],
        env=os.environ
        | services["classifier"]["environment"]
        | {"DB_NAME": "alerce", "HTTP_PORT": "0"},
        stderr=subprocess.PIPE,
        text=True,
    ) as classifier:
        try:
            check(example(tmp_path, *services["reader"]["command"]).stdout.splitlines()[1:])
        finally:
            classifier.send_signal(signal.SIGTERM)
            log = classifier.communicate(timeout=60)[1]
    assert classifier.returncode == 0, log
    assert "done: messages 201 (201 ok), answered 201, dead 0, skipped 0" in log


def example(folder, *words):
    argv = [sys.executable, str(EXAMPLE), *words]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def check(lines):
    *classes, last = lines
    assert classes[0].split() == ["Ia", "27"]
    assert sum(int(line.split()[-1]) for line in classes) == 201
    assert last == "201 alerts, each answered once"
