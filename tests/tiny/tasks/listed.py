"""What is found in the registry alone."""

from tasks.registry import Listed, register


@register
def by_decorator(words: str) -> str:
    return words + ""


class ByBase(Listed):
    @staticmethod
    def change(words: str) -> str:
        return "" + words


def by_call(words: str) -> str:
    return "" + words + ""


KEPT = register(by_call)
