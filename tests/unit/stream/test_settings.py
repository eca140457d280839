from datetime import UTC, datetime

import pytest
import tomli_w
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.errors import ModelError, SettingsError
from lcclassify.stream.config.classes import meanings, require_kind
from lcclassify.stream.config.gather import gather
from lcclassify.stream.config.options import table
from lcclassify.stream.config.read_settings import read_settings
from lcclassify.stream.secret import Secret
from lcclassify.stream.settings import Shadow, Tom
from lcclassify.stream.topics import DailyTopics, OneTopic

BROKERS = "b-1.example.com:9096, b-2.example.com:9096"
README = {  # every variable of the step's tables, with a value as it stands there
    "CONSUMER_CLASS": "apf.consumers.KafkaConsumer",
    "CONSUMER_TOPICS": "features , '^more_.*'",
    "CONSUMER_SERVER": BROKERS,
    "CONSUMER_GROUP_ID": "lc-classifier-step",
    "CONSUMER_KAFKA_USERNAME": "reader",
    "CONSUMER_KAFKA_PASSWORD": "r-secret",
    "ENABLE_PARTITION_EOF": "False",
    "CONSUME_TIMEOUT": "0",
    "CONSUME_MESSAGES": "50",
    "PRODUCER_TOPIC_FORMAT": "lc_classifier_%s",
    "PRODUCER_DATE_FORMAT": "'%Y%m%d'",
    "PRODUCER_CHANGE_HOUR": "23",
    "PRODUCER_RETENTION_DAYS": "1",
    "PRODUCER_SERVER": BROKERS,
    "PRODUCER_KAFKA_USERNAME": "writer",
    "PRODUCER_KAFKA_PASSWORD": "w-secret",
    "STREAM": "'elasticc'",
    "SCRIBE_SERVER": BROKERS,
    "SCRIBE_TOPIC": "'w_object'",
    "SCRIBE_KAFKA_USERNAME": "scribe",
    "SCRIBE_KAFKA_PASSWORD": "s-secret",
    "METRICS_HOST": BROKERS,
    "METRICS_TOPIC": "metrics",
    "METRICS_KAFKA_USERNAME": "metrics",
    "METRICS_KAFKA_PASSWORD": "m-secret",
    "PREDICTOR_CLASS": "lc_classification.predictors.messi.messi_predictor.MessiPredictor",
    "PREDICTOR_PARSER_CLASS": "lc_classification.predictors.messi.messi_parser.MessiParser",
    "MODEL_PATH": "path_to_model.pt",
    "HEADER_QUANTILES_PATH": "path_to/header_quantiles/",
    "FEATURE_QUANTILES_PATH": "path_to/feature_quantiles/",
}
KAFKA = {  # the least that Kafka to Kafka needs
    "CONSUMER_TOPICS": "features",
    "CONSUMER_SERVER": "here:9092",
    "CONSUMER_GROUP_ID": "group",
    "PRODUCER_SERVER": "there:9092",
    "PRODUCER_TOPIC_FORMAT": "results",
}


def by_name(variables):
    names = {env: option.name for option in table().options.values() for env in option.env}
    return {names[env]: value for env, value in variables.items()}


def read(options=None, **variables):
    return read_settings(gather(options or {}, by_name(KAFKA | variables)))


def refused(options=None, **variables):
    with pytest.raises(SettingsError) as error:
        read(options, **variables)
    return str(error.value)


def test_every_variable_of_the_readme_means_what_it_says():
    settings = read_settings(gather({}, by_name(README)))
    client = settings.input.client
    servers = "b-1.example.com:9096,b-2.example.com:9096"
    assert client.config() == {
        "bootstrap.servers": servers,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "reader",
        "sasl.password": "r-secret",
    }
    assert settings.input.group_id == "lc-classifier-step"
    assert settings.input.topics == ("features", "^more_.*")
    assert (settings.input.timeout_s, settings.input.batch_size) == (0, 50)
    assert (settings.input.until_end, settings.input.form) == (False, "avro")
    assert settings.topics == DailyTopics("lc_classifier_%s", "%Y%m%d", 23)
    assert settings.topics.at(datetime(2023, 11, 14, 23, tzinfo=UTC)) == "lc_classifier_20231115"
    assert settings.results.config()["sasl.username"] == "writer"
    assert settings.scribe.topic == "w_object"
    assert settings.scribe.client.config()["sasl.password"] == "s-secret"
    assert settings.metrics.topic == "metrics"
    assert settings.metrics.client.config()["sasl.password"] == "m-secret"
    assert (settings.model.name, settings.model.expected) == ("path_to_model.pt", "messi")
    assert settings.model.quantiles == {
        "HeaderNorm1QT": "path_to/header_quantiles/",
        "FeatNorm1QT": "path_to/feature_quantiles/",
    }
    assert settings.output.schema == "elasticc-v0_9"
    assert (settings.output.classifier_name, settings.output.classifier_version) == (None, None)
    assert settings.notes == (
        "--producer-retention-days (PRODUCER_RETENTION_DAYS) has no effect. In the reference, to "
        "how many topics each message goes; here it is always one.",
    )


