"""Augmentation and back-translation reach the network in training, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.errors import UserError
from tasks.learning.checkpoints import save_to_bytes
from tasks.learning.ragged import PAD
from tasks.learning.weights import read_state_dict
from tasks.report import Silent
from tasks.tables import read_rows
from tasks.text.augment import Augment
from tasks.text.augment_batches import make_augment, pad_table, to_table
from tasks.text.sections import Tokens
from tasks.text.texts import read_texts
from tasks.text.tokens import open_tokens, read_vocabulary, tokenise
from tasks.text.translate import Translate, translate_texts
from tests.tasks.learning.toys import RecordingReport, Toy
from tests.tasks.text.test_tokens import PLAIN, stages
from tests.tasks.text.test_train import fit
from tests.tasks.text.test_translate import TURN, UPPER
from tests.tasks.text.toys import AS_THEY_ARE, N_WORDS, WORDS, make_texts

__all__ = ["stages"]
BATCH = torch.tensor([[2, 3, 4, 5], [6, 7, PAD, PAD], [8, PAD, PAD, PAD]])


def make(**values: object) -> Augment:
    return Augment.model_validate(AS_THEY_ARE.model_dump() | {"altered_share": 1.0} | values)


def augment_batch(augment: Augment, folder: Path, language: Path | None = None) -> torch.Tensor:
    augment_words = make_augment(augment, folder, language)
    assert augment_words is not None
    return augment_words(BATCH, torch.Generator().manual_seed(1))


def write_language(folder: Path) -> Path:
    """Write word vectors by which `good` and `bad` (5, 6), and `sun` and `rain` (9, 10), are nearest."""
    vectors = torch.eye(N_WORDS)
    vectors[6] = vectors[5] + 0.1 * vectors[6]
    vectors[10] = vectors[9] + 0.1 * vectors[10]
    (folder / "language.pt").write_bytes(save_to_bytes({"encoder.vectors.table.weight": vectors}))
    return folder


def test_a_padded_batch_comes_back_as_it_was() -> None:
    assert torch.equal(pad_table(to_table(BATCH)), BATCH)


def test_what_asks_for_nothing_changes_nothing(tmp_path: Path) -> None:
    assert make_augment(AS_THEY_ARE, tmp_path, None) is None
    assert make_augment(make(), tmp_path, None) is None
    assert make_augment(make(delete_share=0.5, altered_share=0.0), tmp_path, None) is None


def test_a_batch_is_augmented_anew_each_time_and_the_same_for_a_seed(tmp_path: Path) -> None:
    augment_words = make_augment(make(delete_share=0.5), tmp_path, None)
    assert augment_words is not None
    before, generator = BATCH.clone(), torch.Generator().manual_seed(1)
    first, second = (augment_words(BATCH, generator) for _ in range(2))
    assert torch.equal(BATCH, before)
    assert not torch.equal(first, second)
    assert torch.equal(first, augment_words(BATCH, torch.Generator().manual_seed(1)))


def test_the_language_model_s_nearest_words_stand_in(tmp_path: Path) -> None:
    section = make(replace_share=1.0, synonyms="vectors", least_cosine=0.9)
    augmented = augment_batch(section, tmp_path, write_language(tmp_path))
    assert augmented.tolist() == [[2, 3, 4, 6], [5, 7, PAD, PAD], [8, PAD, PAD, PAD]]
    with pytest.raises(UserError, match="needs the round's language model"):
        make_augment(section, tmp_path, None)


def test_the_list_s_words_stand_in_and_the_list_is_an_input(tmp_path: Path) -> None:
    toy, path = make_texts(tmp_path), tmp_path / "list.txt"
    path.write_text("good, tea\nrain, snow\n")
    section = make(replace_share=1.0, synonyms=str(path))
    assert section.files() == (str(path),)
    augmented = augment_batch(section, toy.folder("tokens"))
    assert augmented[0].tolist() == [2, 3, 4, WORDS.index("tea")]


def test_training_texts_are_altered(tmp_path: Path) -> None:
    plain, altered = Toy(tmp_path / "plain"), Toy(tmp_path / "altered")
    weights = []
    for toy, section in ((plain, AS_THEY_ARE), (altered, make(delete_share=0.5))):
        make_texts(toy.root)
        weights.append(read_state_dict(fit(toy, augment=section, report=RecordingReport()) / "state_dict.pt"))
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_translated_copies_train_beside_their_texts(stages: tuple[Path, Path], tmp_path: Path) -> None:
    tweets, folds = stages
    places = {name: tmp_path / name for name in ("translated", "kept", "tokens", "plain")}
    for place in places.values():
        place.mkdir()
    # There and back by capitals and backwards, so that a copy is known when it is seen.
    section = Translate(translated_share=0.25, there=UPPER, back=TURN, timeout_s=20, seed=1)
    out = {"out": places["translated"], "report": Silent(), "checkpoints": places["kept"]}
    translate_texts(tweets, folds, section, fold=4, **out)
    keys = Tokens.model_validate(PLAIN)
    tokenise(places["translated"], folds, keys, fold=4, out=places["tokens"], report=Silent())
    tokenise(tweets, folds, keys, fold=4, out=places["plain"], report=Silent())
    plain, copied = (read_texts(places[name], folds, 4) for name in ("plain", "tokens"))
    count, n_texts = round(0.25 * len(plain.train)), len(plain.train.labels)
    assert len(copied.train) == len(plain.train) + count
    assert torch.equal(copied.test.rows, plain.test.rows)
    assert plain.valid is not None and copied.valid is not None
    assert torch.equal(copied.valid.rows, plain.valid.rows)
    assert read_vocabulary(places["tokens"]) == read_vocabulary(places["plain"]), "copies are not counted"
    sources = np.load(places["tokens"] / "copies.npy")
    assert set(sources.tolist()) <= set(plain.train.rows.tolist())
    assert torch.equal(copied.train.labels[n_texts:], plain.train.labels[sources])
    texts = [row["text"] for row in read_rows(places["translated"] / "examples.csv")]
    assert all(texts[n_texts + n][::-1].lower() == texts[source].lower() for n, source in enumerate(sources.tolist()))
    table = open_tokens(places["tokens"])
    assert len(table) == n_texts + count


def test_commands_that_are_missing_are_named() -> None:
    with pytest.raises(ValueError, match=r"translated_share 0\.5 needs two commands"):
        Translate(translated_share=0.5, there="", back="", timeout_s=20, seed=1)
