"""A member that makes no sense is refused, with the mend; every network reads texts, and padding never reaches it."""

import re
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from tasks.errors import UserError
from tasks.learning.networks import build_network
from tasks.learning.recipe import list_networks
from tests.tasks.text.toys import N_WORDS, make_reader

NETWORKS = list_networks("text")
TEXTS = [[2], [5, 5, 5], [3, 4, 0, 9, 11, 2, 2], [0], [6, 7, 8, 9], [2, 3] * 6]


def build(network: str, **values: object) -> nn.Module:
    torch.manual_seed(0)
    built = build_network(make_reader(network, **values), 3, (N_WORDS,)).eval()
    with torch.no_grad():
        for value in built.state_dict().values():
            if value.is_floating_point() and not value.any():
                value.normal_()  # what begins as zeros would hide a difference
        for name, value in built.named_parameters():
            if name.endswith("table.weight"):
                value[1].zero_()
    return built


def pad(texts: list[list[int]], longest: int = 0) -> Tensor:
    longest = max(longest, *(len(text) for text in texts))
    return torch.tensor([text + [1] * (longest - len(text)) for text in texts])


@pytest.mark.parametrize("network", NETWORKS)
def test_a_text_gets_the_same_logits_alone_and_in_a_padded_batch(network: str) -> None:
    built = build(network)
    with torch.inference_mode():
        together, wider = built(pad(TEXTS)), built(pad(TEXTS, 40))
        alone = torch.cat([built(pad([text])) for text in TEXTS])
    assert together.shape == (len(TEXTS), 3)
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(wider, together, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_padding_gets_no_gradient_from_a_text(network: str) -> None:
    built = build(network, dropout=0.0, embedding_dropout=0.0)
    gradients = []
    for longest in (0, 30):
        built.zero_grad()
        built(pad(TEXTS, longest)).square().sum().backward()
        gradients.append([p.grad.clone() for p in built.parameters()])
    for narrow, wide in zip(*gradients, strict=True):
        torch.testing.assert_close(narrow, wide, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_order_of_words_counts_and_what_stands_in_the_text_too(network: str) -> None:
    built = build(network)
    with torch.inference_mode():
        logits = built(torch.tensor([[6, 7, 8, 9], [6, 8, 7, 9], [6, 7, 8, 2]]))
    assert (logits[0] - logits[1]).abs().max() > 1e-5
    assert (logits[0] - logits[2]).abs().max() > 1e-5


@pytest.mark.parametrize("network", NETWORKS)
def test_a_text_without_words_has_a_finite_answer(network: str) -> None:
    with torch.inference_mode():
        assert build(network)(pad([[]], 1)).isfinite().all()
        assert build(network)(pad([[], [2, 3]])).isfinite().all()


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_can_be_scripted_for_any_batch(network: str) -> None:
    built = build(network)
    script = torch.jit.script(built)
    with torch.inference_mode():
        for texts in (TEXTS, TEXTS[:1], TEXTS[3:5]):
            torch.testing.assert_close(script(pad(texts)), built(pad(texts)), atol=1e-6, rtol=1e-5)


def test_the_book_s_lstm_has_the_book_s_parameters() -> None:
    with torch.device("meta"):
        built = build_network(make_reader(width=0, embedding=0), 2, (20_002,))
    second_bias = 4 * 100  # the book's count has one bias a gate, torch's LSTM two
    assert sum(p.numel() for p in built.parameters()) == 6_000_600 + 160_400 + 202 + second_bias


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"network": "lstn"}, "there is no network 'lstn'; tasks/text/members has "),
        ({"mixup_alpha": 0.2}, "mixup_alpha"),
        ({"train_batch_norm": True}, "train_batch_norm"),
        ({"unfreeze_epochs": 1}, "unfreeze_epochs is 1 and head_epochs 0"),
        ({"head_epochs": 2}, "must be 0 with weights none"),
        ({"word_dropout": 1.0}, "word_dropout"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_param_that_makes_no_sense_is_refused_by_name(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        make_reader(**{"network": "lstm", **values})


@pytest.mark.parametrize(
    ("network", "values", "message"),
    [
        ("cnn", {"layers": 2}, "cnn cannot use layers 2: set layers to 0"),
        ("lstm", {"weights": "gone.pt"}, "gone.pt: there is no such file"),
    ],
)
def test_a_network_refuses_what_it_cannot_use(network: str, values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        build_network(make_reader(network, **values), 3, (N_WORDS,))


def test_a_vocabulary_that_does_not_fit_the_weights_is_named(tmp_path: Path) -> None:
    torch.save(build_network(make_reader(), 3, (N_WORDS + 5,)).state_dict(), tmp_path / "given.pt")
    with pytest.raises(UserError, match=re.escape("vectors.table.weight (17, 6) instead of (12, 6)")):
        build_network(make_reader(weights=str(tmp_path / "given.pt")), 3, (N_WORDS,))
