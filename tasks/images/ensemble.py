"""Which of the fitted networks make up the ensemble of pictures."""

from typing import Literal

from pydantic import Field

from tasks.learning.ensemble import Ensemble


class PictureEnsemble(Ensemble):
    """How the members' probabilities are put together, over the last size or over all."""

    sizes: Literal["last", "all"] = Field(description="the fits at each member's last size, or at all of its sizes")
