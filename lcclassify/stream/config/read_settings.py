"""read_settings: from what was told to what a stream does, or everything that is wrong with it."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from lcclassify.errors import SettingsError
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.stream.config.chosen_model import ChosenModel, choose_model, choose_schema
from lcclassify.stream.config.connections import read_client, read_registry, read_tom
from lcclassify.stream.config.findings import Findings
from lcclassify.stream.config.gather import COMMAND_LINE, ENVIRONMENT
from lcclassify.stream.config.options import shown, table
from lcclassify.stream.config.told import Choice
from lcclassify.stream.settings import (
    Client,
    DeadLetters,
    Drift,
    Input,
    Model,
    Operation,
    Settings,
    Shadow,
    Side,
)
from lcclassify.stream.topics import RULE, DailyTopics, OneTopic, Topics, is_legal, pattern
from lcclassify.task import Output
from lcclassify.urls import is_url

PROMETHEUS_PORT = 8000  # as ALeRCE's steps serve it
TOM_SCHEMA = "elasticc-v0_9_1"
STARTS = ("earliest", "latest", "committed")


def read_settings(choice: Choice, *, dry_run: bool = False) -> Settings:
    """Settings of a stream. SettingsError tells all that is missing and wrong at once"""
    findings = Findings(problems=list(choice.problems))
    chosen = choose_model(choice, findings)
    schema = choose_schema(choice, chosen.survey, findings)
    to = _place(choice, findings)
    to_kafka, to_tom = to == "kafka", is_url(to)
    encoding: Any = findings.meaning(choice, "producer.class", ("producer",))
    findings.meaning(choice, "producer.topic_strategy_class", ("topic strategy",))
    scribe_form = findings.meaning(choice, "scribe.parser_class", ("scribe parser",))
    settings = Settings(
        input=_input(choice, findings),
        model=_model(choice, chosen),
        output=Output(
            schema=schema if to_kafka else _schema_elsewhere(choice, to_tom, findings),
            classifier_name=chosen.classifier_name,
            classifier_version=chosen.classifier_version,
            broker_name=choice["output.broker_name"],
            scribe_ids=choice["scribe.ids"],
            survey=choice["scribe.survey"] or chosen.survey,
            sid=choice["scribe.sid"],
        ),
        to=to,
        file_form=choice["output.file_format"],
        results=read_client(choice, "producer", findings) if to_kafka else None,
        topics=_topics(choice, findings) if to_kafka else None,
        encoding=choice["output.encoding"] or encoding or "avro",
        scribe=_side(choice, "scribe", findings),
        scribe_form=choice["scribe.form"] or scribe_form or "scribe",
        metrics=_side(choice, "metrics", findings),
        metrics_source=choice["metrics.source"],
        metrics_survey=choice["metrics.survey"],
        delivery=choice["delivery.mode"],
        transactional_id=choice["delivery.transactional_id"],
        shutdown_s=choice["delivery.shutdown_timeout"],
        dry_run=dry_run,
        dead_letters=_dead_letters(choice, to_kafka, findings),
        drift=Drift(choice["drift.policy"], choice["drift.window"]),
        shadow=_shadow(choice, findings, to_kafka),
        tom=read_tom(choice, findings),
        operation=_operation(choice),
        notes=(*findings.notes, *_inert(choice)),
    )
    if settings.scribe and settings.scribe_form == "scribe-per-class":
        findings.need(choice, "scribe.ids")
    if not findings.problems:  # of topics
        findings.problems += _loops(settings)
    findings.raise_all()
    return settings


def _input(choice: Choice, findings: Findings) -> Input:
    form: Any = findings.meaning(choice, "consumer.class", ("consumer",))
    form = choice["consumer.format"] or form or "avro"
    findings.need(choice, "consumer.topics")
    topics = choice["consumer.topics"] or ()
    for topic in topics:
        if topic.startswith("^"):
            _check_pattern("consumer.topics", topic, findings)
        else:
            _check_topic("consumer.topics", topic, findings)
    if form == "schemaless":
        findings.need(choice, "consumer.schema")
    if form == "confluent":
        findings.need(choice, "registry.url")
    registry, user, password = read_registry(choice, findings)
    return Input(
        client=read_client(choice, "consumer", findings),
        group_id=findings.need(choice, "consumer.group_id"),
        topics=topics,
        batch_size=choice["consumer.messages"],
        timeout_s=choice["consumer.timeout"],
        start=_start(choice, findings),
        until_end=choice["consumer.until_eos"],
        wait_for_topics=choice["consumer.wait_for_topics"],
        limit=choice["consumer.limit"],
        form=form,
        schema=choice["consumer.schema"],
        registry=registry,
        registry_user=user,
        registry_password=password,
        id_name=choice["consumer.id"],
    )


def _start(choice: Choice, findings: Findings) -> str:
    """Where to begin: a word, an offset, or an ISO time with its zone."""
    start = str(choice["consumer.from"])
    if start.lower() in STARTS:
        return start.lower()
    if start.isdecimal():
        return start
    try:
        time = datetime.fromisoformat(start)
    except ValueError:
        findings.problems.append(
            f"--from: {shown(start)} is none of {', '.join(STARTS)}, no ISO time and no offset"
        )
        return start
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat()


def _model(choice: Choice, chosen: ChosenModel) -> Model:
    places = {
        "HeaderNorm1QT": choice["model.quantiles"],
        "FeatNorm1QT": choice["model.feature_quantiles"],
    }
    return Model(
        name=chosen.name,
        expected=chosen.expected,
        quantiles={folder: place for folder, place in places.items() if place},
        offline=choice["model.offline"],
        device=choice["model.device"],
        threads=choice["model.threads"],
        min_coverage=choice["model.min_coverage"],
        min_object_coverage=choice["model.min_object_coverage"],
        reference_nulls=choice["model.reference_nulls"],
        min_detections=choice["model.min_detections"],
        light_curves=LightCurveOptions(choice["model.zero_point"]),
    )


def _place(choice: Choice, findings: Findings) -> str:
    to = str(choice["output.to"])
    is_folder = to.endswith("/") or os.path.isdir(to)
    if to not in ("kafka", "-") and not is_url(to) and not is_folder:
        findings.problems.append(
            f"--to: {shown(to)} is neither kafka nor - nor a URL nor a folder: end the name of a "
            "new one with /"
        )
    return to


def _schema_elsewhere(choice: Choice, to_tom: bool, findings: Findings) -> str | None:
    """The published schema of what does not go to Kafka; None: a flat table."""
    schema: str | None = choice["output.schema"]
    if to_tom and schema and not schema.startswith("elasticc"):
        findings.problems.append(
            f"{table().options['output.schema'].ways}: a TOM takes {TOM_SCHEMA} or elasticc-v0_9, "
            f"not {schema}"
        )
    return schema or (TOM_SCHEMA if to_tom else None)


def _topics(
    choice: Choice, findings: Findings, name: str = "producer.topic_format"
) -> Topics | None:
    form = findings.need(choice, name)
    if not form:
        return None
    try:
        if "%s" not in form:
            return OneTopic(form)
        dates = findings.need(choice, "producer.date_format")
        hour = findings.need(choice, "producer.change_hour")
        return DailyTopics(form, dates, int(hour)) if dates and hour else None
    except SettingsError as error:
        findings.problems.append(f"{table().options[name].ways}: {error}")
        return None


def _check_topic(name: str, topic: str, findings: Findings) -> None:
    if not is_legal(topic):
        findings.problems.append(
            f"{table().options[name].ways}: {shown(topic)} is no topic name: {RULE}"
        )


def _check_pattern(name: str, topic: str, findings: Findings) -> None:
    try:
        pattern(topic)
    except SettingsError as error:
        findings.problems.append(f"{table().options[name].ways}: {error}")


def _loops(settings: Settings) -> Iterator[str]:
    """Sentences about topics that would be read and written, or hold two kinds of messages."""
    sides = {"commands": settings.scribe, "metrics": settings.metrics}
    outputs = {name: (side.client, side.topic) for name, side in sides.items() if side}
    now = datetime.now(UTC)
    if settings.results and settings.topics:
        outputs["results"] = settings.results, settings.topics.at(now)
    own = {"dead letters": ("dead_letters.to", settings.dead_letters.topic)}
    if settings.shadow:
        own["results of the shadow"] = "shadow.topic", settings.shadow.topics.at(now)
    for what, (option, topic) in own.items():
        if settings.results is None or topic is None:
            continue
        ways = table().options[option].ways
        for name, (client, other) in outputs.items():
            if topic == other and _hosts(client) & _hosts(settings.results):
                yield f"{ways}: {topic} is the topic of {name}; choose another one"
        outputs[what] = settings.results, topic
    ways = table().options["consumer.topics"].ways
    for name, (client, topic) in outputs.items():
        for told in settings.input.topics:
            if _hosts(client) & _hosts(settings.input.client) and pattern(told).search(topic):
                yield (
                    f"{ways}: {shown(told)} reads {topic} too, which {name} go to: they would "
                    "come in again; choose other topics"
                )


def _hosts(client: Client) -> set[str]:
    return set(filter(None, client.servers.split(",")))


def _side(choice: Choice, section: str, findings: Findings) -> Side | None:
    """A further topic; None where it is not set."""
    topic = choice[f"{section}.topic"]
    if topic:
        _check_topic(f"{section}.topic", topic, findings)
        return Side(read_client(choice, section, findings), topic)
    if choice.source(f"{section}.server") in (COMMAND_LINE, ENVIRONMENT):
        findings.notes.append(
            f"no {section} messages are sent, as {table().options[f'{section}.topic'].ways} is "
            "not set"
        )
    return None


def _dead_letters(choice: Choice, to_kafka: bool, findings: Findings) -> DeadLetters:
    told = DeadLetters(choice["dead_letters.to"], choice["dead_letters.max"])
    ways = table().options["dead_letters.to"].ways
    if told.topic and not to_kafka:
        findings.problems.append(
            f"{ways}: {shown(told.topic)} is a topic, and results do not go to Kafka: name a "
            "folder, which ends in /"
        )
    elif told.topic and not is_legal(told.topic):
        findings.problems.append(
            f"{ways}: {shown(told.topic)} is no topic name: {RULE}; the name of a folder ends in /"
        )
    return told


def _shadow(choice: Choice, findings: Findings, to_kafka: bool) -> Shadow | None:
    ways = table().options["shadow.model"].ways
    if not choice["shadow.model"]:
        return None
    if not to_kafka:
        findings.problems.append(f"{ways}: its results go to a topic, and --to is not kafka")
        return None
    topics = _topics(choice, findings, "shadow.topic")
    return Shadow(choice["shadow.model"], topics) if topics else None


def _operation(choice: Choice) -> Operation:
    port = choice["run.http_port"]
    return Operation(
        http_port=PROMETHEUS_PORT if port is None and choice["run.prometheus"] else port,
        log_form=choice["run.log_format"],
        display=choice["run.display"],
        debug=choice["run.debug"],
        log_classes=choice["run.log_classes"],
    )


def _inert(choice: Choice) -> list[str]:
    """Sentences about settings that are set and have no effect."""
    return [
        f"{option.ways} has no effect. {option.help}"
        for option in table().options.values()
        if option.inert and choice[option.name]
    ]
