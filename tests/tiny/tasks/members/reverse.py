"""A member that uses code in each way that there is; nothing of it changes what the member makes but `change`."""

import tasks.effect
import tasks.listed  # noqa: F401
from tasks.registry import TABLE

END = ""


class Base:
    def end(self) -> str:
        return END


class Derived(Base):
    start = ""


def decorate(function):
    return function


@decorate
def frame(words: str, by: str = "" + "") -> str:
    return by + words + by


def tidy(words: str) -> str:
    return words


def tidy(words: str) -> str:  # noqa: F811
    return words + ""


def change(words: str) -> str:
    """Turn the words round."""
    for listed in TABLE.values():
        words = listed(words)
    return frame(tidy(Derived.start + words[::-1] + Derived().end()))
