"""The ensemble of texts."""

from typing import ClassVar

from tasks.learning.ensemble import Ensemble


class TextEnsemble(Ensemble):
    """How the members' probabilities are combined."""

    script: ClassVar[str] = "tasks.text.script"
