"""The encoder that a language model and a classifier share: word vectors under a stack of LSTMs."""

from torch import Tensor, nn

from tasks.text.layers import LockedDropout, WordVectors
from tasks.text.member import Reader

OWN_WIDTH, OWN_EMBEDDING, OWN_LAYERS = 400, 300, 2


class Encoder(nn.Module):
    """Word numbers (batch, longest) to states (batch, longest, embedding), each computed from the words up to it.

    After Merity et al. 2018, "Regularizing and Optimizing LSTM Language Models" (AWD-LSTM). The last layer is as wide
    as a word vector, so that input and output of a language model share a table. Dropout between layers drops the
    same units in all words of a text. The paper's dropout of recurrent weights is missing, because torch could then
    not run a layer as a single operation.
    """

    def __init__(self, reader: Reader, n_words: int) -> None:
        super().__init__()
        self.size, width = reader.embedding or OWN_EMBEDDING, reader.width or OWN_WIDTH
        count = reader.layers or OWN_LAYERS
        widths = [self.size] + [width] * (count - 1) + [self.size]
        self.vectors = WordVectors(n_words, self.size, dropout=reader.embedding_dropout)
        self.layers = nn.ModuleList(nn.LSTM(widths[n], widths[n + 1], batch_first=True) for n in range(count))
        self.dropout = LockedDropout(reader.dropout)

    def forward(self, words: Tensor) -> Tensor:
        """Return states."""
        states = self.vectors(words)
        for layer in self.layers:
            states = self.dropout(layer(states)[0])
        return states
