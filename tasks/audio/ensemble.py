"""The ensemble of sounds."""

from typing import ClassVar

from tasks.learning.ensemble import Ensemble


class SoundEnsemble(Ensemble):
    """How the members' probabilities are combined."""

    script: ClassVar[str] = "tasks.audio.script"
