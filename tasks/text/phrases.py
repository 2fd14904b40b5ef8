"""The sentences of the embedded data: a small grammar of positive, negative and neutral messages."""

from tasks.dice import Dice

NEGATIVE, NEUTRAL, POSITIVE = 0, 2, 4  # the source's codes

NOUNS = (
    "breakfast", "bus", "weather", "train ride", "exam", "garden", "coffee", "phone", "new haircut", "neighbour",
    "dentist", "homework", "film", "song", "concert", "pizza", "laptop", "battery", "morning run", "swimming lesson",
    "birthday party", "office", "printer", "holiday", "beach", "rain", "cat", "puppy", "football match", "library book",
    "shopping trip", "bike", "camera", "cold", "night shift", "bread", "tea", "chocolate cake", "first lecture", "sofa",
)  # fmt: skip
PEOPLE = ("mum", "my sister", "my brother", "dad", "the kids", "my best friend", "granny", "my flatmate", "the team")
PLACES = ("work", "school", "the park", "town", "the café", "the lake", "the gym", "grandpa's house", "the cinema")
TIMES = ("today", "this morning", "tonight", "yesterday", "all day", "again", "this week", "since monday", "at last")
GOOD = (
    "great", "lovely", "brilliant", "sweet", "perfect", "cosy", "delicious", "funny", "sunny", "relaxing", "beautiful",
    "cheerful", "smooth", "superb", "charming", "exciting", "fresh", "splendid", "awesome", "wonderful",
)  # fmt: skip
BAD = (
    "awful", "boring", "broken", "cold", "dreadful", "gloomy", "horrible", "late", "lousy", "nasty", "painful", "rude",
    "sad", "slow", "soggy", "stressful", "terrible", "ugly", "useless", "rotten",
)  # fmt: skip
LIKES = ("love", "enjoy", "adore", "like", "recommend")
HATES = ("hate", "dread", "regret", "dislike", "can't stand")
CHEERS = (
    "yay",
    "hooray",
    "so happy",
    "best day ever",
    "feeling good",
    "thank you",
    "well done",
    "can't wait",
    "woohoo",
)
SIGHS = ("ugh", "oh no", "so tired", "worst day ever", "feeling ill", "i give up", "not again", "why me", "miss you")
SMILES = (":)", ":-)", ":D", ";)", "=)", "<3")
FROWNS = (":(", ":-(", ":/", "=(", ":'(")
HEDGES = ("so", "really", "a bit", "quite", "very", "pretty", "totally")
FACTS = (
    "the {noun} starts at {number}", "{person} is on the way to {place}", "how much was the {noun}?",
    "reading about the {noun}", "off to {place} with {person}", "the {noun} is on channel {number}",
    "who is at {place}?", "{number} minutes to {place}", "{person} asked about the {noun}", "back from {place}",
)  # fmt: skip
OPINIONS = (
    "the {noun} was {hedge} {word}", "{hedge} {word} {noun} {time}", "i {feel} this {noun}", "{noun} {time}, {word}",
    "{cry}! the {noun} is {word}", "{person} says the {noun} was {word}", "{cry}, {word} {noun}", "i {feel} {place}",
)  # fmt: skip
DENIALS = (
    "the {noun} wasn't {other} at all", "not a {other} {noun}", "i don't {unfeel} the {noun}",
    "never {other}, this {noun}", "nothing {other} about the {noun} {time}",
)  # fmt: skip
TURNS = ("the {noun} was {other} but {place} was {word}", "{other} {noun}, but {cry}", "should be {other}, still {cry}")


def write_message(dice: Dice, polarity: int) -> str:
    """Return a message of 3 to about 25 words, without names and addresses, whose tone is `polarity`."""
    if polarity == NEUTRAL:
        return _fill(dice, _pick(dice, FACTS), good=True)
    good = polarity == POSITIVE
    parts = [_fill(dice, _pick(dice, _choose_kind(dice)), good=good)]
    if dice.draw(1, 100) <= 45:
        parts.append(_fill(dice, _pick(dice, FACTS), good=good))
    if dice.draw(1, 100) <= 30:
        parts.append(_pick(dice, CHEERS if good else SIGHS))
    if dice.draw(0, 1):
        parts.reverse()
    if dice.draw(1, 100) <= 8:
        parts.append(_pick(dice, SMILES if good else FROWNS))
    return _pick(dice, (". ", " ", ", ", "! ", "... ")).join(parts)


def _choose_kind(dice: Dice) -> tuple[str, ...]:
    """Return plain opinions for most messages, else denials (not good) or turns (good, but bad)."""
    drawn = dice.draw(1, 100)
    return DENIALS if drawn <= 10 else TURNS if drawn <= 16 else OPINIONS


def _fill(dice: Dice, template: str, *, good: bool) -> str:
    """Fill every slot; `other` and `unfeel` are of the opposite tone, because the template negates them."""
    words = {
        "noun": _pick(dice, NOUNS),
        "person": _pick(dice, PEOPLE),
        "place": _pick(dice, PLACES),
        "time": _pick(dice, TIMES),
        "hedge": _pick(dice, HEDGES),
        "number": str(dice.draw(2, 59)),
        "word": _pick(dice, GOOD if good else BAD),
        "other": _pick(dice, BAD if good else GOOD),
        "feel": _pick(dice, LIKES if good else HATES),
        "unfeel": _pick(dice, HATES if good else LIKES),
        "cry": _pick(dice, CHEERS if good else SIGHS),
    }
    return template.format(**words)


def _pick(dice: Dice, choices: tuple[str, ...]) -> str:
    return choices[dice.draw(0, len(choices) - 1)]
