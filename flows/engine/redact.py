"""No secret in anything that is written down."""

import re

HIDDEN = "***"
_USER = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#'\"<>]*@")
_QUERY = re.compile(r"(?P<address>[A-Za-z][A-Za-z0-9+.-]*://[^\s?#'\"<>]+)\?[^\s#'\"<>]*")


def strip_secrets(text: str) -> str:
    """Return `text` without the `user:password@` of its addresses, and with their `?query` hidden.

    The whole query goes: each store has its own names for tokens and signatures, and a list of them misses one.
    """
    return _QUERY.sub(rf"\g<address>?{HIDDEN}", _USER.sub(r"\g<scheme>", text))
