"""Random numbers that depend on nothing but their seed."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(*parts: int | str) -> int:
    """Return a seed below 2**63 for a purpose, such as (member's seed, fold, "epoch", 3)."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def make_generator(device: torch.device, *parts: int | str) -> torch.Generator:
    """Return a generator on `device` that starts from the seed of `parts`."""
    return torch.Generator(device).manual_seed(derive_seed(*parts))


@contextmanager
def isolate_randomness(device: torch.device, *parts: int | str) -> Iterator[None]:
    """Seed torch's global generators inside the block, and leave them after it as they were before.

    Initial weights, dropout and torchaudio's masks draw from them; they take no generator of their own.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed(*parts))
        yield
