"""The language model's product with the table of word vectors."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from tasks.learning.ragged import PAD
from tasks.text.language import ROWS, LanguageModel
from tests.tasks.text.toys import make_reader

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
            expected = model.encoder(words[:, :-1])[words[:, 1:] != PAD] @ table.T + model.bias
        assert logits.shape == expected.shape
        torch.testing.assert_close(logits, expected)
    assert counted.rows == [ROWS] * 3
