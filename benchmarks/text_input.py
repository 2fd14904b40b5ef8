"""Input of tweets: cleaning, splitting and tokenising them, compared with torchtext and spaCy."""

from __future__ import annotations

import csv
import io
import json
import random
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.memory import watch_peak_mb
from benchmarks.real_data import find_archive
from benchmarks.table import Figure
from tasks.folds import Folds, split_folds
from tasks.report import Silent
from tasks.text.clean import clean_tweets
from tasks.text.sections import CleanTweets, Columns, Tokens
from tasks.text.tokens import open_tokens, tokenise

N_ROWS = (100_000, 400_000, 1_600_000)
PEER_ROWS = 100_000  # the peer stores every token as an object, and its rate does not rise with more rows
WARM_ROWS = 1000
TARGET = 10
MOST_MB = 2000
TABLE = "training.csv"
CLEAN = CleanTweets(
    encoding="auto", neutral="leave_out", test_file="leave_out", max_chars=1000, mark_addresses=True, mark_names=True,
    shorten_elongated=True, separator="auto", columns=Columns(label="", text="", user="", date=""), labels={},
)  # fmt: skip
FOLDS = Folds(mode="holdout", n_folds=10, valid=9, test=10, seed=1)
TOKENS = Tokens(tokeniser="spacy", lower=True, max_words=20_000, min_count=1)
CODE = "import sys; from pathlib import Path; from benchmarks import text_input; text_input.{}(Path(sys.argv[1]))"


def measure() -> list[Figure]:
    """Compare on the real tweets of SENTIMENT140 (path of its zip), repeated with changed ids, words and spelling."""
    rows = read_real()
    with TemporaryDirectory() as place:
        folder = Path(place)
        peer_s = run_apart(folder, rows, PEER_ROWS, "time_peer")["seconds"]
        runs = [run_apart(folder, rows, n_rows, "time_ours") for n_rows in N_ROWS]
    peer_rate = PEER_ROWS / peer_s
    growth = runs[-1]["seconds"] / runs[0]["seconds"]
    most = N_ROWS[-1] / N_ROWS[0]
    peak_mb = runs[-1]["peak_mb"]
    return [
        *(make_rate_figure(n_rows, run, peer_rate) for n_rows, run in zip(N_ROWS, runs, strict=True)),
        Figure(f"peak RssAnon, MB, {N_ROWS[-1]:,} rows", "", f"{peak_mb:.0f}", "", f"{MOST_MB}", peak_mb < MOST_MB),
        Figure(
            f"seconds, {N_ROWS[0]:,} and {N_ROWS[-1]:,} rows",
            f"{runs[0]['seconds']:.2f}",
            f"{runs[-1]['seconds']:.2f}",
            f"{growth:.1f}",
            f"linear ({most:.0f}, at most a quarter more)",
            growth < 1.25 * most,
        ),
    ]


def make_rate_figure(n_rows: int, run: dict[str, float], peer_rate: float) -> Figure:
    """Return the figure of one size."""
    rate = n_rows / run["seconds"]
    parts = ", ".join(f"{name} {run[name]:.1f} s" for name in ("clean", "split", "tokenise"))
    return Figure(
        f"clean, split, tokenise, rows/s, {n_rows:,} rows",
        f"TabularDataset with spaCy, {PEER_ROWS:,} rows: {peer_rate:,.0f}",
        f"{rate:,.0f} ({parts})",
        f"{rate / peer_rate:.1f}",
        f"{TARGET}",
        rate >= TARGET * peer_rate,
    )


def read_real() -> list[list[str]]:
    """Return the training rows of the archive that SENTIMENT140 names."""
    with zipfile.ZipFile(find_archive("text_input", "SENTIMENT140")) as archive:
        (name,) = [name for name in archive.namelist() if Path(name).match("training*.csv")]
        data = archive.read(name)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return list(csv.reader(io.StringIO(text)))


def run_apart(folder: Path, rows: list[list[str]], n_rows: int, function: str) -> dict[str, float]:
    """Run one side on `n_rows` in a separate process; return its seconds and its peak of anonymous memory."""
    (folder / "archive").mkdir(exist_ok=True)
    write_rows(folder / "archive" / TABLE, rows, n_rows)
    peak_mb = watch_peak_mb(subprocess.Popen([sys.executable, "-c", CODE.format(function), str(folder)]))
    seconds: dict[str, float] = json.loads((folder / "seconds.json").read_text())
    return seconds | {"peak_mb": peak_mb}


