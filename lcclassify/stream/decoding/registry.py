"""Messages with Confluent's framing: five bytes that name a registry's schema, then the value."""

import json
from collections import OrderedDict
from functools import cached_property
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from lcclassify.errors import BrokerError, InputError
from lcclassify.stream.decoding.narrow import Narrow, UnreadableError, Wants, narrow
from lcclassify.stream.secret import Secret

MAGIC = 0
FRAME = 5  # bytes: the magic one, and an id
MAX_SCHEMAS = 64  # that are remembered, those that are not there included
ATTEMPTS = 5
LONGEST_WAIT = 10.0  # s, between them
TIMEOUT = 10.0  # s, of each
NO_SCHEMA = 40403  # what a registry adds to 404; other servers know no such path


class RegistryError(Exception):
    """An answer that may be another next time."""


class Registry:
    """Reads messages whose schemas a registry knows.

    UnreadableError for a message. BrokerError if the registry gives no answer: the message is not
    to blame.
    """

    def __init__(self, url: str, wants: Wants, auth: tuple[str, Secret] | None = None) -> None:
        self._base = httpx.URL(url)
        self._wants = wants
        self._auth = auth
        self._known: OrderedDict[int, Narrow | str] = OrderedDict()

    def __call__(self, data: bytes) -> dict[str, Any]:
        """What is wanted of a message."""
        if len(data) < FRAME or data[0] != MAGIC:
            raise UnreadableError("it does not begin with a zero and the id of a schema")
        number = int.from_bytes(data[1:FRAME], "big")
        if number not in self._known:
            self._known[number] = self._learn(number)
            if len(self._known) > MAX_SCHEMAS:
                self._known.popitem(last=False)
        read = self._known[number]
        if isinstance(read, str):
            raise UnreadableError(read)
        return read(data[FRAME:])

    @property
    def _name(self) -> str:
        """The registry, without a password."""
        return str(self._base.copy_with(userinfo=b""))

    @cached_property
    def _client(self) -> httpx.Client:
        auth = (self._auth[0], self._auth[1].reveal()) if self._auth else None
        return httpx.Client(timeout=TIMEOUT, auth=auth)

    def _learn(self, number: int) -> Narrow | str:
        """The reader of messages of a schema, or why there is none."""
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=0.2, max=LONGEST_WAIT),
            retry=retry_if_exception_type((RegistryError, httpx.TransportError)),
            reraise=True,
        )
        try:
            answer = retrying(self._ask, number)
        except (RegistryError, httpx.HTTPError) as error:
            reason = str(error) or type(error).__name__
            what = f"the schema registry {self._name} gives no answer"
            raise BrokerError(f"{what}: {reason}") from None
        if answer is None:
            return f"the schema registry knows no schema {number}"
        try:
            if answer.get("schemaType", "AVRO") != "AVRO" or answer.get("references"):
                return f"schema {number} of the registry is not Avro, or has parts elsewhere"
            return narrow(json.loads(answer["schema"]), self._wants, f"schema {number}")
        except InputError as error:
            return str(error)
        except (ValueError, RecursionError):
            return f"schema {number} of the registry is no Avro schema"

    def _ask(self, number: int) -> dict[str, Any] | None:
        url = self._base.copy_with(path=f"{self._base.path.rstrip('/')}/schemas/ids/{number}")
        response = self._client.get(url)
        answer = _json(response)
        if response.status_code == httpx.codes.NOT_FOUND:
            if answer.get("error_code") == NO_SCHEMA:
                return None
            raise BrokerError(f"there is no schema registry at {self._name}: correct the URL")
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise BrokerError(
                f"the schema registry {self._name} refuses ({response.status_code}): check the "
                "user and password"
            )
        if response.status_code != httpx.codes.OK:
            raise RegistryError(f"status {response.status_code}")
        if not isinstance(answer.get("schema"), str):
            raise RegistryError("its answer holds no schema")
        return answer


def _json(response: httpx.Response) -> dict[str, Any]:
    """The object that was answered; an empty one if it is none."""
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
