"""Which of the fitted networks make up the ensemble of pictures."""

from typing import ClassVar, Literal

from pydantic import Field

from tasks.learning.ensemble import Ensemble


class PictureEnsemble(Ensemble):
    """How the members' probabilities are put together, over the last size or over all."""

    script: ClassVar[str] = "tasks.images.script"

    sizes: Literal["last", "all"] = Field(description="the fits at each member's last size, or at all of its sizes")