def test_the_readmes_typical_values_are_no_defaults():
    settings = read()
    assert (settings.input.timeout_s, settings.input.batch_size) == (10, 1000)
    assert settings.input.start == "committed"
    assert settings.input.client.config() == {"bootstrap.servers": "here:9092"}
    assert settings.topics == OneTopic("results")
    assert (settings.scribe, settings.metrics, settings.notes) == (None, None, ())
    assert (settings.model.name, settings.output.schema) == ("ztf", "alerce")
    assert (settings.encoding, settings.scribe_form, settings.delivery) == (
        *("avro", "scribe"),
        "auto",
    )


def test_all_that_is_missing_is_told_at_once():
    with pytest.raises(SettingsError) as error:
        read_settings(gather({"model.name": "toretto"}, {}))
    assert str(error.value) == (
        "missing: --consumer-topics (CONSUMER_TOPICS); --consumer-server (CONSUMER_SERVER); "
        "--consumer-group-id (CONSUMER_GROUP_ID); --producer-server (PRODUCER_SERVER); "
        "--producer-topic-format (PRODUCER_TOPIC_FORMAT)"
    )


def test_a_daily_topic_needs_its_date_and_hour_and_a_side_its_server():
    assert refused(
        PRODUCER_TOPIC_FORMAT="r_%s", SCRIBE_TOPIC="scribe", METRICS_TOPIC="metrics"
    ) == (
        "missing: --producer-date-format (PRODUCER_DATE_FORMAT); --producer-change-hour "
        "(PRODUCER_CHANGE_HOUR); --scribe-server (SCRIBE_SERVER); --metrics-server (METRICS_HOST)"
    )


def test_files_and_standard_output_need_no_producer(tmp_path):
    variables = {env: value for env, value in KAFKA.items() if env.startswith("CONSUMER")}
    for to in ("-", "results/", str(tmp_path)):
        settings = read_settings(gather({"output.to": to}, by_name(variables)))
        assert (settings.to, settings.results, settings.topics) == (to, None, None)
        assert settings.output.schema is None
    assert refused({"output.to": "kafak"}) == (
        "--to: 'kafak' is neither kafka nor - nor a URL nor a folder: end the name of a new one "
        "with /"
    )


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"CONSUME_TIMEOUT": "soon"}, "CONSUME_TIMEOUT: 'soon' is no number"),
        ({"CONSUME_TIMEOUT": "-1"}, "CONSUME_TIMEOUT: '-1' is not from 0 to 86400"),
        ({"CONSUME_MESSAGES": "1.5"}, "CONSUME_MESSAGES: '1.5' is no whole number"),
        ({"ENABLE_PARTITION_EOF": "maybe"}, "ENABLE_PARTITION_EOF: 'maybe' is neither true nor"),
        ({"USE_PROMETHEUS": "maybe"}, "USE_PROMETHEUS: 'maybe' is neither true nor false"),
        ({"STREAM": "lsst"}, "STREAM: 'lsst' is none of ztf, elasticc"),
        ({"PRODUCER_RETENTION_DAYS": "0"}, "PRODUCER_RETENTION_DAYS: '0' is not from 1 to 36500"),
        ({"PRODUCER_CHANGE_HOUR": "24"}, "PRODUCER_CHANGE_HOUR: '24' is not from 0 to 23"),
        (
            {"PRODUCER_TOPIC_FORMAT": "a b"},
            "PRODUCER_TOPIC_FORMAT): 'a b' is no name for a topic; Kafka allows up to 249",
        ),
        (
            {
                "PRODUCER_TOPIC_FORMAT": "a_%s",
                "PRODUCER_DATE_FORMAT": "%d/%m",
                "PRODUCER_CHANGE_HOUR": "1",
            },
            "PRODUCER_TOPIC_FORMAT): 'a_%s' and the dates '%d/%m' make topics like 'a_01/01'",
        ),
        (
            {
                "PRODUCER_TOPIC_FORMAT": "%s_%s",
                "PRODUCER_DATE_FORMAT": "%d",
                "PRODUCER_CHANGE_HOUR": "1",
            },
            "the format of daily topics, '%s_%s', must have %s once",
        ),
        (
            {"CONSUMER_KAFKA_USERNAME": "me"},
            "--consumer-kafka-username (CONSUMER_KAFKA_USERNAME) is set without "
            "CONSUMER_KAFKA_PASSWORD or --consumer-kafka-password-file "
            "(CONSUMER_KAFKA_PASSWORD_FILE)",
        ),
        (
            {"PRODUCER_KAFKA_PASSWORD": "hidden"},
            "PRODUCER_KAFKA_PASSWORD is set without --producer-kafka-username "
            "(PRODUCER_KAFKA_USERNAME)",
        ),
        (
            {
                "CONSUMER_KAFKA_USERNAME": "me",
                "CONSUMER_KAFKA_PASSWORD": "hidden",
                "CONSUMER_SECURITY_PROTOCOL": "plaintext",
            },
            "PLAINTEXT takes no user and password: expected SASL_SSL or SASL_PLAINTEXT",
        ),
        ({"CONSUMER_SECURITY_PROTOCOL": "TLS"}, "'TLS' is none of PLAINTEXT, SSL, SASL_PLAINTEXT"),
        (
            {"CONSUMER_CLASS": "apf.consumers.KafkaSchemalessConsumer"},
            "missing: --schema",
        ),
        (
            {"CONSUMER_CLASS": "apf.consumers.Csv"},
            "there is no consumer 'apf.consumers.Csv'; choose from KafkaConsumer (avro), "
            "KafkaJsonConsumer (json), KafkaSchemalessConsumer (schemaless)",
        ),
        (
            {"PRODUCER_TOPIC_STRATEGY_CLASS": "my.Hourly"},
            "there is no topic strategy 'my.Hourly'; choose from DailyTopicStrategy (daily)",
        ),
        (
            {"SCHEMA_REGISTRY_URL": "registry:8081"},
            "(SCHEMA_REGISTRY_URL): expected an http(s) URL",
        ),
    ],
)
def test_nonsense_is_told_with_the_setting(variables, sentence):
    assert sentence in refused(**variables)


