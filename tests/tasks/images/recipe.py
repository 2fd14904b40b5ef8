"""A picture member's settings, and batches to try them on."""

import torch
from torch import Tensor

from tasks.images.member import Member

RECIPE = {
    "network": "cnnnet",
    "model": "",
    "width": 0,
    "weights": "none",
    "head_epochs": 0,
    "lr": "auto",
    "optimiser": "adamw",
    "weight_decay": 0.01,
    "dropout": 0.1,
    "label_smoothing": 0.05,
    "mixup_alpha": 0.0,
    "ema_decay": 0.9,
    "clip_norm": 5.0,
    "train_layers": "all",
    "rate_divisor": 3.0,
    "train_batch_norm": "with_layers",
    "patience": 0,
    "balance": "none",
    "seed": 7,
    "colour": "rgb",
    "sizes": "all",
    "cycle": "each",
    "flip_share": 0.5,
    "vertical_flip_share": 0.5,
    "crop_scale": 0.3,
    "rotation_deg": 20.0,
    "jitter": 0.4,
    "hue": 0.1,
    "rand_augment_ops": 2,
    "rand_augment_magnitude": 9.0,
    "erase_share": 0.5,
    "noise_std": 0.05,
    "cutmix_alpha": 0.0,
    "gradient_checkpointing": False,
    "test_flip": False,
}
PLAIN = {
    "flip_share": 0.0,
    "vertical_flip_share": 0.0,
    "crop_scale": 1.0,
    "rotation_deg": 0.0,
    "jitter": 0.0,
    "hue": 0.0,
    "rand_augment_ops": 0,
    "rand_augment_magnitude": 0.0,
    "erase_share": 0.0,
    "noise_std": 0.0,
}


def make_member(**values: object) -> Member:
    """Return the settings with some values changed."""
    return Member.model_validate(RECIPE | values)


def draw_pictures(count: int, height: int = 24, width: int = 24, seed: int = 0) -> Tensor:
    """Return noise (count, 3, height, width) of 256 levels in 0..1, channels last, as a batch comes from disk."""
    levels = torch.randint(0, 256, (count, height, width, 3), generator=seeded(seed))
    return (levels.float() / 255).permute(0, 3, 1, 2)


def seeded(seed: int = 0) -> torch.Generator:
    """Return a generator on the cpu."""
    return torch.Generator().manual_seed(seed)
