"""What a stream is told to do, as plain values; ``read_settings`` makes it from options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.stream.secret import Secret
from lcclassify.stream.topics import Topics
from lcclassify.task import Output


@dataclass(frozen=True, slots=True)
class Client:
    """How a connection to a cluster is made."""

    servers: str  # HOST:PORT, separated by commas
    properties: Mapping[str, str | Secret] = field(default_factory=dict)  # librdkafka's, all others

    @property
    def max_bytes(self) -> int:
        """The largest message that it sends; librdkafka's own where none, or no number, is told."""
        told = self.config().get("message.max.bytes", "")
        return int(told) if told.isdecimal() else 1_000_000

    def config(self) -> dict[str, str]:
        """What librdkafka takes: with secrets in clear."""
        told = {"bootstrap.servers": self.servers, **self.properties}
        return {k: v.reveal() if isinstance(v, Secret) else v for k, v in told.items()}


@dataclass(frozen=True, slots=True)
class Input:
    """Where messages come from, and how they are written."""

    client: Client
    group_id: str
    topics: tuple[str, ...]  # names, or regular expressions that begin with ^
    batch_size: int = 1000
    timeout_s: float = 10.0  # how long to wait for a full batch; 0: take what there is
    start: str = "committed"  # earliest, latest, committed, an ISO time or an offset
    until_end: bool = False  # end when everything that is there has been read
    limit: int | None = None  # messages
    wait_for_topics: bool = False  # that do not exist yet
    form: Literal["avro", "schemaless", "confluent", "json"] = "avro"
    schema: str | None = None  # path of an .avsc: of schemaless messages
    registry: str | None = None  # URL: of messages with Confluent's framing
    registry_user: str | None = None
    registry_password: Secret | None = None
    id_name: str | None = None  # field of the object id; None: the first that is known as one


@dataclass(frozen=True, slots=True)
class Model:
    """Who answers, and what is asked of objects."""

    name: str = field(repr=False)  # as ``resolve_model`` takes it; a URL may hold a password
    expected: str | None = None  # the model that a class stands for, for ``require_kind``
    quantiles: Mapping[str, str] = field(default_factory=dict, repr=False)
    offline: bool = False
    device: str = "auto"
    threads: int = 1
    min_coverage: float = 1.0
    min_object_coverage: float = 0.0
    reference_nulls: bool | None = None  # None: if a published schema is written
    min_detections: int = 0
    light_curves: LightCurveOptions = field(default_factory=LightCurveOptions)


@dataclass(frozen=True, slots=True)
class Side:
    """A further topic: of scribe commands or of metrics."""

    client: Client
    topic: str


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Where messages go that are at fault, and how many of them are too many."""

    to: str | None = None  # a topic of the cluster of results, or a folder (ending in /); None:
    # they are logged and counted, and left out, or answered as far as an output has words for that
    max_share: float = 1.0  # of the last messages; above it the stream stops

    @property
    def folder(self) -> Path | None:
        """The folder, if it is one."""
        return Path(self.to) if self.to and self.to.endswith("/") else None

    @property
    def topic(self) -> str | None:
        """The topic, if it is one."""
        return None if self.folder else self.to


@dataclass(frozen=True, slots=True)
class Drift:
    """What is done when messages do not look like what the model was trained on."""

    policy: Literal["warn", "stop", "off"] = "warn"
    window: int = 2000  # objects with an answer that are looked at together


@dataclass(frozen=True, slots=True)
class Shadow:
    """A second model that scores the same messages."""

    model: str = field(repr=False)  # as ``Model.name``
    topics: Topics  # in the cluster of results


@dataclass(frozen=True, slots=True)
class Tom:
    """Who logs in at a TOM to which results go by HTTP."""

    user: str | None = None
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """How people and machines look at a running stream."""

    http_port: int | None = None  # of /metrics, /healthz and /readyz; None: not served
    log_form: Literal["text", "json"] = "text"
    display: Literal["auto", "off"] = "auto"  # live, where stderr is a terminal
    debug: bool = False
    log_classes: bool = False  # how often each was answered, by batch


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it."""

    input: Input
    model: Model
    output: Output  # schema None: a flat table; for Kafka, as the model's survey has it
    to: str = "kafka"  # or - for standard output, a folder, or the http(s) URL of a TOM
    file_form: Literal["parquet", "jsonl"] = "parquet"  # of a folder
    results: Client | None = None  # None unless ``to`` is kafka
    topics: Topics | None = None  # likewise
    encoding: Literal["avro", "schemaless"] = "avro"  # of results and commands
    scribe: Side | None = None
    scribe_form: str = "scribe"  # a scribe schema of ``OUTPUTS``
    metrics: Side | None = None
    metrics_source: str = "lcclassify"
    metrics_survey: str | None = None
    delivery: Literal["auto", "exactly-once", "at-least-once"] = "auto"
    transactional_id: str | None = None  # None: one of its own for each process
    shutdown_s: float = 25.0  # after the first signal
    dry_run: bool = False  # check everything, read nothing
    dead_letters: DeadLetters = field(default_factory=DeadLetters)
    drift: Drift = field(default_factory=Drift)
    shadow: Shadow | None = None
    tom: Tom = field(default_factory=Tom)
    operation: Operation = field(default_factory=Operation)
    notes: tuple[str, ...] = ()  # sentences to log at the start: settings without effect

    @property
    def reference_nulls(self) -> bool:
        """Whether objects of which nothing was found are answered, as in a published schema."""
        told = self.model.reference_nulls
        is_published = self.to == "kafka" or self.output.is_published or self.scribe is not None
        return is_published if told is None else told