def test_everything_that_is_wrong_is_told_together():
    told = refused(CONSUME_MESSAGES="x", STREAM="lsst", CONSUMER_SERVER=" ", MIN_DETECTIONS="-1")
    assert told == (
        "missing: --consumer-server (CONSUMER_SERVER). CONSUME_MESSAGES: 'x' is no whole number. "
        "STREAM: 'lsst' is none of ztf, elasticc. MIN_DETECTIONS: '-1' is not from 0 upwards"
    )


def test_an_empty_value_is_none(config):
    settings = read(config({"consumer": {"instance_id": "", "kafka_password": ""}}))
    assert settings.input.client.config() == {"bootstrap.servers": "here:9092"}


def test_lists_may_be_quoted_as_a_whole_or_one_by_one():
    assert read(CONSUMER_TOPICS="'a, b'").input.topics == ("a", "b")
    assert read(CONSUMER_TOPICS="'a', \"b\",").input.topics == ("a", "b")


@pytest.mark.parametrize("word", ["False", "0", "no", "off", "'false'", "N"])
def test_words_for_no_are_no(word):
    assert read(ENABLE_PARTITION_EOF=word, LOGGING_DEBUG=word).input.until_end is False
    assert read(USE_PROFILING=word, USE_PROMETHEUS=word).notes == ()


@pytest.mark.parametrize("word", ["True", "1", "yes", "on", '"true"', "Y"])
def test_words_for_yes_are_yes(word):
    settings = read(ENABLE_PARTITION_EOF=word, LOG_CLASS_DISTRIBUTION=word, USE_PROFILING=word)
    assert (settings.input.until_end, settings.operation.log_classes) == (True, True)
    assert settings.notes == (
        "--profiling (USE_PROFILING) has no effect. A profiler that attaches "
        "from outside, such as py-spy, needs no setting.",
    )


PREDICTORS = "lc_classification.predictors."


@pytest.mark.parametrize(
    ("variables", "model", "name"),
    [
        ({"PREDICTOR_CLASS": PREDICTORS + "balto.balt_predictor.BaltoPredictor"}, "balto", None),
        ({"PREDICTOR_CLASS": PREDICTORS + "messi.messi_predictor.MessiPredictor"}, "messi", None),
        (
            {"PREDICTOR_CLASS": PREDICTORS + "toretto.toretto_predictor.TorettoPredictor"},
            *("toretto", None),
        ),
        (
            {"PREDICTOR_CLASS": PREDICTORS + "barney.barney_predictor.BarneyPredictor"},
            *("barney", None),
        ),
        (
            {"MODEL_CLASS": "alerce_classifiers.balto.model.BaltoClassifier"},
            *("balto", "BaltoClassifier"),
        ),
        (
            {"MODEL_CLASS": "a.RandomForestFeaturesClassifier"},
            *("toretto", "RandomForestFeaturesClassifier"),
        ),
        (
            {"MODEL_CLASS": "a.RandomForestFeaturesHeaderClassifier"},
            *("barney", "RandomForestFeaturesHeaderClassifier"),
        ),
        (
            {"MODEL_CLASS": "a.SquidwardFeaturesClassifier"},
            *("squidward", "SquidwardFeaturesClassifier"),
        ),
        (
            {"MODEL_CLASS": "lc_classifier.classifier.models.HierarchicalRandomForest"},
            *("ztf", "lc_classifier"),
        ),
        ({}, "ztf", "lc_classifier"),
        ({"STREAM": "ztf"}, "ztf", "lc_classifier"),
        ({"STREAM": "ztf", "MODEL_PATH": "folder"}, "folder", "lc_classifier"),
        ({"MODEL_PATH": "folder"}, "folder", None),
        ({"STREAM": "ztf", "MODEL_PATH": "squidward@2.1.0"}, "squidward@2.1.0", None),
    ],
)
def test_class_names_select_models(variables, model, name):
    settings = read(**variables)
    assert (settings.model.name, settings.output.classifier_name) == (model, name)
    survey = settings.output.survey
    if variables == {"MODEL_PATH": "folder"}:  # any model: it settles these when it is open
        assert (settings.output.schema, survey) == (None, None)
    else:
        assert survey == meanings("survey").get(model, "ztf")
        assert settings.output.schema == ("alerce" if survey == "ztf" else "elasticc-v0_9")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"PREDICTOR_CLASS": "my.Predictor"},
            "--predictor-class (PREDICTOR_CLASS): there is no predictor 'my.Predictor'; choose "
            "from TorettoPredictor (toretto), BarneyPredictor (barney)",
        ),
        (
            {"MODEL_CLASS": "alerce_classifiers.mbappe.model.MbappeClassifier"},
            "there is no model for 'alerce_classifiers.mbappe.model.MbappeClassifier'; choose",
        ),
        (
            {"MODEL_CLASS": "a.BaltoClassifier", "MAPPER_CLASS": "a.MessiMapper"},
            "the classes stand for several models: --model-class (MODEL_CLASS) means balto, "
            "--mapper-class (MAPPER_CLASS) means messi",
        ),
        (
            {"MODEL_CLASS": "a.BaltoClassifier", "STREAM": "ztf"},
            "--stream (STREAM): is ztf, and balto is a model of elasticc",
        ),
        (
            {"STEP_PARSER_CLASS": "a.ElasticcParser", "STREAM": "ztf"},
            "a.ElasticcParser writes for elasticc, and the stream is ztf",
        ),
        (
            {"STREAM": "elasticc"},
            "missing: --model (MODEL_PATH) or --model-class (MODEL_CLASS) or --predictor-class "
            "(PREDICTOR_CLASS)",
        ),
    ],
)
def test_classes_that_do_not_fit_are_told(variables, sentence):
    assert sentence in refused(**variables)


