"""What the exported model sees in picture files."""

from pathlib import Path

from tasks.learning.answers import Answer, ask_model


def predict_files(model: Path, files: list[Path], *, top: int) -> list[Answer]:
    """Return the `top` classes of each picture file, and of each file in a folder, by the TorchScript file `model`.

    Raises UserError when the model or a file cannot be read.
    """
    import numpy as np
    import torch

    from tasks.images.decode import read_picture
    from tasks.learning.export import load_script

    script = load_script(model)
    answers = []
    for file in list_pictures(files):
        pixels = torch.from_numpy(np.array(read_picture(file)))
        answers.append(ask_model(script, file, pixels.permute(2, 0, 1)[None], top=top))
    return answers


def list_pictures(files: list[Path]) -> list[Path]:
    """Return the files, each folder replaced by all files below it but hidden ones, in order."""
    found: list[Path] = []
    for file in files:
        below = [path for path in sorted(file.rglob("*")) if path.is_file() and not path.name.startswith(".")]
        found += below if file.is_dir() else [file]
    return found
