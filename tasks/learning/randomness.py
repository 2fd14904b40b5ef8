"""Random numbers that depend only on their seed."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(*keys: int | str) -> int:
    """Return a seed below 2**63 for a purpose, such as (member's seed, fold, "epoch", 3)."""
    digest = hashlib.sha256(repr(keys).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def make_generator(device: torch.device, *keys: int | str) -> torch.Generator:
    """Return a generator on `device` that starts from the seed of `keys`."""
    return torch.Generator(device).manual_seed(derive_seed(*keys))


@contextmanager
def isolate_randomness(device: torch.device, *keys: int | str) -> Iterator[None]:
    """Seed torch's global generators inside the block, and restore their state after it.

    Initial weights, dropout and torchaudio's masks use the global generators and accept no other.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed(*keys))
        yield
