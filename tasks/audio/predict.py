"""What the exported model hears in sound files."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Heard:
    """A file's most probable classes, the most probable first."""

    file: Path
    classes: tuple[tuple[str, float], ...]


def predict_files(model: Path, files: list[Path], *, top: int) -> list[Heard]:
    """Return the `top` classes of each sound file, by the TorchScript file `model`.

    Raises UserError when the model or a file cannot be read.
    """
    import torch

    from tasks.audio.decode import read_clip
    from tasks.audio.sections import Waveform
    from tasks.learning.export import load_script

    script = load_script(model)
    waveform = Waveform(sample_rate_hz=script.sample_rate_hz, clip_s=script.n_samples / script.sample_rate_hz)
    heard = []
    for file in files:
        clip = torch.from_numpy(read_clip(file, waveform)).unsqueeze(0)
        with torch.inference_mode():
            best = script(clip)[0].topk(min(top, len(script.labels)))
        names = [script.labels[index] for index in best.indices.tolist()]
        heard.append(Heard(file, tuple(zip(names, best.values.tolist(), strict=True))))
    return heard
