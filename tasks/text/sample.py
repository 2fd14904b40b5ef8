"""The embedded data: made-up tweets in Sentiment140's layout, with its flaws; the same bytes on every machine."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import Field

from tasks.dice import Dice
from tasks.report import Report
from tasks.sample_archive import write_archive
from tasks.section import Section
from tasks.text.phrases import NEGATIVE, NEUTRAL, POSITIVE, write_message

TRAINING_NAME = "training.1600000.processed.noemoticon.csv"
TEST_NAME = "testdata.manual.2009.06.14.csv"
FIRST_ID = 1_467_810_369
FIRST_DATE = datetime(2009, 4, 6, 22, 19, 45)
MISLABELLED_PERCENT = 5  # the original's labels come from smileys, which were removed, so some labels are wrong
DOUBLED, CONTRADICTED, RETWEETED = 12, 6, 8  # rows of each kind
SYLLABLES = ("ka", "lo", "mi", "ne", "pu", "ri", "sa", "to", "vi", "zo", "bea", "dan", "fay", "gus")
LATIN = ("über", "naïve", "déjà vu", "50 £", "½ hour", "piñata")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class SampleSection(Section):
    """How much embedded data is made."""

    train_rows: int = Field(ge=200, le=200_000, description="rows of the training file, not counting the flawed ones")
    test_rows: int = Field(ge=60, le=10_000, description="rows of the hand-labelled file, a fifth of them neutral")
    seed: int = Field(ge=0, le=2**32 - 1, description="draws the tweets")


@dataclass(frozen=True)
class _Tweet:
    polarity: int
    number: int
    date: str
    query: str
    user: str
    text: str

    def as_line(self) -> str:
        values = (self.polarity, self.number, self.date, self.query, self.user, self.text)
        return ",".join('"' + str(value).replace('"', '""') + '"' for value in values)


def make_sample(sample: SampleSection, *, out: Path, report: Report) -> None:
    """Write `archive.zip` with the original's two CSV files, and `archive.sha256`, its digest.

    Latin-1, no header, every value quoted, all negative rows first, neutral ones in the test file only. As in
    real data there are entities, @names, addresses, elongated words, doubled rows, the same text under both
    labels, retweets, wrong labels, and unusable rows (truncated, an empty text, an unknown label).
    """
    train = _make_training(sample)
    lines = [tweet.as_line() for tweet in train]
    lines[len(lines) // 4 : len(lines) // 4] = ['"0","1467999001","Mon Apr 06 23:00:00 PDT 2009","NO_QUERY"']
    test = [tweet.as_line() for tweet in _make_test(sample)]
    members = [(TRAINING_NAME, _encode(lines)), (TEST_NAME, _encode(test))]
    write_archive(out, members, unit="files", report=report)


def _make_training(sample: SampleSection) -> list[_Tweet]:
    half = sample.train_rows // 2
    tones = [NEGATIVE] * half + [POSITIVE] * (sample.train_rows - half)
    good = [_make_tweet(sample, number, tone) for number, tone in enumerate(tones)]
    flawed = [*_repeat(good), replace(good[3], text="   "), replace(good[5], polarity=3)]
    return sorted([*good, *flawed], key=lambda tweet: (tweet.polarity, tweet.number))


def _make_tweet(sample: SampleSection, number: int, polarity: int) -> _Tweet:
    dice = Dice(sample.seed, number)
    is_wrong = dice.draw(1, 100) <= MISLABELLED_PERCENT
    tone = NEGATIVE + POSITIVE - polarity if is_wrong else polarity
    # Both classes cover the same weeks.
    half = max(1, sample.train_rows // 2)
    minutes = number % half * 60_000 // half + dice.draw(0, 30)
    date = _format_date(FIRST_DATE + timedelta(minutes=minutes), "PDT")
    return _Tweet(polarity, FIRST_ID + number * 211, date, "NO_QUERY", _make_name(dice), _decorate(dice, tone))


def _repeat(usual: list[_Tweet]) -> Iterable[_Tweet]:
    """Yield doubled rows, texts under the other label, and retweets, from evenly spaced rows."""
    kinds = ["double"] * DOUBLED + ["contradiction"] * CONTRADICTED + ["retweet"] * RETWEETED
    for place, kind in enumerate(kinds):
        tweet = usual[(2 * place + 1) * len(usual) // (2 * len(kinds))]
        if kind == "double":
            yield tweet
        elif kind == "contradiction":
            yield replace(tweet, polarity=POSITIVE - tweet.polarity, number=tweet.number + 1)
        else:
            user = _make_name(Dice(place, tweet.number))
            yield replace(tweet, number=tweet.number + 2, user=user, text=f"RT @{tweet.user}: {tweet.text}")


def _make_test(sample: SampleSection) -> list[_Tweet]:
    tweets = []
    for number in range(sample.test_rows):
        dice = Dice(sample.seed, number, 1)
        tone = (NEGATIVE, POSITIVE, NEUTRAL, POSITIVE, NEGATIVE)[number % 5]
        date = _format_date(datetime(2009, 6, 1) + timedelta(minutes=37 * number), "UTC")
        text = write_message(dice, tone)
        tweets.append(_Tweet(tone, number + 3, date, "made up", _make_name(dice), text))
    return tweets


def _decorate(dice: Dice, tone: int) -> str:
    """Return a message with names, addresses, entities and spelling as in tweets."""
    text = write_message(dice, tone)
    drawn = [dice.draw(1, 100) for _ in range(8)]
    if drawn[0] <= 40:
        text = f"@{_make_name(dice)} {text}"
    if drawn[1] <= 6:
        text = f"{text} http://short.example/{dice.draw(1000, 9999)}"
    if drawn[2] <= 6:
        first, _, rest = text.partition(" ")
        text = f"{first} &quot;{rest}&quot;"
    if drawn[3] <= 6:
        text = text.replace(" with ", " &amp; ") + " &amp; more"
    if drawn[4] <= 8:
        text = text.replace("so ", "sooooo ").replace("!", "!!!")
    if drawn[7] <= 15:
        text = _misspell(dice, text)
    if drawn[5] <= 3:
        text = f"{text} {LATIN[dice.draw(0, len(LATIN) - 1)]}"
    return text.upper() if drawn[6] <= 3 else text + " " * (drawn[6] <= 50)


def _misspell(dice: Dice, text: str) -> str:
    """Return a text with a letter removed, so that some words occur only once."""
    place = dice.draw(0, len(text) - 1)
    return text[:place] + text[place + 1 :]


def _make_name(dice: Dice) -> str:
    syllables = [SYLLABLES[dice.draw(0, len(SYLLABLES) - 1)] for _ in range(dice.draw(2, 4))]
    return "".join(syllables) + str(dice.draw(0, 99))


def _format_date(moment: datetime, zone: str) -> str:
    """Return a moment in Twitter's format, in English whatever the locale."""
    day, month = WEEKDAYS[moment.weekday()], MONTHS[moment.month - 1]
    return f"{day} {month} {moment:%d %H:%M:%S} {zone} {moment.year}"


def _encode(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("latin-1")