def test_a_model_and_a_class_of_different_names_are_told():
    assert refused(MODEL_PATH="barney@2.0.0", PREDICTOR_CLASS="a.TorettoPredictor") == (
        "--model (MODEL_PATH): is barney@2.0.0, and the class is toretto's"
    )


def test_only_the_references_variables_call_a_model_lc_classifier(config):
    own = {"model.name": "mine", "model.stream": "ztf"}
    assert read(own).output.classifier_name is None
    settings = read(config({"model": {"name": "mine", "stream": "ztf"}}))
    assert (settings.output.classifier_name, settings.model.expected) == (None, None)
    settings = read(MODEL_PATH="mine", STREAM="ztf")
    assert (settings.output.classifier_name, settings.model.expected) == ("lc_classifier", "ztf")
    own["model.class"] = "lc_classifier.classifier.models.HierarchicalRandomForest"
    assert read(own).output.classifier_name == "lc_classifier"


def test_model_as_an_option_wins_over_the_environment():
    variables = {"MODEL_CLASS": "my.own.Classifier", "MODEL_PATH": "elsewhere"}
    settings = read({"model.name": "toretto"}, **variables)
    assert (settings.model.name, settings.model.expected) == ("toretto", None)
    assert (settings.output.schema, settings.output.classifier_name) == ("elasticc-v0_9", None)
    assert settings.notes == ("--model-class (MODEL_CLASS): not used, as --model is given",)


def test_parsers_and_classes_select_forms():
    settings = read(
        MODEL_PATH="folder",
        STEP_PARSER_CLASS="lc_classification.core.parsers.elasticc_parser.ElasticcParser",
        SCRIBE_PARSER_CLASS="lc_classification.core.parsers.scribe_parser.TopBottomScribeParser",
        CONSUMER_CLASS="apf.consumers.KafkaJsonConsumer",
        PRODUCER_CLASS="apf.producers.kafka.KafkaSchemalessProducer",
    )
    assert (settings.output.schema, settings.scribe_form) == ("elasticc-v0_9", "scribe-hierarchy")
    assert (settings.input.form, settings.encoding) == ("json", "schemaless")
    options = {
        "output.schema": "elasticc-v0_9_1",
        "scribe.form": "scribe-score",
        "consumer.format": "avro",
        "output.encoding": "avro",
    }
    settings = read(
        options,
        STEP_PARSER_CLASS="a.AnomalyParser",
        SCRIBE_PARSER_CLASS="a.ScribeParser",
        CONSUMER_CLASS="apf.consumers.KafkaJsonConsumer",
        PRODUCER_CLASS="apf.producers.kafka.KafkaSchemalessProducer",
    )
    assert (settings.output.schema, settings.scribe_form) == ("elasticc-v0_9_1", "scribe-score")
    assert (settings.input.form, settings.encoding) == ("avro", "avro")


def test_model_version_is_the_ztf_forests():
    assert read(MODEL_VERSION="lc_classifier_1.1.13").output.classifier_version == (
        "lc_classifier_1.1.13"
    )
    settings = read(MODEL_VERSION="dev", MODEL_CLASS="a.BaltoClassifier")
    assert settings.output.classifier_version is None
    assert settings.notes[0].startswith("--model-version (MODEL_VERSION): not used")
    options = {"output.classifier_name": "mine", "output.classifier_version": "2"}
    output = read(options, MODEL_VERSION="dev").output
    assert (output.classifier_name, output.classifier_version) == ("mine", "2")


def test_a_class_and_a_bundle_of_another_kind_are_refused(make_model, tmp_path):
    bundle = make_model(tmp_path / "own")
    require_kind(bundle, None)
    require_kind(bundle, "ztf")
    with pytest.raises(ModelError, match=r"stands for balto, and toy@1\.0 is a forest, not a tran"):
        require_kind(bundle, "balto")
    with pytest.raises(ModelError, match="answers with classes of another survey"):
        require_kind(bundle, "toretto")
    barney = make_model(tmp_path / "barney", name="barney")
    with pytest.raises(ModelError, match=r"stands for toretto, and barney@1\.0 is not that: set"):
        require_kind(barney, "toretto")


