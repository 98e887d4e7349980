"""Canonical JSON (RFC 8785): one value, one sequence of bytes, and so one hash."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import rfc8785

from corroborator.errors import InputError

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"

_SURROGATE = re.compile("[\ud800-\udfff]")
SAFE_INTEGER = 2**53 - 1


def canonical(value: object) -> bytes:
    """Return the canonical JSON of a value as UTF-8.

    Mappings, lists, tuples, strings, finite numbers, booleans and None are allowed. Half surrogate
    pairs, which UTF-8 cannot hold, become U+FFFD: one malformed character from a user must not
    keep a turn out of the log.

    Raises:
        InputError: the value is not JSON; its content is not in the error.
    """
    try:
        return rfc8785.dumps(_plain(value))
    except rfc8785.CanonicalizationError:
        pass  # it may hold the value, and as its context it would travel with the error below
    raise InputError(
        "a value for the audit log is not JSON: use mappings with string keys, lists, strings, "
        "finite numbers, whole numbers below 2^53, booleans and None"
    )


def parse(text: str | bytes) -> JSON:
    """Read what `canonical` wrote, so that ``canonical(parse(x)) == x``.

    Raises:
        ValueError: it is not JSON.
    """
    value: JSON = json.loads(text, parse_int=_number)
    return value


def parse_object(text: object) -> Mapping[str, JSON] | None:
    """Read a canonical JSON object; None if it is anything else or is not canonical."""
    if not isinstance(text, str):
        return None
    try:
        value = parse(text)
        whole = isinstance(value, Mapping) and rfc8785.dumps(value) == text.encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, Mapping) and whole else None


def digest(data: bytes) -> str:
    """Return the sha256 as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _number(digits: str) -> int | float:
    """Read a whole number; RFC 8785 writes floats up to 1e21 without a point or an exponent."""
    number = int(digits)
    return number if abs(number) <= SAFE_INTEGER else float(digits)


def _plain(value: object) -> Any:
    if isinstance(value, str):
        return _unicode(value)
    if isinstance(value, Mapping):
        return {
            _unicode(key) if isinstance(key, str) else key: _plain(v) for key, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value  # rfc8785 refuses what is no JSON


def _unicode(text: str) -> str:
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
