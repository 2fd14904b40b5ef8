"""Small archives in Sentiment140's layout, made for one claim each."""

from pathlib import Path

from tasks.report import Silent
from tasks.tables import read_rows
from tasks.text.clean import clean_tweets
from tasks.text.sections import CleanTweets

DATE = "Mon Apr 06 22:19:45 PDT 2009"
PLAIN = {
    "encoding": "auto", "neutral": "leave_out", "test_file": "keep", "max_chars": 1000, "mark_addresses": True,
    "mark_names": True, "shorten_elongated": True, "separator": "auto", "labels": {},
    "columns": {"label": "", "text": "", "user": "", "date": ""},
}  # fmt: skip
GOOD = [("0", "rain all day long"), ("4", "sun at last today"), ("0", "my tooth hurts so much"), ("4", "cake for tea")]


def make_line(polarity: str, text: str, *, number: int = 0, date: str = DATE, user: str = "ann") -> str:
    values = (polarity, str(number), date, "NO_QUERY", user, text.replace('"', '""'))
    return ",".join(f'"{value}"' for value in values)


def make_lines(rows: list[tuple[str, str]]) -> list[str]:
    """Lines of users of their own."""
    return [make_line(polarity, text, number=n, user=f"user{n}") for n, (polarity, text) in enumerate(rows)]


def write_archive(folder: Path, training: list[str] | bytes, test: list[str] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    data = training if isinstance(training, bytes) else "".join(f"{line}\n" for line in training).encode()
    (folder / "training.csv").write_bytes(data)
    if test is not None:
        (folder / "testdata.csv").write_text("".join(f"{line}\n" for line in test))
    return folder


def run_clean(tmp_path: Path, training: list[str] | bytes, test: list[str] | None = None, **keys: object) -> Path:
    archive, out = write_archive(tmp_path / "archive", training, test), tmp_path / "out"
    out.mkdir(exist_ok=True)
    clean_tweets(archive, CleanTweets.model_validate(PLAIN | keys), out=out, report=Silent())
    return out


def read_texts(out: Path) -> list[str]:
    return [row["text"] for row in read_rows(out / "examples.csv")]


def read_reasons(out: Path) -> list[tuple[int, str]]:
    return [(int(row["row"]), row["reason"]) for row in read_rows(out / "dropped.csv")]
