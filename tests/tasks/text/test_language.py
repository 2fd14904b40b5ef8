"""The language model's product with the table of word vectors, and where it starts from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from tasks.errors import UserError
from tasks.learning.optimiser import group_parameters
from tasks.learning.ragged import PAD
from tasks.text.language import BIAS, ROWS, TABLE, LanguageModel, load_language, save_language
from tests.tasks.text.toys import make_pretrain, make_reader

N_WORDS = 12


class RowCounter(TorchFunctionMode):
    """Notes the number of rows of each product with a table."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.linear:
            self.rows.append(len(args[0]))
        return func(*args, **(kwargs or {}))


def test_all_numbers_of_places_share_one_size_of_the_product_and_have_the_same_logits() -> None:
    torch.manual_seed(0)
    model = LanguageModel(make_reader("ulmfit"), N_WORDS).eval()
    table, counted = model.encoder.vectors.table.weight, RowCounter()
    for length in (3, 5, 8):
        words = torch.randint(PAD + 1, N_WORDS, (4, length))
        words[0, 2:] = PAD
        with torch.no_grad(), counted:
            logits = model(words)
        with torch.no_grad():
            expected = model.encoder(words[:, :-1])[words[:, 1:] != PAD] @ table.T + model.output.bias
        assert logits.shape == expected.shape
        torch.testing.assert_close(logits, expected)
    assert counted.rows == [ROWS] * 3


GENERAL = ["<unk>", "<pad>", "tea", "the", "sun"]


def write_general(folder: Path, words: list[str] = GENERAL, **values: object) -> LanguageModel:
    """Write the folder of a general language model with random weights."""
    torch.manual_seed(1)
    model = LanguageModel(make_pretrain(**values), len(words))
    torch.nn.init.normal_(model.output.bias)
    save_language(folder, model)
    (folder / "vocabulary.json").write_text(json.dumps(words))
    return model


def test_words_keep_their_vectors_by_name_and_new_words_get_the_mean(tmp_path: Path) -> None:
    general = write_general(tmp_path).state_dict()
    model = LanguageModel(make_pretrain(), 5)
    load_language(model, tmp_path, ["<unk>", "<pad>", "sun", "lol", "tea"])
    loaded = model.state_dict()
    for name in (TABLE, BIAS):
        assert torch.equal(loaded[name][[0, 1, 2, 4]], general[name][[0, 1, 4, 2]])
        assert torch.allclose(loaded[name][3], general[name].mean(0))
    assert not loaded[TABLE][PAD].any()
    assert all(torch.equal(loaded[name], general[name]) for name in loaded if name not in (TABLE, BIAS))


@pytest.mark.parametrize(
    ("words", "values", "message"),
    [
        (["<unk>", "<pad>", "soleil"], {}, "none of its 5 words is among the 3 words of these texts"),
        (GENERAL, {"width": 9}, r"embedding, width and layers must equal those of pretrain, are of another.*\(32, 6\)"),
        (GENERAL, {"layers": 3}, r"2 missing|4 missing \(encoder.layers.2"),
    ],
)
def test_a_general_model_that_does_not_fit_is_refused(
    tmp_path: Path, words: list[str], values: dict[str, object], message: str
) -> None:
    write_general(tmp_path)
    with pytest.raises(UserError, match=message):
        load_language(LanguageModel(make_pretrain(**values), len(words)), tmp_path, words)


def test_a_general_model_with_another_model_s_vocabulary_is_refused(tmp_path: Path) -> None:
    write_general(tmp_path)
    (tmp_path / "vocabulary.json").write_text(json.dumps([*GENERAL, "rain"]))
    with pytest.raises(UserError, match=r"vocabulary.json has 6 words and language.pt 5 word vectors: copy both files"):
        load_language(LanguageModel(make_pretrain(), 5), tmp_path, GENERAL)


@pytest.mark.parametrize(
    ("weights", "lacking"), [("pretrained", "language.pt and vocabulary.json"), ("{}", "language.pt")]
)
def test_weights_that_are_no_language_model_s_folder_are_refused(tmp_path: Path, weights: str, lacking: str) -> None:
    (tmp_path / "vocabulary.json").write_text("[]")
    with pytest.raises(ValidationError, match=f"lacks {lacking}: set weights of pretrain to none"):
        make_pretrain(weights=weights.format(tmp_path))


def test_fine_tuning_divides_the_rate_by_2_6_from_group_to_group(tmp_path: Path) -> None:
    model = write_general(tmp_path)
    for weights, divisor in (("none", 1.0), (str(tmp_path), 2.6)):
        rate_of = {
            id(p): group["lr"]
            for group in group_parameters(model, make_pretrain(weights=weights), 1.0)
            for p in group["params"]
        }
        groups = [model.output, model.encoder.vectors, model.encoder.layers[1], model.encoder.layers[0]]
        rates = [rate_of[id(p)] for layer in groups for p in layer.parameters()]
        assert rates == pytest.approx([1.0] * 2 + [1 / divisor] * 4 + [1 / divisor**2] * 4)
