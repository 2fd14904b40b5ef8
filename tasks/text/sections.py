"""Sections that several stages of the text flow read."""

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from tasks.section import Section


class NormaliseText(Section):
    """How a text is normalised before it is tokenised."""

    mark_addresses: bool = Field(description="web addresses become the word xxurl")
    mark_names: bool = Field(description="@names become the word xxuser")
    shorten_elongated: bool = Field(description="three or more of the same letter become two: sooooo, soo")


class Columns(Section):
    """Which columns of a table hold what: names in its header, or numbers from 1 where it has none; "": recognised."""

    label: str | int = Field(description="the column of labels")
    text: str | int = Field(description="the column of texts")
    user: str | int = Field(description="the column of users, whose alike texts stay in one fold; may be missing")
    date: str | int = Field(description="the column of dates, which folds.mode date needs; may be missing")


class CleanTweets(NormaliseText):
    """How the tables are read, which tweets are usable, and how they are normalised."""

    separator: str = Field(
        pattern=r"^(auto|tab|[^\w\s\"] ?)$",
        description="auto (recognised), tab, or the one character between values: no letter, digit, quote or blank",
    )
    columns: Columns
    labels: dict[str | int, str] = Field(description="the class of each label; {}: recognised, or as they are")
    encoding: Literal["auto", "utf-8", "latin-1"] = Field(
        description="of the files; auto: a line that is not UTF-8 is Latin-1"
    )
    neutral: Literal["leave_out", "class"] = Field(description="rows labelled neutral: left out, or a third class")
    test_file: Literal["keep", "leave_out"] = Field(description="the hand-labelled file: a test part, or not read")
    max_chars: int = Field(ge=200, le=1_000_000, description="characters; a longer line of the file is set aside")


class Tokens(Section):
    """How texts are tokenised, and which words are in the vocabulary."""

    tokeniser: Literal["spacy", "whitespace", "bpe"] = Field(
        description="spaCy's English rules, single spaces, or byte pairs learnt from the training part"
    )
    lower: bool = Field(description="tokens are lower-cased after tokenisation (byte pairs: before it)")
    max_words: int = Field(ge=1, le=1_000_000, description="size of the vocabulary, without <unk> and <pad>")
    min_count: int = Field(ge=1, description="rarer words of the training part become <unk>; not for byte pairs")


class Ngrams(Section):
    """Which n-grams have weights, and how strongly these are regularised."""

    renamed: ClassVar[Mapping[str, str]] = {"freedom": "c"}
    removed: ClassVar[Mapping[str, str]] = {"words": "words and pairs of neighbouring words are always counted"}
    network_module: ClassVar[str] = "tasks.text.grams"

    shortest_chars: int = Field(ge=1, le=8, description="shortest n-gram of characters within a word")
    longest_chars: int = Field(ge=0, le=8, description="longest n-gram of characters within a word; 0: none")
    min_texts: int = Field(ge=1, description="training texts that an n-gram must occur in")
    c: float = Field(
        gt=0, description="inverse of the regularisation, as in scikit-learn; larger: closer to the training part"
    )
    balance: Literal["none", "weights"] = Field(description="none; weights: rare classes weigh more in the loss")

    def modules(self) -> tuple[str, ...]:
        """Return the network's module, which the stages that fit and export it import by name."""
        return (self.network_module,)

    def without_weights(self) -> Self:
        """Return the section as it is: its network has no initial weights."""
        return self

    @model_validator(mode="after")
    def _check_runs(self) -> Self:
        if self.longest_chars and self.shortest_chars > self.longest_chars:
            raise ValueError(
                f"shortest_chars {self.shortest_chars} is above longest_chars {self.longest_chars}: lower it"
            )
        return self
