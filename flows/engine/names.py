"""Messages about wrong names: what the right ones are."""

import difflib
from collections.abc import Collection

MOST_LISTED = 10
SIMILAR = 3


def suggest_names(name: str, known: Collection[str], *, listed_as: str, more: str) -> str:
    """Return the known names after `listed_as` if they are few, else those similar to `name`, and `more`.

    `more` says where all of them are: "`python -m flows graph` lists all".
    """
    if len(known) <= MOST_LISTED:
        return f"{listed_as} {', '.join(known) or 'none'}"
    begin = name[: max(4, len(name) - 2)]
    begun = [each for each in known if name in each or each.startswith(begin)]
    similar = list(dict.fromkeys([*begun, *difflib.get_close_matches(name, known, n=SIMILAR)]))[:SIMILAR]
    return f"did you mean {' or '.join(similar)} ({more})?" if similar else more