@pytest.mark.parametrize(
    ("told", "start"),
    [
        ("Earliest", "earliest"),
        ("17", "17"),
        ("2024-01-02", "2024-01-02T00:00:00+00:00"),
        ("2024-01-02T03:04:05-03:00", "2024-01-02T03:04:05-03:00"),
    ],
)
def test_where_to_begin(told, start):
    assert read({"consumer.from": told}).input.start == start


def test_a_place_to_begin_that_is_none():
    assert refused({"consumer.from": "-1"}) == (
        "--from: '-1' is none of earliest, latest, committed, no ISO time and no offset"
    )


def test_scribe_per_class_needs_ids():
    variables = {"SCRIBE_TOPIC": "s", "SCRIBE_SERVER": "here:1"}
    assert refused({"scribe.form": "scribe-per-class"}, **variables) == "missing: --scribe-ids"
    options = {"scribe.form": "scribe-per-class", "scribe.ids": "ids.csv", "scribe.sid": "0"}
    output = read(options, **variables).output
    assert (output.scribe_ids, output.sid, output.survey) == ("ids.csv", 0, "ztf")


def test_a_server_without_a_topic_is_noted():
    assert read(SCRIBE_SERVER="here:9092").notes == (
        "no scribe messages are sent, as --scribe-topic (SCRIBE_TOPIC) is not set",
    )


def test_a_registry_keeps_its_password_out_of_its_url():
    options = {"consumer.format": "confluent"}
    assert refused(options) == "missing: --registry (SCHEMA_REGISTRY_URL)"
    settings = read(options, SCHEMA_REGISTRY_URL="https://me:p%40ss@registry.example.com:8081/a/")
    assert settings.input.registry == "https://registry.example.com:8081/a"
    assert settings.input.registry_user == "me"
    assert settings.input.registry_password == Secret("p@ss")
    assert "p@ss" not in repr(settings)
    settings = read(
        options,
        SCHEMA_REGISTRY_URL="https://registry.example.com",
        SCHEMA_REGISTRY_USERNAME="you",
        SCHEMA_REGISTRY_PASSWORD="other",
    )
    assert (settings.input.registry_user, settings.input.registry_password) == (
        *("you", Secret("other")),
    )


CLUSTER = {
    "kafka": {"bootstrap.servers": "toml:9092", "client.id": "all", "linger.ms": 5},
    "consumer": {
        "topics": ["a", "^b{1,2}$"],
        "group_id": "toml",
        "until_eos": True,
        "properties": {"client.id": "reader", "ssl.key.pem": "PEM", "socket": {"nagle": True}},
    },
    "producer": {"topic_format": "results", "kafka_username": "me", "kafka_password": "pw-toml"},
    "model": {"name": "plasticc", "min_coverage": 0.5},
}


@pytest.fixture
def config(tmp_path):
    def write(tables):
        path = tmp_path / "stream.toml"
        path.write_text(tomli_w.dumps(tables))
        return {"files.config": str(path)}

    return write


def test_a_toml_file_is_laid_out_as_the_table(config):
    settings = read_settings(gather(config(CLUSTER), {}))
    assert settings.input.topics == ("a", "^b{1,2}$")
    assert (settings.input.group_id, settings.input.until_end) == ("toml", True)
    assert settings.input.client.config() == {
        "bootstrap.servers": "toml:9092",
        "client.id": "reader",
        "linger.ms": "5",
        "ssl.key.pem": "PEM",
        "socket.nagle": "true",
    }
    assert settings.results.config() == {
        "bootstrap.servers": "toml:9092",
        "client.id": "all",
        "linger.ms": "5",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": "pw-toml",
    }
    assert settings.input.client.properties["ssl.key.pem"] == Secret("PEM")
    assert (settings.model.name, settings.output.classifier_name) == ("plasticc", None)
    assert settings.model.min_coverage == 0.5


def test_command_line_over_environment_over_properties_over_toml_over_defaults(config, tmp_path):
    path = tmp_path / "kafka.properties"
    path.write_text(
        "# comment\n\nbootstrap.servers=file:9092\nconsumer.group.id = file\nclient.id=file\n"
        "linger.ms=7\nproducer.linger.ms=9\nauto.offset.reset=latest\nconsumer.client.id=own\n"
    )
    options = {
        **config(CLUSTER),
        "files.properties": str(path),
        "consumer.until_eos": False,
    }
    variables = by_name({"CONSUMER_GROUP_ID": "environment"})
    lines = [Secret("client.id=line"), Secret("scribe.client.id=s")]
    settings = read_settings(gather(options, variables, lines))
    assert (settings.input.group_id, settings.input.until_end) == ("environment", False)
    assert settings.input.client.config() == {
        "bootstrap.servers": "file:9092",
        "client.id": "line",
        "linger.ms": "7",
        "ssl.key.pem": "PEM",
        "socket.nagle": "true",
        "auto.offset.reset": "latest",
    }
    assert settings.results.config()["linger.ms"] == "9"
    assert settings.input.batch_size == 1000


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"consumr": {}}, "there is no setting 'consumr'; did you mean consumer"),
        ({"consumer": {"topic": "a"}}, "[consumer]: there is no setting 'topic'; did you mean top"),
        ({"consumer": 1}, "consumer is a table: write [consumer]"),
        ({"consumer": {"messages": [1]}}, "[consumer] messages: expected one value, not a table"),
        ({"files": {"config": "a"}}, "there is no setting 'files'"),
        ({"kafka": 3}, "kafka is a table: write [kafka]"),
        ({"kafka": {"client.id": []}}, "client.id: expected one value, not a table or a list"),
        ({"kafka": {"enable.auto.commit": True}}, "enable.auto.commit: is always false"),
        ({"producer": {"properties": {"group.id": "a"}}}, "group.id: means nothing for producer"),
        ({"producer": {"kafka_password": 7}}, "[producer] kafka_password: expected a text"),
    ],
)
def test_a_toml_file_that_is_not_as_expected(config, tables, sentence):
    assert sentence in refused(config(tables))


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "bad.toml").write_text("a = = 1")
    (tmp_path / "bad.yaml").write_text("a: [hidden")
    (tmp_path / "list.yaml").write_text("- 1")
    (tmp_path / "bad.properties").write_text("client.id=a\nhidden\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for option, name, sentence in [
        ("config", "none.toml", "none.toml: No such file or directory"),
        ("config", "bad.toml", "bad.toml is no TOML: Invalid value (at line 1, column 5)"),
        ("config", "binary", "binary: it is no text"),
        ("config_from_yaml", "bad.yaml", "bad.yaml is no YAML (line 1)"),
        ("config_from_yaml", "binary", "binary: it is no text"),
        ("config_from_yaml", "list.yaml", "list.yaml: expected keys such as CONSUMER_CONFIG"),
        ("properties", "bad.properties", "bad.properties: line 2: expected KEY=VALUE"),
    ]:
        told = refused({f"files.{option}": str(tmp_path / name)})
        assert sentence in told
        assert "hidden" not in told


