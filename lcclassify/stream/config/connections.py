"""The four connections to Kafka, from settings and librdkafka properties."""

from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from lcclassify.stream.config.findings import Findings
from lcclassify.stream.config.options import table
from lcclassify.stream.config.told import Choice
from lcclassify.stream.secret import Secret
from lcclassify.stream.settings import Client, Tom
from lcclassify.urls import is_url


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
    if (parts := web_address(url)) is None:
        findings.problems.append(f"{table().options['registry.url'].ways}: expected an http(s) URL")
        return None, user, password
    if parts.username and not user:
        user, password = unquote(parts.username), Secret(unquote(parts.password or ""))
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", "")), user, password


def read_tom(choice: Choice, findings: Findings) -> Tom:
    """Who logs in at a TOM, if ``--to`` names one."""
    to, user, password = (choice[name] for name in ("output.to", "tom.username", "tom.password"))
    _pair("tom.username", "tom.password", choice, findings)
    ways = table().options["output.to"].ways
    if not is_url(to):
        return Tom(user, password)
    parts = web_address(to)
    if parts is None:
        findings.problems.append(f"{ways}: expected an http(s) URL")
    elif "@" in parts.netloc:
        findings.problems.append(
            f"{ways}: a URL is seen by others, and takes no user and password: set "
            f"{table().options['tom.username'].ways} and {table().options['tom.password'].ways}"
        )
    elif parts.scheme == "http" and password:
        findings.notes.append(f"{ways}: the password of the TOM goes over the network in clear")
    return Tom(user, password)


def web_address(url: str) -> SplitResult | None:
    """Its parts; None if it is no URL of a web server."""
    try:
        parts = urlsplit(url)
        is_known = parts.scheme in ("http", "https") and bool(parts.hostname and parts.port != 0)
    except ValueError:  # of the port
        return None
    # An @ behind the host is the rest of a password with a slash.
    return parts if is_known and "@" not in url.partition(parts.netloc)[2] else None


def _pair(user: str, password: str, choice: Choice, findings: Findings) -> None:
    """A user without a password, or a password without a user, is wrong."""
    for there, other in ((user, password), (password, user)):
        if choice[there] and not choice[other]:
            files = [option for option in (table().options.get(f"{other}_file"),) if option]
            ways = " or ".join(option.ways for option in (table().options[other], *files))
            findings.problems.append(f"{table().options[there].ways} is set without {ways}")
