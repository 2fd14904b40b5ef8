"""Settings that several stages of texts read."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.section import Section


class NormaliseText(Section):
    """What is replaced in a text before it is cut into words."""

    mark_addresses: bool = Field(description="web addresses become the word xxurl")
    mark_names: bool = Field(description="@names become the word xxuser")
    shorten_elongated: bool = Field(description="three or more of a letter become two: sooooo, soo")


class CleanTweets(NormaliseText):
    """What counts as a usable tweet, and what is replaced in it."""

    encoding: Literal["auto", "utf-8", "latin-1"] = Field(
        description="of the files; auto: a line that is not UTF-8 is Latin-1"
    )
    neutral: Literal["leave_out", "class"] = Field(description="rows labelled neutral: left out, or a third class")
    test_file: Literal["keep", "leave_out"] = Field(description="the hand-labelled file: a test part, or not read")
    max_chars: int = Field(ge=200, le=1_000_000, description="a longer line of the file is set aside, characters")


class Tokens(Section):
    """How texts are cut, and which words are known."""

    tokeniser: Literal["spacy", "whitespace", "bpe"] = Field(
        description="spaCy's English rules, single spaces, or byte pairs learnt from the training part"
    )
    lower: bool = Field(description="tokens are lower-cased after cutting (before it for byte pairs)")
    max_words: int = Field(ge=1, le=1_000_000, description="most frequent words that are known, beside <unk> and <pad>")
    min_count: int = Field(ge=1, description="a rarer word of the training part is not known; not for byte pairs")


class Ngrams(Section):
    """Which n-grams are counted, and how freely their weights are fitted."""

    words: int = Field(ge=1, le=4, description="longest run of words")
    shortest_chars: int = Field(ge=1, le=8, description="shortest run of characters within a word")
    longest_chars: int = Field(ge=0, le=8, description="longest run of characters within a word; 0: none")
    min_texts: int = Field(ge=1, description="training texts that an n-gram must stand in")
    freedom: float = Field(gt=0, description="scikit-learn's C: the larger, the closer to the training part")

    @model_validator(mode="after")
    def _check_runs(self) -> Self:
        if self.longest_chars and self.shortest_chars > self.longest_chars:
            raise ValueError(f"shortest_chars {self.shortest_chars} is over longest_chars {self.longest_chars}")
        return self
