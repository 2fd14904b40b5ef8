"""The book's network for raw waveforms, after "Very Deep Convolutional Networks for Raw Waveforms" (Dai 2016)."""

from torch import Tensor, nn

from tasks.audio.member import Member
from tasks.errors import UserError
from tasks.learning.layers import Normalise
from tasks.learning.weights import start_from

OWN_WIDTH = 128
HEAD = ("head.",)
SHORTEST_SAMPLES = 1772  # shorter clips have no frame left after four convolutions and four poolings


def build(member: Member, n_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """Make the network for waveforms of `input_shape` (samples,)."""
    member.require(features="waveform")
    if input_shape[0] < SHORTEST_SAMPLES:
        raise UserError(
            f"audionet needs clips of {SHORTEST_SAMPLES} samples or more, not {input_shape[0]}: "
            "raise waveform.clip_s or waveform.sample_rate_hz"
        )
    network = AudioNet(n_classes, width=member.width or OWN_WIDTH, dropout=member.dropout)
    start_from(network, member.weights, head=HEAD)
    return network


class AudioNet(nn.Module):
    """Four one-dimensional convolutions, pooled over time (the book's chapter 6, with as many outputs as classes).

    Waveforms (batch, samples) to logits (batch, classes). The loss applies the only log-softmax.
    """

    def __init__(self, n_classes: int, *, width: int, dropout: float) -> None:
        super().__init__()
        self.normalise = Normalise(1)
        self.layers = nn.Sequential(
            _make_layer(1, width, kernel=80, stride=4),
            _make_layer(width, width, kernel=3, stride=1),
            _make_layer(width, 2 * width, kernel=3, stride=1),
            _make_layer(2 * width, 4 * width, kernel=3, stride=1),
        )
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(4 * width, n_classes))

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return logits (batch, classes)."""
        return self.head(self.layers(self.normalise(waveforms).unsqueeze(1)).mean(2))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return the head, the last layer, the last layer but one, and the rest."""
        return [[self.head], [self.layers[3]], [self.layers[2]], [self.layers[0], self.layers[1]]]


def _make_layer(inputs: int, outputs: int, *, kernel: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, kernel, stride, bias=False), nn.BatchNorm1d(outputs), nn.ReLU(), nn.MaxPool1d(4)
    )
