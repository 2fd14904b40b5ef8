"""Settings that cleaning and prediction share."""

from typing import Literal

from pydantic import Field

from tasks.section import Section


class Wash(Section):
    """What is replaced in a text before it is cut into words."""

    mark_addresses: bool = Field(description="web addresses become the word xxurl")
    mark_names: bool = Field(description="@names become the word xxuser")
    shorten_elongated: bool = Field(description="three or more of a letter become two: sooooo, soo")


class CleanTweets(Wash):
    """What counts as a usable tweet, and what is replaced in it."""

    encoding: Literal["auto", "utf-8", "latin-1"] = Field(
        description="of the files; auto: a line that is not UTF-8 is Latin-1"
    )
    neutral: Literal["leave_out", "class"] = Field(description="rows labelled neutral: left out, or a third class")
    test_file: Literal["keep", "leave_out"] = Field(description="the hand-labelled file: a test part, or not read")
    max_chars: int = Field(ge=200, le=1_000_000, description="a longer line of the file is set aside, characters")
