"""URLs in messages."""


def is_url(text: str) -> bool:
    """Whether a text names something by a scheme, not by a path."""
    return "://" in text


def without_secrets(url: str) -> str:
    """A URL without user, password and query, any of which may be secret. A path as it is."""
    scheme, is_url, rest = url.partition("://")
    if not is_url:
        return url
    head, _, query = rest.partition("?")
    place = head.rpartition("@")[2]
    _, has_port, port = place.partition("/")[0].rpartition(":")
    if "@" in query or (has_port and not port.isdigit()):  # not cut where the secrets end
        return f"{scheme}://..."
    return f"{scheme}://{place}"
