"""Small pictures of three classes that a network learns in seconds, in the folders that stages read."""

from pathlib import Path

import numpy as np

from tasks.images.member import Member
from tasks.images.sections import Size
from tests.tasks.images.recipe import make_member
from tests.tasks.learning.toys import Toy, write_toy_classes, write_toy_folds

N_CLASSES, N_PICTURES = 3, 60
GENTLE = {
    "network": "cnnnet",
    "width": 4,
    "dropout": 0.0,
    "mixup_alpha": 0.2,
    "ema_decay": 0.8,
    "crop_scale": 0.8,
    "rotation_deg": 5.0,
    "rand_augment_ops": 0,
    "erase_share": 0.0,
    "test_flip": True,
}


def make_learner(**values: object) -> Member:
    """Return a small member with gentle augmentation, and some values changed."""
    return make_member(**{**GENTLE, **values})


def make_size(pixels: int, **values: object) -> Size:
    """Return a toy size with some values changed."""
    plain = {"pixels": pixels, "epochs": 3, "batch_size": 12, "strength": 0.5}
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
