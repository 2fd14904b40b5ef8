"""A language model: the encoder, with the table of word vectors as its output layer."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.errors import UserError
from tasks.learning.checkpoints import save_to_bytes
from tasks.learning.examples import Examples
from tasks.learning.lesson import Lesson
from tasks.learning.ragged import PAD
from tasks.learning.weights import load_weights, read_state_dict
from tasks.text.encoder import Encoder
from tasks.text.member import Member, Reader
from tasks.text.pretrain import LANGUAGE
from tasks.text.tokens import read_vocabulary

ENCODER = "encoder."
TABLE, BIAS = f"{ENCODER}vectors.table.weight", "output.bias"
# The places of a batch are padded to a multiple of this number before the product with the table of word vectors.
# For each number of rows that oneDNN has seen, it keeps about 20 MB with a table of 20,000 words: 15 GB in some epochs.
ROWS = 512


class LanguageModel(nn.Module):
    """Word numbers (batch, longest) to logits (places, words) of the next word, at each place that has a next word.

    The table of word vectors is also the output layer (Press and Wolf 2017, "Using the Output
    Embedding to Improve Language Models").
    """

    def __init__(self, reader: Reader, n_words: int) -> None:
        super().__init__()
        self.encoder = Encoder(reader, n_words)
        self.output = Output(n_words)

    def forward(self, words: Tensor) -> Tensor:
        """Return logits."""
        states = self.encoder(words[:, :-1])[words[:, 1:] != PAD]
        padded = F.pad(states, (0, 0, 0, -len(states) % ROWS))
        return self.output(padded, self.encoder.vectors.table.weight)[: len(states)]

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return output layer with word vectors, which are its table, then LSTMs from the last to the first."""
        return [[self.output, self.encoder.vectors], *[[layer] for layer in reversed(self.encoder.layers)]]


class Output(nn.Module):
    """States (places, size) and a table of word vectors (words, size) to logits (places, words)."""

    def __init__(self, n_words: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_words))

    def forward(self, states: Tensor, table: Tensor) -> Tensor:
        """Return logits."""
        return F.linear(states, table, self.bias)


def list_next_words(words: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """Return the words that follow a word: (places) int64, in the order of the language model's logits."""
    following = words[:, 1:]
    return following[following != PAD]


@torch.no_grad()
def measure_perplexity(model: nn.Module, texts: Examples, lesson: Lesson) -> float:
    """Return the perplexity: e to the mean loss of the next words, as if the model chose among so many words."""
    loss, count = 0.0, 0
    model.eval()
    for words, _ in texts.batches(lesson.schedule.batch_size):
        moved = lesson.device.move(words)
        following = list_next_words(moved, moved, 0)
        loss += float(F.cross_entropy(model(moved).float(), following, reduction="sum"))
        count += len(following)
    return round(math.exp(loss / count), 3)


def save_language(folder: Path, model: LanguageModel) -> None:
    """Write the language model's state_dict."""
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    (folder / LANGUAGE).write_bytes(save_to_bytes(weights))


def load_language(model: LanguageModel, folder: Path, words: Sequence[str]) -> None:
    """Load the general language model in `folder` for the vocabulary `words`.

    Words are matched by name; an unknown one gets the mean vector and the mean bias (Howard and Ruder 2018). Raises
    UserError when the model has other sizes, its two files do not match, or it knows none of the words.
    """
    numbers, weights = match_words(folder, words), read_state_dict(folder / LANGUAGE)
    n_words = len(read_vocabulary(folder))
    if TABLE in weights and len(weights[TABLE]) != n_words:
        raise UserError(
            f"weights {folder}: vocabulary.json has {n_words} words and language.pt {len(weights[TABLE])} word "
            "vectors: copy both files from the same language model"
        )
    moved = {name: _follow_words(weights[name], numbers) for name in (TABLE, BIAS) if name in weights}
    source = f"of the language model {folder}, whose embedding, width and layers must equal those of pretrain,"
    load_weights(model, weights | moved, source=source, head=())


def match_words(folder: Path, words: Sequence[str]) -> Tensor:
    """Return the number that each word has in the language model in `folder`, (words) int64; -1: unknown to it."""
    number_of = {word: number for number, word in enumerate(read_vocabulary(folder))}
    numbers = torch.tensor([number_of.get(word, -1) for word in words])
    if not (numbers[PAD + 1 :] >= 0).any():
        raise UserError(
            f"weights {folder}: none of its {len(number_of)} words is among the {len(words)} words of these texts: set "
            "weights of pretrain to a language model of texts that were tokenised in the same way, or to none"
        )
    return numbers


def _follow_words(rows: Tensor, numbers: Tensor) -> Tensor:
    """Return the rows with these numbers, and the mean of all rows for each number below 0."""
    known = (numbers >= 0).view(-1, *[1] * (rows.ndim - 1))
    return rows[numbers.clamp(min=0)].where(known, rows.mean(0))


def read_encoder(language: Path) -> dict[str, Tensor]:
    """Return the encoder's state_dict from the folder of a language model."""
    weights = read_state_dict(language / LANGUAGE)
    return {name.removeprefix(ENCODER): value for name, value in weights.items() if name.startswith(ENCODER)}


def load_encoder(network: nn.Module, member: Member, language: Path | None) -> None:
    """Load the encoder of a language model's folder into a network. Raises UserError when it has no such encoder."""
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, Encoder):
        member.refuse("weights", fix="it has no language model's encoder; set weights to none")
    if language is None:
        raise UserError(
            "weights is pretrained, which needs the round's language model, and there is none: "
            "pass `language` to this stage in the flow, or set weights to none"
        )
    weights = read_encoder(language)
    load_weights(encoder, weights, source=f"of the language model ({language.name})", head=())
