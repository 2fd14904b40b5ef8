"""The ensemble of pictures: which fits it consists of, and how it combines them."""

from typing import ClassVar, Literal

from pydantic import Field

from tasks.learning.ensemble import Ensemble


class PictureEnsemble(Ensemble):
    """How the members' probabilities are combined, over the last size or over all sizes."""

    script: ClassVar[str] = "tasks.images.script"

    sizes: Literal["last", "all"] = Field(description="the fits at each member's last size, or at all of its sizes")