REFERENCE = {
    "CONSUMER_CONFIG": {
        "CLASS": "apf.consumers.KafkaConsumer",
        "PARAMS": {
            "bootstrap.servers": "yaml:9092",
            "group.id": "yaml",
            "auto.offset.reset": "beginning",
            "enable.partition.eof": True,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.username": "me",
            "sasl.password": "pw-yaml",
            "consume.timeout": 3,
        },
        "TOPICS": ["features"],
        "consume.messages": 50,
    },
    "PRODUCER_CONFIG": {
        "CLASS": "apf.producers.kafka.KafkaSchemalessProducer",
        "PARAMS": {"bootstrap.servers": "yaml:9092", "message.max.bytes": 6291456},
        "TOPIC_STRATEGY": {
            "CLASS": "apf.core.topic_management.DailyTopicStrategy",
            "PARAMS": {
                "topic_format": "lc_classifier_balto_%s",
                "date_format": "%Y%m%d",
                "change_hour": 23,
                "retention_days": 1,
            },
        },
        "SCHEMA_PATH": "schemas/output_elasticc.avsc",
    },
    "SCRIBE_PRODUCER_CONFIG": {
        "CLASS": "apf.producers.KafkaProducer",
        "PARAMS": {"bootstrap.servers": "yaml:9092"},
        "TOPIC": "w_object_elasticc",
    },
    "METRICS_CONFIG": {
        "CLASS": "apf.metrics.KafkaMetricsProducer",
        "EXTRA_METRICS": [{"key": "candid"}],
        "PARAMS": {"PARAMS": {"bootstrap.servers": "yaml:9092"}, "TOPIC": "metrics_elasticc"},
    },
    "MODEL_VERSION": None,
    "MODEL_CONFIG": {
        "CLASS": "alerce_classifiers.balto.model.BaltoClassifier",
        "NAME": "Balto",
        "PARAMS": {"model_path": "m.pt", "header_quantiles_path": "q", "mapper": "a.BaltoMapper"},
    },
    "SCRIBE_PARSER_CLASS": "lc_classification.core.parsers.scribe_parser.ScribeParser",
    "STEP_PARSER_CLASS": "lc_classification.core.parsers.elasticc_parser.ElasticcParser",
    "FEATURE_FLAGS": {
        "PROMETHEUS": False,
        "USE_PROFILING": False,
        "LOG_CLASS_DISTRIBUTION": True,
    },
    "PYROSCOPE_SERVER": "http://pyroscope:4040",
    "MIN_DETECTIONS": 3,
}


@pytest.fixture
def reference(tmp_path):
    def write(tree):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(tree))
        return by_name({"CONFIG_FROM_YAML": str(path)})

    return write


def test_the_references_yaml_means_the_same(reference):
    settings = read_settings(gather({}, reference(REFERENCE)))
    assert settings.input.client.config() == {
        "bootstrap.servers": "yaml:9092",
        "auto.offset.reset": "beginning",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "me",
        "sasl.password": "pw-yaml",
    }
    assert (settings.input.group_id, settings.input.until_end) == ("yaml", True)
    assert (settings.input.timeout_s, settings.input.batch_size) == (3, 50)
    assert settings.results.config()["message.max.bytes"] == "6291456"
    assert settings.topics == DailyTopics("lc_classifier_balto_%s", "%Y%m%d", 23)
    assert settings.encoding == "schemaless"
    assert (settings.scribe.topic, settings.metrics.topic) == (
        *("w_object_elasticc", "metrics_elasticc"),
    )
    assert (settings.model.name, settings.model.expected) == ("m.pt", "balto")
    assert settings.model.quantiles == {"HeaderNorm1QT": "q"}
    assert settings.model.min_detections == 3
    assert settings.operation.log_classes
    assert settings.output.classifier_name == "Balto"


