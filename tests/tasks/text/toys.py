"""Sixty texts of three classes that a small network learns in seconds, in the folders that the stages hand on."""

import json
from pathlib import Path

import numpy as np

from tasks.text.augment import Augment
from tasks.text.member import Member
from tasks.text.pretrain import Pretrain
from tests.tasks.learning.toys import Toy, write_toy_classes, write_toy_folds

N_TEXTS, N_CLASSES = 60, 3
WORDS = ["<unk>", "<pad>", *["a", "b", "c", "good", "bad", "so", "not", "sun", "rain", "tea"]]
N_WORDS = len(WORDS)
TELLING = {0: 5, 1: 6, 2: 9}  # the word that gives each class away
RECIPE = {
    "network": "lstm",
    "width": 8,
    "embedding": 6,
    "layers": 0,
    "weights": "none",
    "vectors": "none",
    "epochs": 4,
    "head_epochs": 0,
    "unfreeze_epochs": 0,
    "batch_size": 8,
    "lr": "auto",
    "optimiser": "adamw",
    "weight_decay": 0.01,
    "dropout": 0.1,
    "embedding_dropout": 0.1,
    "word_dropout": 0.1,
    "label_smoothing": 0.05,
    "ema_decay": 0.9,
    "clip_norm": 5.0,
    "patience": 0,
    "balance": "none",
    "seed": 7,
}
FITTING = {
    "ulmfit": {"layers": 2},
}
AS_THEY_ARE = Augment(
    altered_share=0.0, delete_share=0.0, swap_share=0.0, insert_share=0.0, replace_share=0.0, synonyms="none",
    nearest=1, least_cosine=0.0, seed=1,
)  # fmt: skip


def make_reader(network: str = "lstm", **values: object) -> Member:
    """Return the toy recipe of a network with some values changed."""
    return Member.model_validate({**RECIPE, "network": network, **FITTING.get(network, {}), **values})


def make_pretrain(**values: object) -> Pretrain:
    """Return a toy recipe of the language model that fits the toy ulmfit."""
    plain = {key: value for key, value in RECIPE.items() if key in Pretrain.model_fields}
    return Pretrain.model_validate({**plain, "layers": 2, "epochs": 6, **values})


def make_texts(root: Path, *, mode: str = "holdout") -> Toy:
    """Write sixty texts of 1 to 12 words, each with its class's telling word, in five folds."""
    toy, rng = Toy(root), np.random.default_rng(0)
    labels = np.arange(N_TEXTS) % N_CLASSES
    texts = [draw_text(int(label), int(rng.integers(1, 13)), rng) for label in labels]
    write_tokens(toy.folder("tokens"), texts)
    write_toy_folds(toy, labels, mode)
    write_toy_classes(toy)
    return toy


def list_inputs(toy: Toy, tokens: str = "tokens") -> dict[str, Path]:
    """Return what the lesson of a round reads."""
    return {"tokens": toy.folder(tokens), "folds": toy.folder("folds")}


def draw_text(label: int, length: int, rng: np.random.Generator) -> list[int]:
    """Return the numbers of a text: `b` follows `a` and `c` follows `b`, and one word tells the class."""
    start = int(rng.integers(0, 3))
    words = [2 + (start + place) % 3 for place in range(length)]
    words[int(rng.integers(0, length))] = TELLING[label]
    return words


def write_tokens(folder: Path, texts: list[list[int]], words: list[str] = WORDS) -> None:
    """Write what the stage that cuts texts into words writes."""
    np.save(folder / "tokens.npy", np.array([word for text in texts for word in text], np.int32))
    np.save(folder / "offsets.npy", np.cumsum([0, *(len(text) for text in texts)]).astype(np.int64))
    (folder / "vocabulary.json").write_text(json.dumps(words))
    (folder / "tokeniser.json").write_text(json.dumps({"kind": "whitespace"}))
