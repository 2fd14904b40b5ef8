"""The sizes that pictures are learned at: read by the resizing and the training stages."""

from pydantic import Field

from tasks.learning.recipe import Schedule


class Size(Schedule):
    """One size of progressive resizing, and how long the networks learn at it.

    Small pictures first, the weights carried on to larger ones (the book's chapter 4).
    """

    pixels: int = Field(ge=8, le=1024, description="side of the square that every picture is cut to")
    strength: float = Field(ge=0, le=1, description="factor on the augmentation at this size; 0: flips only")
