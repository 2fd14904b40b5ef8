"""Removes secrets from texts before they are written or shown."""

import re

HIDDEN = "***"
_USER = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#'\"<>]*@")
_QUERY = re.compile(r"(?P<address>[A-Za-z][A-Za-z0-9+.-]*://[^\s?#'\"<>]+)\?[^\s#'\"<>]*")


def strip_secrets(text: str) -> str:
    """Return `text` without the `user:password@` of its URLs, and with their `?query` hidden.

    The whole query is hidden: each store names tokens and signatures differently, and a list would miss some.
    """
    return _QUERY.sub(rf"\g<address>?{HIDDEN}", _USER.sub(r"\g<scheme>", text))