def write_rows(path: Path, rows: list[list[str]], n_rows: int) -> None:
    """Write the rows repeatedly: first unchanged, then each with another id and user.

    In each repetition, one word of a tweet is replaced by a word of another tweet, and every third row has a misspelt
    word. So the number of distinct words keeps growing, as it does with real tweets.
    """
    generator = random.Random(1)
    words = [word for row in rows for word in row[5].split()]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        for number in range(n_rows):
            repetition, place = divmod(number, len(rows))
            polarity, given, date, query, user, text = rows[place]
            if repetition:
                text = change_text(text, words, generator, misspell=number % 3 == 0)
            writer.writerow([polarity, int(given) + repetition, date, query, f"{user}{repetition // 2 or ''}", text])


def change_text(text: str, words: list[str], generator: random.Random, *, misspell: bool) -> str:
    """Return a text with one word replaced and, with `misspell`, a letter of one word doubled or left out."""
    split = text.split(" ")
    split[int(generator.random() * len(split))] = words[int(generator.random() * len(words))]
    if misspell:
        place = int(generator.random() * len(split))
        cut = int(generator.random() * (len(split[place]) + 1))
        back = 1 if generator.random() < 0.5 else -1
        split[place] = split[place][:cut] + split[place][max(0, cut - back) :]
    return " ".join(split)


def time_ours(folder: Path) -> None:
    """Clean, split and tokenise; a small run before the timed one imports what is needed."""
    prepare_warm(folder)
    run_stages(folder / "warm", folder / "warm-out")
    seconds = run_stages(folder / "archive", folder / "out")
    (folder / "seconds.json").write_text(json.dumps(seconds | {"seconds": sum(seconds.values())}))


def run_stages(archive: Path, out: Path) -> dict[str, float]:
    """Run the three stages and return the seconds of each."""
    examples, folds, tokens = (out / name for name in ("examples", "folds", "tokens"))
    for place in (examples, folds, tokens):
        place.mkdir(parents=True, exist_ok=True)
    seconds = {
        "clean": time_call(lambda: clean_tweets(archive, CLEAN, out=examples, report=Silent())),
        "split": time_call(lambda: split_folds(examples, FOLDS, out=folds)),
        "tokenise": time_call(lambda: tokenise(examples, folds, TOKENS, fold=10, out=tokens, report=Silent())),
    }
    if len(open_tokens(tokens)) == 0:
        raise RuntimeError("no tweet was tokenised")
    return seconds


def time_peer(folder: Path) -> None:
    """Prepare tweets as the usual code does: torchtext's table, split and vocabulary with spaCy's tokeniser."""
    prepare_warm(folder)
    read_by_torchtext(folder / "warm" / TABLE)
    seconds = time_call(lambda: read_by_torchtext(folder / "archive" / TABLE))
    (folder / "seconds.json").write_text(json.dumps({"seconds": seconds}))


def read_by_torchtext(path: Path) -> None:
    """Read, tokenise, split and count words, as torchtext 0.6 does."""
    warnings.simplefilter("ignore")
    import spacy
    from torchtext import data

    tokenizer = spacy.blank("en").tokenizer
    text = data.Field(tokenize=lambda tweet: [token.text for token in tokenizer(tweet)], lower=True)
    label = data.LabelField()
    fields = [("label", label), *((name, None) for name in ("id", "date", "query", "user")), ("text", text)]
    table = data.TabularDataset(path=str(path), format="CSV", fields=fields)
    train, _, _ = table.split([0.8, 0.1, 0.1])
    text.build_vocab(train, max_size=TOKENS.max_words)
    label.build_vocab(train)


def prepare_warm(folder: Path) -> None:
    """Write some rows of both labels to `folder`/warm."""
    (folder / "warm").mkdir(exist_ok=True)
    with (folder / "archive" / TABLE).open(encoding="utf-8") as file:
        lines = list(islice(file, 20_000))
    (folder / "warm" / TABLE).write_text("".join(lines[:: len(lines) // WARM_ROWS]), encoding="utf-8")


def time_call(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started_s = time.perf_counter()
    call()
    return time.perf_counter() - started_s
