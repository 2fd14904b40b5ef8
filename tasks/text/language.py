"""A language model: the encoder, with the table of word vectors as its output layer."""

import math
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

FILE = "encoder.pt"
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
        self.bias = nn.Parameter(torch.zeros(n_words))

    def forward(self, words: Tensor) -> Tensor:
        """Return logits."""
        states = self.encoder(words[:, :-1])[words[:, 1:] != PAD]
        padded = F.pad(states, (0, 0, 0, -len(states) % ROWS))
        return F.linear(padded, self.encoder.vectors.table.weight, self.bias)[: len(states)]


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


def save_encoder(folder: Path, model: LanguageModel) -> None:
    """Write the encoder's state_dict."""
    weights = {name: value.detach().cpu().contiguous() for name, value in model.encoder.state_dict().items()}
    (folder / FILE).write_bytes(save_to_bytes(weights))


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
    weights = read_state_dict(language / FILE)
    load_weights(encoder, weights, source=f"of the language model ({language.name})", head=())
