import json
import re
import sys
from pathlib import Path

import pytest
import typer.main
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lcclassify.cli import app, main
from lcclassify.stream.config.options import table

DOCS = Path(__file__).parents[3] / "docs" / "settings.md"
KAFKA = {
    "CONSUMER_TOPICS": "features",
    "CONSUMER_SERVER": "here:9092",
    "CONSUMER_GROUP_ID": "group",
    "PRODUCER_SERVER": "there:9092",
    "PRODUCER_TOPIC_FORMAT": "results",
}


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main(["stream", *map(str, argv)])
    return stop.value.code


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for option in table().options.values():
        for name in option.env:
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def kafka(monkeypatch):
    for name, value in KAFKA.items():
        monkeypatch.setenv(name, value)


def shown(capsys, *argv):
    assert run(*argv, "--show-config", "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_nothing_set_is_one_error_that_lists_all_that_is_missing(capsys):
    assert run("--model", "toretto") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "lcclassify: missing: --consumer-topics (CONSUMER_TOPICS); --consumer-server "
        "(CONSUMER_SERVER); --consumer-group-id (CONSUMER_GROUP_ID); --producer-server "
        "(PRODUCER_SERVER); --producer-topic-format (PRODUCER_TOPIC_FORMAT)\n"
    )


def test_without_the_extra_it_says_what_to_install(kafka, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    assert run() == 2
    told = "lcclassify: streams need confluent-kafka: pip install 'lcclassify[kafka]'\n"
    assert capsys.readouterr().err == told


def test_show_config_says_what_counts_and_where_it_was_told(kafka, capsys, monkeypatch, tmp_path):
    path = tmp_path / "stream.toml"
    path.write_text('[model]\nname = "toretto"\n[kafka]\n"client.id" = "me"\n')
    monkeypatch.setenv("LCCLASSIFY_CONFIG", str(path))
    monkeypatch.setenv("CONSUMER_KAFKA_USERNAME", "alice")
    monkeypatch.setenv("CONSUMER_KAFKA_PASSWORD", "alices-password")
    monkeypatch.setenv("ENABLE_PARTITION_EOF", "'True'")
    told = shown(capsys, "--consume-messages", 7, "--property", "producer.linger.ms=5")
    assert told["settings"]["consumer.messages"] == {"value": 7, "from": "command line"}
    assert told["settings"]["consumer.topics"] == {"value": ["features"], "from": "environment"}
    assert told["settings"]["consumer.kafka_password"] == {"value": "***", "from": "environment"}
    assert told["settings"]["consumer.until_eos"] == {"value": True, "from": "environment"}
    assert told["settings"]["consumer.timeout"] == {"value": 10, "from": "default"}
    assert told["settings"]["model.name"] == {"value": "toretto", "from": str(path)}
    assert told["settings"]["scribe.properties.client.id"] == {"value": "me", "from": str(path)}
    assert told["result"] == {
        "model": "toretto",
        "output schema": "elasticc-v0_9",
        "reference nulls": True,
        "classifier name": None,
        "classifier version": None,
        "input format": "avro",
        "encoding": "avro",
        "scribe form": None,
        "consumer": {
            "bootstrap.servers": "here:9092",
            "client.id": "me",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.password": "***",
            "sasl.username": "alice",
            "security.protocol": "SASL_SSL",
        },
        "producer": {"bootstrap.servers": "there:9092", "client.id": "me", "linger.ms": "5"},
    }
    assert shown(capsys, "--no-until-eos")["settings"]["consumer.until_eos"] == {
        "value": False,
        "from": "command line",
    }


@pytest.mark.parametrize(
    ("options", "nulls", "share"),
    [
        ((), True, 0),
        (("--no-reference-nulls",), False, 0),
        (("--to", "-"), False, 0),
        (("--to", "-", "--reference-nulls", "--min-object-coverage", 0.5), True, 0.5),
        (("--to", "-", "--output-schema", "elasticc-v0_9"), True, 0),
        (("--to", "-", "--scribe-topic", "commands", "--scribe-server", "here:1"), True, 0),
    ],
)
def test_a_published_schema_asks_for_as_little_as_the_reference(
    kafka, capsys, options, nulls, share
):
    told = shown(capsys, *options)
    assert told["result"]["reference nulls"] is nulls
    assert told["settings"]["model.min_object_coverage"]["value"] == share


def test_show_config_for_people(kafka, capsys):
    assert run("--show-config", "--registry", "https://me:hidden@registry.example.com") == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["setting", "value", "from"]
    assert ["consumer.group_id", "group", "environment"] in lines
    assert ["registry.url", "https://registry.example.com", "command", "line"] in lines
    assert ["consumer.until_eos", "false", "default"] in lines
    assert ["producer", "bootstrap.servers", "there:9092"] in lines
    assert "hidden" not in out + err


def test_show_config_shortens_nothing(kafka, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    name = "ssl.endpoint.identification.algorithm"
    assert run("--show-config", "--property", f"consumer.{name}=https") == 0
    out = capsys.readouterr().out
    assert name in out
    assert "…" not in out


def test_show_config_shows_also_what_is_wrong(capsys):
    assert run("--show-config", "--json", "--consumer-topics", "a,b") == 2
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["settings"]["consumer.topics"]["value"] == ["a", "b"]
    assert told["result"] is None
    assert err.startswith("lcclassify: missing: --consumer-server (CONSUMER_SERVER); ")


def test_a_password_is_no_argument(capsys):
    assert run("--consumer-kafka-password", "hunter2-hunter2") == 2
    assert run("--until-eos-variable", "true") == 2
    assert run("--property", "sasl.password=hunter2-hunter2") == 2
    assert run("--property", "hunter2-hunter2") == 2
    err = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "hunter2" not in err
    assert (
        "--consumer-kafka-password is not taken from the command line, where others see it: set "
        "CONSUMER_KAFKA_PASSWORD, or name a file by --consumer-kafka-password-file"
    ) in err
    assert "--until-eos takes no value here: set ENABLE_PARTITION_EOF" in err
    assert (
        "--property sasl.password: a secret is not told on the command line, where others see it: "
        "write it in a file, see --properties and --config"
    ) in err
    assert "--property: expected KEY=VALUE" in err


def test_json_is_for_what_is_printed(kafka, capsys):
    assert run("--json") == 2
    assert "--json is for --show-config and --show-lag" in capsys.readouterr().err


passwords = st.text(
    st.characters(codec="ascii", exclude_categories=["C"]), min_size=12, max_size=30
)


@given(password=passwords)
@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_no_password_reaches_outputs_or_click(password, kafka, capsys, monkeypatch):
    password = f"p{password}q"
    for name in ("CONSUMER", "PRODUCER", "SCRIBE", "METRICS"):
        monkeypatch.setenv(f"{name}_KAFKA_USERNAME", "me")
        monkeypatch.setenv(f"{name}_KAFKA_PASSWORD", password)
    monkeypatch.setenv("SCHEMA_REGISTRY_PASSWORD", password)
    command = typer.main.get_command(app).commands["stream"]
    line = ["--property", f"sasl.password={password}"]
    with command.make_context("stream", line) as context:
        assert password not in repr(context.params)
    assert run("--show-config", "--registry-username", "me") == 0
    assert run("--show-config", "--json", "--consume-timeout", "soon", *line) == 2
    assert run("--consumer-kafka-password", password) == 2
    assert run(f"--consumer-kafka-password={password}") == 2
    out, err = capsys.readouterr()
    assert password not in out + err
    assert re.sub(r"\s|│", "", password) not in re.sub(r"\s|│", "", out + err)


def test_every_setting_has_an_option_and_a_word():
    command = typer.main.get_command(app).commands["stream"]
    options = {opt for param in command.params for opt in param.opts}
    for option in table().options.values():
        assert option.option in options
        assert option.help.endswith(".")


def test_no_option_and_no_variable_is_there_twice():
    own = table().options.values()
    names = [option.option for option in own] + [option.short for option in own if option.short]
    variables = [env for option in own for env in option.env]
    assert sorted(names) == sorted(set(names))
    assert sorted(variables) == sorted(set(variables))


def documented(option):
    """The line of a setting in the documentation."""
    cells = [
        f"`{option.option}`" if option.type != "secret" else "",
        ", ".join(f"`{env}`" for env in option.env),
        f"`{option.section}.{option.key}`" if option.file else "",
        option.words.replace("|", r"\|"),
    ]
    return f"| {' | '.join(cells)} |"


def test_the_documentation_has_the_table_of_settings():
    text = DOCS.read_text("utf-8")
    expected = []
    for section, title in table().panels.items():
        expected += ["", f"## {title}", "", "| option | variable | TOML | |", "|---|---|---|---|"]
        expected += [documented(one) for one in table().options.values() if one.section == section]
    assert "\n".join(expected) in text