def test_model_as_an_option_wins_over_yaml_too(reference):
    tree = REFERENCE | {"STEP_PARSER_CLASS": None}
    settings = read_settings(gather({"model.name": "plasticc"}, reference(tree)))
    assert (settings.model.name, settings.model.expected) == ("plasticc", None)
    assert (settings.output.classifier_name, settings.output.schema) == (None, None)


def test_a_strategy_of_input_topics_is_a_regular_expression(reference):
    strategy = {"CLASS": "a.DailyTopicStrategy", "PARAMS": {"topic_format": "features.v1_%s"}}
    tree = REFERENCE | {"CONSUMER_CONFIG": {"TOPIC_STRATEGY": strategy}}
    settings = read_settings(gather({}, reference(tree) | by_name(KAFKA)))
    assert settings.input.topics == ("features",)
    variables = {env: value for env, value in KAFKA.items() if env != "CONSUMER_TOPICS"}
    settings = read_settings(gather({}, reference(tree) | by_name(variables)))
    assert settings.input.topics == (r"^features\.v1_.+$",)


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"CONSUMER_CONFG": {}}, "there is no setting 'CONSUMER_CONFG'; did you mean CONSUMER_CON"),
        ({"CONSUMER_CONFIG": {"TOPIC": "a"}}, "CONSUMER_CONFIG: there is no setting 'TOPIC'; did"),
        ({"CONSUMER_CONFIG": {"TOPIC_STRATEGY": 1}}, "topic_format: expected a text"),
        ({"CONSUMER_CONFIG": {"PARAMS": {"a": {"b": 1}}}}, "a: expected one value"),
        ({"MIN_DETECTIONS": "few"}, "MIN_DETECTIONS: 'few' is no whole number"),
    ],
)
def test_yaml_that_is_not_as_expected(reference, tree, sentence):
    assert sentence in refused({}, CONFIG_FROM_YAML=next(iter(reference(tree).values())))


def test_yaml_may_be_off_or_lie_where_containers_have_it(config):
    assert read(CONFIG_FROM_YAML="false").input.group_id == "group"
    assert "cannot read /config/config.yaml: No such file" in refused(CONFIG_FROM_YAML="True")
    told = refused(config(CLUSTER), CONFIG_FROM_YAML="1")
    assert "settings are in two files" in told
    assert "name one by --config (LCCLASSIFY_CONFIG) or --config-from-yaml" in told


def test_a_password_file(tmp_path):
    path = tmp_path / "password"
    path.write_text("from file\n")
    names = {"CONSUMER_KAFKA_USERNAME": "me", "CONSUMER_KAFKA_PASSWORD_FILE": str(path)}
    assert read(**names).input.client.config()["sasl.password"] == "from file"
    own = {"consumer.kafka_password_file": str(path)}
    both = {"CONSUMER_KAFKA_USERNAME": "me", "CONSUMER_KAFKA_PASSWORD": "hidden"}
    assert read(own, **both).input.client.config()["sasl.password"] == "from file"
    assert "the password is told as well; tell one" in refused(
        CONSUMER_KAFKA_PASSWORD="hidden", **names
    )
    path.write_text("\n")
    assert f"{path} is empty" in refused(own)
    assert "No such file or directory" in refused({"consumer.kafka_password_file": "none"})


passwords = st.text(
    st.characters(codec="ascii", exclude_categories=["C"]), min_size=12, max_size=30
).map(lambda text: f"p{text}q".replace("=", "-"))


def settings_or_error(choice):
    try:
        return read_settings(choice)
    except SettingsError as error:
        return error


@given(password=passwords)
def test_no_password_is_ever_shown(password, tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "password").write_text(password)
    (folder / "kafka.properties").write_text(f"sasl.password={password}\nssl.key.pem={password}\n")
    tables = {"kafka": {"sasl.jaas.config": password}, "metrics": {"kafka_password": password}}
    (folder / "stream.toml").write_text(tomli_w.dumps(tables))
    ways = [
        {"files.config": str(folder / "stream.toml"), "consumer.until_eos": "maybe"},
        {"files.properties": str(folder / "kafka.properties"), "consumer.limit": "0"},
        {"scribe.kafka_password_file": str(folder / "password")},
        {"consumer.kafka_password": Secret(password), "producer.kafka_password": password},
        {"registry.url": f"http://me:{password}@"},
    ]
    lines = [Secret(f"sasl.password={password}"), Secret(password)]
    choices = [gather(options, by_name(KAFKA)) for options in ways]
    for choice in [*choices, gather({}, by_name(KAFKA), lines)]:
        assert password not in repr(choice)
        assert password not in repr(settings_or_error(choice))


def test_a_value_without_meaning_is_not_missing_too():
    with pytest.raises(SettingsError) as error:
        read(PRODUCER_TOPIC_FORMAT="a_%s", PRODUCER_DATE_FORMAT="%Y%m%d", PRODUCER_CHANGE_HOUR="24")
    assert str(error.value) == "PRODUCER_CHANGE_HOUR: '24' is not from 0 to 23"


