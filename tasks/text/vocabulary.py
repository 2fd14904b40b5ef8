"""The words of a round, by number, as the stage that cuts texts into words leaves them."""

import json
from pathlib import Path

FILE = "vocabulary.json"


def read_vocabulary(tokens: Path) -> list[str]:
    """Return the words in the order of their numbers: 0 is `<unk>`, 1 is `<pad>`."""
    return list(json.loads((tokens / FILE).read_text(encoding="utf-8")))
