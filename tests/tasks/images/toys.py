"""Small pictures of three classes that a network learns in seconds, in the folders that the stages hand on."""

from pathlib import Path

import numpy as np

from tasks.images.member import Member
from tasks.images.sections import Size
from tests.tasks.learning.toys import Toy, write_toy_classes, write_toy_folds

N_CLASSES, N_PICTURES = 3, 60
RECIPE = {
    "network": "simplenet",
    "colour": "rgb",
    "sizes": "all",
    "width": 0,
    "weights": "none",
    "head_epochs": 0,
    "weight_decay": 0.01,
    "dropout": 0.0,
    "label_smoothing": 0.0,
    "mixup_alpha": 0.2,
    "cutmix_alpha": 0.0,
    "ema_decay": 0.8,
    "clip_norm": 5.0,
    "train_batch_norm": False,
    "patience": 0,
    "seed": 3,
    "flip_share": 0.5,
    "vertical_flip_share": 0.0,
    "crop_scale": 0.8,
    "rotation_deg": 5.0,
    "jitter": 0.1,
    "hue": 0.0,
    "rand_augment_ops": 0,
    "rand_augment_magnitude": 9.0,
    "erase_share": 0.0,
    "noise_std": 0.0,
    "gradient_checkpointing": False,
    "test_flip": True,
}


def make_member(**values: object) -> Member:
    """Return the toy member with some values changed."""
    return Member.model_validate(RECIPE | values)


def make_size(pixels: int, **values: object) -> Size:
    """Return a toy size with some values changed."""
    plain = {"pixels": pixels, "epochs": 3, "batch_size": 12, "lr_scale": 1.0, "strength": 0.5}
    return Size.model_validate(plain | values)


def make_pictures(root: Path, sizes: tuple[int, ...] = (64, 72), *, mode: str = "holdout") -> Toy:
    """Write sixty pictures at each size, each class with a brighter row of blocks at a height of its own."""
    toy, rng = Toy(root), np.random.default_rng(0)
    labels = np.arange(N_PICTURES) % N_CLASSES
    small = rng.integers(0, 120, (N_PICTURES, 8, 8, 3))
    for picture, label in zip(small, labels, strict=True):
        picture[2 * label + 1 : 2 * label + 3, 1:7] += 120
    for pixels in sizes:
        factor = pixels // 8
        large = small.repeat(factor, axis=1).repeat(factor, axis=2).astype(np.uint8)
        np.save(toy.folder(f"px{pixels}") / "features.npy", large)
    write_toy_folds(toy, labels, mode)
    write_toy_classes(toy)
    rows = "".join(f"{n},{n}.png\n" for n in range(N_PICTURES))
    (toy.folder("examples") / "examples.csv").write_text("example,file\n" + rows)
    return toy
