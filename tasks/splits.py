"""The source's own splits, as the names of its folders, tables or column values say them."""

import re
from collections.abc import Collection

WORDS = {
    "train": "train", "training": "train", "val": "valid", "valid": "valid", "validation": "valid", "dev": "valid",
    "development": "valid", "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
# seg_train, TrainSet, test1 and testdata hold a word; trainstation holds none.
WORD = re.compile(rf"({'|'.join(sorted(WORDS, key=len, reverse=True))})(?:set|data)?")


def name_splits(names: Collection[str]) -> dict[str, str]:
    """Return the split of each name: train, valid or test; "" if it has none of their words, or of two splits.

    `eval` is the test part, but the validation part where another name is the test part.
    """
    splits = {name: _name_split(name) for name in names}
    by_eval = {name for name in names if splits[name] == "test" and "eval" in name.lower()}
    if any(split == "test" and name not in by_eval for name, split in splits.items()):
        splits |= dict.fromkeys(by_eval, "valid")
    return splits


def _name_split(name: str) -> str:
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    splits = {WORDS[match[1]] for word in words if (match := WORD.fullmatch(word))}
    return splits.pop() if len(splits) == 1 else ""
