"""A local Hugging Face folder: what must stand in it, its tokenizer and its network. Nothing is ever fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tasks.errors import UserError

NEEDED = {
    "config.json": ("config.json",),
    "a tokenizer": ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model"),
    "weights": (
        *("model.safetensors", "model.safetensors.index.json"),
        *("pytorch_model.bin", "pytorch_model.bin.index.json"),
    ),
}
MEND = (
    "weights of a transformer is the path of a local Hugging Face folder (config.json, tokenizer.json, "
    "model.safetensors), and nothing is fetched here; get one where there is a network: "
    "`hf download distilbert/distilbert-base-uncased --local-dir FOLDER`"
)
# Neither an address nor code of the folder's own is ever followed, and of pickled weights tensors alone are read.
LOCAL = {"local_files_only": True, "trust_remote_code": False}

Result = TypeVar("Result")


def find_fault(folder: str) -> str:
    """Return why a folder cannot be a model's, and how to get one; empty when all that is needed stands there."""
    path = Path(folder)
    if not path.is_dir():
        return f"{folder}: no such folder; {MEND}"
    lacking = [what for what, names in NEEDED.items() if not any((path / name).is_file() for name in names)]
    return f"{folder} lacks {', '.join(lacking)}; {MEND}" if lacking else ""


def open_tokenizer(folder: str) -> Any:
    """Return the folder's tokenizer. Raises UserError when it cannot be read, or is another model's."""
    from transformers import AutoConfig, AutoTokenizer

    config = _read(folder, lambda: AutoConfig.from_pretrained(folder, **LOCAL))
    tokenizer = _read(folder, lambda: AutoTokenizer.from_pretrained(folder, **LOCAL))
    if len(tokenizer) > config.vocab_size:
        raise UserError(
            f"{folder}: its tokenizer has {len(tokenizer)} tokens, its network knows {config.vocab_size}: they are of "
            f"different models; {MEND}"
        )
    return tokenizer


def open_body(folder: str) -> Any:
    """Return the folder's network without a head, its weights in float32.

    Raises UserError when it cannot be read, lacks weights, or is none that reads a text as it is.
    """
    import torch
    from transformers import AutoModel

    options = {**LOCAL, "weights_only": True, "dtype": torch.float32, "output_loading_info": True}
    body, told = _read(folder, lambda: AutoModel.from_pretrained(folder, **options))
    if body.config.is_encoder_decoder:
        raise UserError(f"{folder}: {body.config.model_type} writes texts; take a model that only reads them; {MEND}")
    # The pooler belongs to a head, and many models are published without.
    if missing := sorted(name for name in told["missing_keys"] if "pooler" not in name):
        raise UserError(f"{folder}: its weights lack {len(missing)} of its network's, such as {missing[0]}; {MEND}")
    return body


def _read(folder: str, read: Callable[[], Result]) -> Result:
    """Return what the library reads of a folder, in silence and offline. Raises UserError when it cannot."""
    try:
        with _stay_offline():
            return read()
    except Exception as error:  # those of the tokenizers and of safetensors have no closer base
        told = " ".join(str(error).split())[:300]
        raise UserError(f"{folder} cannot be read ({type(error).__name__}: {told}); {MEND}") from error


@contextmanager
def _stay_offline() -> Iterator[None]:
    """Have the library refuse every request, and tell nothing, as HF_HUB_OFFLINE=1 does from a process's start.

    Though told to stay with local files, its hub client may send a request of its own, once a process.
    """
    from huggingface_hub import constants
    from transformers.utils import logging

    was, verbosity, shows = constants.HF_HUB_OFFLINE, logging.get_verbosity(), logging.is_progress_bar_enabled()
    constants.HF_HUB_OFFLINE = True
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = was
        logging.set_verbosity(verbosity)
        if shows:
            logging.enable_progress_bar()
