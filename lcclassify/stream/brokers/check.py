"""Before a stream starts: is everything that it needs of Kafka there, and allowed?"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lcclassify.errors import BrokerError
from lcclassify.stream.brokers.clients import place, sentence
from lcclassify.stream.brokers.probe import (
    Use,
    can_answer,
    check_use,
    open_probe,
    reach,
    try_transaction,
)
from lcclassify.stream.secret import Secret
from lcclassify.stream.settings import Client, Settings

CONNECTING = ("security.", "sasl.", "ssl.", "enable.ssl.")  # beginnings of properties' names
IDENTIFYING = ("sasl.username", "ssl.keystore.location", "ssl.certificate.location")


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a connection reaches, and as whom."""

    id: str | None  # None: an old broker does not tell
    protocol: str
    user: str
    no_transactions: str | None = None  # why, where it was tried


def uses(settings: Settings, now: datetime) -> list[Use]:
    """The connections of these settings, and what for."""
    told = settings.input
    names = tuple(topic for topic in told.topics if not topic.startswith("^"))
    found = [Use("input", told.client, reads=names, group=told.group_id)]
    if settings.results:
        writes = (settings.topics.at(now),) if settings.topics else ()
        found.append(Use("results", settings.results, writes=writes))
    if settings.results and settings.dead_letters.topic:
        found.append(Use("dead letters", settings.results, writes=(settings.dead_letters.topic,)))
    if settings.results and settings.shadow:
        found.append(Use("shadow", settings.results, writes=(settings.shadow.topics.at(now),)))
    for name, side in (("scribe", settings.scribe), ("metrics", settings.metrics)):
        if side:
            found.append(Use(name, side.client, writes=(side.topic,)))
    return found


def check_brokers(settings: Settings, now: datetime | None = None) -> dict[str, Cluster]:
    """What input, results and all others reach. Missing topics for output are created.

    Takes some 10 s at most. BrokerError with a sentence for each problem; SettingsError for
    properties without meaning.
    """
    wanted = uses(settings, now or datetime.now(UTC))
    groups: dict[object, list[Use]] = {}
    for use in wanted:
        groups.setdefault(_connection(use.client), []).append(use)
    can_wait = settings.input.wait_for_topics
    with ThreadPoolExecutor(len(groups)) as pool:
        answers = list(pool.map(lambda same: _probe(same, can_wait), groups.values()))
    clusters = {name: cluster for found, _ in answers for name, cluster in found.items()}
    problems = [problem for _, some in answers for problem in some]
    if not problems and settings.delivery != "at-least-once":
        clusters, problems = _with_transactions(settings, clusters)
    if problems:
        raise BrokerError(". ".join(problems))
    return clusters


def _probe(same: Sequence[Use], can_wait: bool) -> tuple[dict[str, Cluster], list[str]]:
    """Check uses that share a connection."""
    client = same[0].client
    probe = open_probe(_listed([use.name for use in same]), client)
    for use in same[1:]:
        open_probe(use.name, use.client)  # its other properties may be wrong
    seen = reach(probe)
    if seen is None:
        return {}, probe.problems
    if can_answer(seen):
        for use in same:
            check_use(probe, use, can_wait)
    cluster = Cluster(seen.cluster_id, *_identity(client))
    return {use.name: cluster for use in same}, probe.problems


def _with_transactions(
    settings: Settings, clusters: dict[str, Cluster]
) -> tuple[dict[str, Cluster], list[str]]:
    """The clusters, once it was tried whether transactions work where nothing else forbids them."""
    if settings.results is None or exactly_once_possible(settings, clusters):
        return clusters, []
    name = settings.transactional_id or f"{settings.input.group_id}-start"
    error = try_transaction(settings.results, name)
    if error is None:
        return clusters, []
    where = f"{place('results', settings.results)}, transactional id {name!r}"
    reason = sentence(error, where)
    if settings.delivery == "exactly-once":
        return clusters, [reason]
    return clusters | {"results": replace(clusters["results"], no_transactions=reason)}, []


def exactly_once_possible(settings: Settings, clusters: Mapping[str, Cluster]) -> str | None:
    """Why results, commands, metrics and offsets cannot share a transaction; None if they can."""
    if settings.to != "kafka":
        return "results do not go to Kafka"
    for name, cluster in clusters.items():
        if cluster.no_transactions:
            return cluster.no_transactions
        if cluster.id is None:
            return f"the cluster of {name} does not tell its id"
        if cluster.id != clusters["input"].id:
            return f"{name} and input are on different clusters"
        if (cluster.protocol, cluster.user) != (clusters["input"].protocol, clusters["input"].user):
            return f"{name} and input connect with different protocols or users"
    return None


def _connection(client: Client) -> tuple[str, frozenset[tuple[str, str | Secret]]]:
    """What makes a connection another one."""
    told = client.properties.items()
    return client.servers, frozenset(item for item in told if item[0].startswith(CONNECTING))


def _identity(client: Client) -> tuple[str, str]:
    """Protocol and user (or certificate)."""
    told = client.config()
    protocol = told.get("security.protocol", "plaintext").upper()
    return protocol, next((told[name] for name in IDENTIFYING if name in told), "")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
