"""A local Hugging Face folder: its required files, its tokenizer and its network. Nothing is ever downloaded."""

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
FIX = (
    "set weights to the path of a local Hugging Face folder (config.json, tokenizer.json, model.safetensors); "
    "nothing is downloaded here, so get the folder beforehand: "
    "`hf download distilbert/distilbert-base-uncased --local-dir FOLDER`"
)
# No address is followed and no code of the folder is run; of pickled weights only tensors are read.
LOCAL = {"local_files_only": True, "trust_remote_code": False}

Result = TypeVar("Result")


def find_fault(folder: str) -> str:
    """Return why a folder cannot be a model's, and how to get one; empty if it has all required files."""
    path = Path(folder)
    if not path.is_dir():
        return f"{folder}: there is no such folder; {FIX}"
    lacking = [what for what, names in NEEDED.items() if not any((path / name).is_file() for name in names)]
    return f"{folder} lacks {', '.join(lacking)}; {FIX}" if lacking else ""


def open_tokenizer(folder: str) -> Any:
    """Return the folder's tokenizer. Raises UserError when it cannot be read, or is another model's."""
    from transformers import AutoConfig, AutoTokenizer

    config = _read(folder, lambda: AutoConfig.from_pretrained(folder, **LOCAL))
    tokenizer = _read(folder, lambda: AutoTokenizer.from_pretrained(folder, **LOCAL))
    if len(tokenizer) > config.vocab_size:
        raise UserError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens, the network {config.vocab_size}: they belong to "
            f"different models; {FIX}"
        )
    return tokenizer


def open_body(folder: str) -> Any:
    """Return the folder's network without a head, its weights in float32.

    Raises UserError when it cannot be read, lacks weights, or the network generates texts.
    """
    import torch
    from transformers import AutoModel

    options = {**LOCAL, "weights_only": True, "dtype": torch.float32, "output_loading_info": True}
    body, loading = _read(folder, lambda: AutoModel.from_pretrained(folder, **options))
    if body.config.is_encoder_decoder:
        raise UserError(
            f"{folder}: {body.config.model_type} generates texts; use a model that only encodes them; {FIX}"
        )
    # The pooler belongs to a head, and many models are published without it.
    if missing := sorted(name for name in loading["missing_keys"] if "pooler" not in name):
        raise UserError(
            f"{folder}: the weights lack {len(missing)} tensors of the network, such as {missing[0]}; {FIX}"
        )
    return body


def _read(folder: str, read: Callable[[], Result]) -> Result:
    """Return what `read` returns, run silently and offline. Raises UserError when it fails."""
    try:
        with _stay_offline():
            return read()
    except Exception as error:  # the errors of tokenizers and safetensors have no closer base class
        message = " ".join(str(error).split())[:300]
        raise UserError(f"{folder} cannot be read ({type(error).__name__}: {message}); {FIX}") from error


@contextmanager
def _stay_offline() -> Iterator[None]:
    """Make the library refuse every request and log nothing, as HF_HUB_OFFLINE=1 does from a process's start.

    Even with `local_files_only` its hub client may send a request of its own, once per process.
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
