"""The four connections to Kafka, from settings and librdkafka properties."""

from urllib.parse import unquote, urlsplit, urlunsplit

from lcclassify.stream.config.findings import Findings
from lcclassify.stream.config.options import table
from lcclassify.stream.config.told import Choice
from lcclassify.stream.secret import Secret
from lcclassify.stream.settings import Client


def read_client(choice: Choice, section: str, findings: Findings) -> Client:
    """A connection. A user with a password means SASL_SSL with SCRAM-SHA-512 unless told."""
    properties = {key: told.value for key, told in choice.properties[section].items()}
    user, password = choice[f"{section}.kafka_username"], choice[f"{section}.kafka_password"]
    protocol = choice[f"{section}.security_protocol"]
    mechanism = choice[f"{section}.sasl_mechanism"]
    if user and password:
        protocol, mechanism = protocol or "SASL_SSL", mechanism or "SCRAM-SHA-512"
        if not protocol.startswith("SASL"):
            findings.problems.append(
                f"{table().options[f'{section}.security_protocol'].ways}: {protocol} takes no "
                "user and password: expected SASL_SSL or SASL_PLAINTEXT"
            )
    _pair(f"{section}.kafka_username", f"{section}.kafka_password", choice, findings)
    own = {
        "security.protocol": protocol,
        "sasl.mechanism": mechanism,
        "sasl.username": user,
        "sasl.password": password,
        "group.instance.id": choice["consumer.instance_id"] if section == "consumer" else None,
    }
    properties |= {key: value for key, value in own.items() if value}
    servers = findings.need(choice, f"{section}.server")
    return Client(
        ",".join(filter(None, (server.strip() for server in servers.split(",")))),
        {
            key: value if isinstance(value, Secret) else str(value)
            for key, value in properties.items()
        },
    )


def read_registry(
    choice: Choice, findings: Findings
) -> tuple[str | None, str | None, Secret | None]:
    """URL, user and password of the schema registry; a URL's own user and password count last."""
    url, user, password = (choice[f"registry.{key}"] for key in ("url", "username", "password"))
    _pair("registry.username", "registry.password", choice, findings)
    if not url:
        return None, user, password
    try:
        parts = urlsplit(url)
        is_known = parts.scheme in ("http", "https") and bool(parts.hostname and parts.port != 0)
        is_known &= "@" not in url.partition(parts.netloc)[2]  # the rest of a password with a slash
    except ValueError:  # of the port
        is_known = False
    if not is_known:
        findings.problems.append(f"{table().options['registry.url'].ways}: expected an http(s) URL")
        return None, user, password
    if parts.username and not user:
        user, password = unquote(parts.username), Secret(unquote(parts.password or ""))
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", "")), user, password


def _pair(user: str, password: str, choice: Choice, findings: Findings) -> None:
    """A user without a password, or a password without a user, is wrong."""
    for there, other in ((user, password), (password, user)):
        if choice[there] and not choice[other]:
            files = [option for option in (table().options.get(f"{other}_file"),) if option]
            ways = " or ".join(option.ways for option in (table().options[other], *files))
            findings.problems.append(f"{table().options[there].ways} is set without {ways}")
