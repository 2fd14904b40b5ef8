"""The source's own splits, as the names of its folders, tables or column values say them."""

import re
from collections.abc import Collection

# seg_train, TrainSet, test1 and testdata hold a word; trainstation holds none.
WORDS = {
    "train": re.compile(r"train(ing)?(set|data)?"),
    "valid": re.compile(r"(val|valid|validation|dev|development)(set|data)?"),
    "test": re.compile(r"(test|testing|eval|evaluation)(set|data)?"),
}
EVALUATION = re.compile(r"eval(uation)?", re.IGNORECASE)


def name_splits(names: Collection[str]) -> dict[str, str]:
    """Return the split of each name: train, valid or test; "" if it has none of their words, or of two splits.

    `eval` is the test part, but the validation part where another name is the test part.
    """
    splits = {name: _name_split(name) for name in names}
    by_eval = {name for name in names if splits[name] == "test" and EVALUATION.search(name)}
    if any(split == "test" and name not in by_eval for name, split in splits.items()):
        splits |= dict.fromkeys(by_eval, "valid")
    return splits


def _name_split(name: str) -> str:
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    splits = {split for split, pattern in WORDS.items() if any(pattern.fullmatch(word) for word in words)}
    return splits.pop() if len(splits) == 1 else ""