def test_an_expression_that_is_none_is_told():
    with pytest.raises(SettingsError) as error:
        read(CONSUMER_TOPICS="^(")
    assert str(error.value).startswith(
        "--consumer-topics (CONSUMER_TOPICS): topic '^(' is no regular expression: missing )"
    )


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PRODUCER_TOPIC_FORMAT": "features"}, "'features' reads features too, which results"),
        (
            {"METRICS_TOPIC": "f.m", "METRICS_HOST": "here:9092"},
            "'^f' reads f.m too, which metrics",
        ),
        ({"SCRIBE_TOPIC": "fs", "SCRIBE_SERVER": "x:1,here:9092"}, "fs too, which commands go to"),
    ],
)
def test_what_is_written_may_not_be_read_again(variables, said):
    topics = "features,^f" if "PRODUCER_TOPIC_FORMAT" not in variables else "features"
    with pytest.raises(SettingsError) as error:
        read(CONSUMER_TOPICS=topics, PRODUCER_SERVER="here:9092", **variables)
    assert said in str(error.value)
    assert str(error.value).endswith("would come in again; choose other topics")


def test_topics_of_another_cluster_may_have_the_same_name():
    assert read(PRODUCER_TOPIC_FORMAT="features").topics == OneTopic("features")


def test_dead_letters_have_a_topic_of_their_own():
    told = {"dead_letters.to": "dead"}
    assert read(told, PRODUCER_TOPIC_FORMAT="alive").dead_letters.topic == "dead"
    assert refused(told, PRODUCER_TOPIC_FORMAT="dead") == (
        "--dead-letters: dead is the topic of results; choose another one"
    )
    side = {"METRICS_TOPIC": "dead", "METRICS_HOST": "there:9092"}
    assert refused(told, **side) == (
        "--dead-letters: dead is the topic of metrics; choose another one"
    )
    assert read(told, METRICS_TOPIC="dead", METRICS_HOST="elsewhere:9092").metrics.topic == "dead"
    both = told | {"shadow.model": "second", "shadow.topic": "dead"}
    assert refused(both) == "--shadow-topic: dead is the topic of dead letters; choose another one"


def test_a_shadow_has_a_topic_of_its_own():
    told = {"shadow.model": "second", "shadow.topic": "shadow"}
    assert read(told).shadow == Shadow("second", OneTopic("shadow"))
    daily = told | {"shadow.topic": "s_%s"}
    days = {"PRODUCER_DATE_FORMAT": "%Y%m%d", "PRODUCER_CHANGE_HOUR": "23"}
    assert read(daily, **days).shadow.topics == DailyTopics("s_%s", "%Y%m%d", 23)
    assert refused({"shadow.model": "second"}) == "missing: --shadow-topic"
    assert read({"shadow.topic": "shadow"}).shadow is None
    assert refused(told | {"shadow.topic": "results"}, PRODUCER_SERVER="here:9092") == (
        "--shadow-topic: results is the topic of results; choose another one"
    )
    same = {"SCRIBE_TOPIC": "shadow", "SCRIBE_SERVER": "there:9092"}
    assert refused(told, **same) == (
        "--shadow-topic: shadow is the topic of commands; choose another one"
    )
    assert refused(told | {"shadow.topic": "features"}, PRODUCER_SERVER="here:9092") == (
        "--consumer-topics (CONSUMER_TOPICS): 'features' reads features too, which results of the "
        "shadow go to: they would come in again; choose other topics"
    )
    assert refused(told | {"output.to": "-"}) == (
        "--shadow: its results go to a topic, and --to is not kafka"
    )
    choice = gather(told | {"output.to": "-"}, by_name(KAFKA)).without("shadow.model")
    assert read_settings(choice).shadow is None


TOM = "https://tom.example.com/elasticc2/brokermessage/"


def test_results_to_a_tom():
    settings = read({"output.to": TOM}, TOM_USERNAME="me", TOM_PASSWORD="hidden")
    assert (settings.to, settings.results, settings.topics) == (TOM, None, None)
    assert settings.tom == Tom("me", Secret("hidden"))
    assert settings.output.schema == "elasticc-v0_9_1"
    assert settings.notes == ()
    older = read({"output.to": TOM, "output.schema": "elasticc-v0_9"})
    assert (older.output.schema, older.tom) == ("elasticc-v0_9", Tom())
    [note] = read({"output.to": "http://tom/"}, TOM_USERNAME="me", TOM_PASSWORD="hidden").notes
    assert note == "--to: the password of the TOM goes over the network in clear"


@pytest.mark.parametrize(
    ("told", "variables", "said"),
    [
        ({"output.to": "ftp://tom/"}, {}, "--to: expected an http(s) URL"),
        ({"output.to": "https://"}, {}, "--to: expected an http(s) URL"),
        ({"output.to": "https://tom:port/"}, {}, "--to: expected an http(s) URL"),
        (
            {"output.to": "https://me:hidden@tom/"},
            {},
            "--to: a URL is seen by others, and takes no user and password: set --tom-username "
            "(TOM_USERNAME) and TOM_PASSWORD",
        ),
        (
            {"output.to": TOM},
            {"TOM_USERNAME": "me"},
            "--tom-username (TOM_USERNAME) is set without TOM_PASSWORD or --tom-password-file "
            "(TOM_PASSWORD_FILE)",
        ),
        (
            {"output.to": TOM, "output.schema": "alerce"},
            {},
            "--output-schema: a TOM takes elasticc-v0_9_1 or elasticc-v0_9, not alerce",
        ),
    ],
)
def test_what_is_wrong_with_a_tom(told, variables, said):
    assert refused(told, **variables) == said
