"""Word vectors from a GloVe or fastText text file, from which a network's word embeddings start."""

from __future__ import annotations

import io
import ssl
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from tasks.errors import UserError
from tasks.learning.ragged import PAD
from tasks.text.layers import WordVectors
from tasks.text.member import Member
from tasks.text.tokens import read_vocabulary

FIX = "set vectors to an unpacked GloVe or fastText text file (a word and its numbers a line), or to none"


@dataclass(frozen=True)
class KnownVectors:
    """The words of a vocabulary that a file knows: their `numbers` (known) int64, and their `vectors` (known, size)."""

    numbers: Tensor
    vectors: Tensor


def load_vectors(network: nn.Module, member: Member, tokens: Path) -> str:
    """Start the network's word embeddings from the file that `member.vectors` names; return how many words it knows.

    The other words keep their random vectors. Raises UserError when the network has no word embeddings, they have
    another size, or the file is none of word vectors.
    """
    tables = [layer.table for layer in network.modules() if isinstance(layer, WordVectors)]
    if not tables:
        member.refuse("vectors", fix="it has no word embeddings; set vectors to none")
    words = read_vocabulary(tokens)
    known = read_vectors(Path(member.vectors), words)
    size = known.vectors.size(1)
    with torch.no_grad():
        for table in tables:
            if table.embedding_dim != size:
                raise UserError(
                    f"vectors {member.vectors} has {size} numbers per word, and the embeddings of {member.network} "
                    f"{table.embedding_dim}: set embedding to {size}"
                )
            table.weight[known.numbers] = known.vectors
    return f"{len(known.numbers)} of {len(words) - PAD - 1} words have a vector in {Path(member.vectors).name}"


def read_vectors(path: Path, words: Sequence[str]) -> KnownVectors:
    """Return the vectors of the vocabulary's `words` in a GloVe or fastText text file, read by torchtext.

    A word that the file lacks gets the vector of its lower case. Raises UserError when the file is missing, is no text
    file of word vectors, or knows none of the words.
    """
    candidates = {number: (word, word.lower()) for number, word in enumerate(words) if number > PAD}
    wanted = {word.encode() for pair in candidates.values() for word in pair}
    with TemporaryDirectory() as folder:
        chosen = Path(folder, "vectors.txt")
        if not _copy_lines(path, wanted, chosen):
            raise UserError(
                f"vectors {path}: no line begins with one of the {len(candidates)} words of these texts: {FIX}"
            )
        number_of, vectors = _read_by_torchtext(chosen, path)
    rows = {number: number_of.get(word, number_of.get(lower, -1)) for number, (word, lower) in candidates.items()}
    known = {number: row for number, row in rows.items() if row >= 0}
    return KnownVectors(torch.tensor(list(known)), vectors[list(known.values())])


def _copy_lines(path: Path, wanted: Collection[bytes], target: Path) -> int:
    """Copy the lines that begin with a wanted word; return their number.

    torchtext would keep all vectors of the file: 28 s and 0.8 GB for 400,000 of 100 numbers, instead of 2 s.
    """
    count = 0
    try:
        with path.open("rb") as lines, target.open("wb") as copy:
            for line in lines:
                if line.partition(b" ")[0] in wanted:
                    count += 1
                    copy.write(line)
    except OSError as error:
        raise UserError(f"vectors {path}: cannot be read ({error.strerror}): {FIX}") from error
    return count


def _read_by_torchtext(chosen: Path, path: Path) -> tuple[dict[str, int], Tensor]:
    """Return the row of each word in `chosen`, some lines of `path`, and the vectors (rows, size)."""
    from torchtext.vocab import Vectors

    try:
        with _keep_certificates(), redirect_stderr(io.StringIO()):  # it draws a progress bar
            read = Vectors(str(chosen), cache=str(chosen.parent))
    except TypeError as error:  # from torch.zeros, which torchtext gives the length of the first line of three numbers
        raise UserError(f"vectors {path}: no word of these texts has three numbers or more: {FIX}") from error
    except (RuntimeError, ValueError) as error:
        raise UserError(f"vectors {path}: the file holds no word vectors ({error}): {FIX}") from error
    if not read.vectors.isfinite().all():
        raise UserError(f"vectors {path}: some of its numbers are not finite: {FIX}")
    return read.stoi, read.vectors


@contextmanager
def _keep_certificates() -> Iterator[None]:
    """Undo what torchtext does before it looks for the file: it has all of Python accept any server's certificate."""
    create = ssl._create_default_https_context
    try:
        yield
    finally:
        ssl._create_default_https_context = create
