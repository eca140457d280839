"""Pickles of plain values, as alerts carry them in fields of bytes."""

from lcclassify.legacy.pickles import read_pickle
from lcclassify.legacy.records import RefusedError, brief

MAX_BYTES = 1 << 16  # an ELAsTiCC header takes 2,000; an opcode of one byte can cost 100 of memory

Plain = None | bool | int | float | str


def read_plain_dict(data: bytes) -> dict[str, Plain] | None:
    """The first element of a pickled list: names with plain values, or None. RefusedError"""
    value = read_plain_list(data)
    if not value:
        raise RefusedError(f"expected a pickled list of one dict, found {brief(value)}")
    return plain_dict(value[0])


def read_plain_list(data: bytes) -> list[object]:
    """The elements of a pickled list, of which nothing was made. RefusedError"""
    if len(data) > MAX_BYTES:
        raise RefusedError(f"a pickle of {len(data)} bytes is longer than the {MAX_BYTES} allowed")
    value = read_pickle(data, {})
    if not isinstance(value, list):
        raise RefusedError(f"expected a pickled list of one dict, found {brief(value)}")
    return value


def plain_dict(value: object) -> dict[str, Plain] | None:
    """Names with plain values, or None, if a value is that. RefusedError if it is not."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise RefusedError(f"expected a dict, found {brief(value)}")
    plain: dict[str, Plain] = {}
    for name, item in value.items():
        if not isinstance(name, str) or not _is_plain(name):
            raise RefusedError(f"expected a name, found {brief(name)}")
        if not _is_plain(item):
            raise RefusedError(f"expected {brief(name)} to be a plain value, found {brief(item)}")
        plain[name] = item
    return plain


def _is_plain(value: object) -> bool:
    if isinstance(value, str):  # protocol 0 can write halves of characters, which no file can hold
        return not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, int):
        return value.bit_length() <= 64
    return value is None or isinstance(value, float)
