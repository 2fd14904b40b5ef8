"""Pictures and sounds as data URLs."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUALITY = 85
# Enough to recognise a clip; five seconds take about 20 kB.
SOUND_HZ = 22_050


def embed_picture(pixels: NDArray[np.uint8]) -> str:
    """Return a picture (height, width, 3) as a data URL."""
    from PIL import Image

    return _embed_image(Image.fromarray(pixels))


def embed_drawing(path: Path) -> str:
    """Return a picture file as a data URL; for drawings, a tenth of the size of PNG."""
    from PIL import Image

    with Image.open(path) as opened:
        return _embed_image(opened.convert("RGB"))


def embed_sound(sound: Path | BytesIO, clip_s: float) -> str:
    """Return the first seconds of a sound file as a data URL, mono."""
    import soundfile

    from tasks.audio.decode import read_mono

    file = BytesIO()
    soundfile.write(file, read_mono(sound, SOUND_HZ, clip_s)[: round(clip_s * SOUND_HZ)], SOUND_HZ, format="MP3")
    return _embed("audio/mpeg", file.getvalue())


def _embed_image(image: object) -> str:
    file = BytesIO()
    image.save(file, "WEBP", quality=QUALITY)  # type: ignore[attr-defined]
    return _embed("image/webp", file.getvalue())


def _embed(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
