"""What the exported model hears in sound files."""

from pathlib import Path

from tasks.learning.answers import Answer, ask_model


def predict_files(model: Path, files: list[Path], *, top: int) -> list[Answer]:
    """Return the `top` classes of each sound file, by the TorchScript file `model`.

    Raises UserError when the model or a file cannot be read.
    """
    import torch

    from tasks.audio.decode import read_clip
    from tasks.audio.sections import Waveform
    from tasks.learning.export import load_script

    script = load_script(model)
    waveform = Waveform(sample_rate_hz=script.sample_rate_hz, clip_s=script.n_samples / script.sample_rate_hz)
    return [ask_model(script, file, torch.from_numpy(read_clip(file, waveform))[None], top=top) for file in files]
