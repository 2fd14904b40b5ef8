"""Back-translation calls the user's commands in batches, goes on where it broke off, and tells what went wrong."""

import shlex
import sys
from pathlib import Path

import pytest

from tasks.errors import UserError
from tasks.report import Silent
from tasks.text.translate import make_batches, run_translator, translate_back


def make_command(code: str) -> str:
    return f"{sys.executable} -c {shlex.quote('import sys; ' + code)}"


UPPER = make_command("print(sys.stdin.read().upper(), end='')")
TURN = make_command("[print(line.strip()[::-1]) for line in sys.stdin]")
FAIL = make_command("sys.exit('no such language')")
ERASE = make_command("[print() for line in sys.stdin]")


def translate(texts: list[str], there: str, back: str, folder: Path) -> list[str]:
    return translate_back(texts, there, back, checkpoints=folder, timeout_s=20, report=Silent())


def test_texts_go_there_and_back(tmp_path: Path) -> None:
    texts = ["the cat", "a\nmat", "the cat"]
    assert translate(texts, UPPER, TURN, tmp_path) == ["TAC EHT", "TAM A", "TAC EHT"]
    assert texts == ["the cat", "a\nmat", "the cat"]


def test_what_is_translated_is_not_asked_for_again(tmp_path: Path) -> None:
    translate(["one", "two"], UPPER, UPPER, tmp_path)
    path = tmp_path / "translated.jsonl"
    path.write_text(path.read_text().rstrip("\n")[:-3])  # killed while it wrote
    assert translate(["one"], FAIL, FAIL, tmp_path) == ["ONE"]
    assert translate(["one", "two"], UPPER, TURN, tmp_path) == ["ONE", "OWT"]
    assert translate(["two"], FAIL, FAIL, tmp_path) == ["OWT"]


def test_a_text_whose_translation_is_empty_stays(tmp_path: Path) -> None:
    assert translate(["one", "two"], UPPER, ERASE, tmp_path) == ["one", "two"]


def test_no_batch_is_longer_than_a_service_takes() -> None:
    assert list(make_batches(["aaa", "bb", "c", "dddddddddd", "e"], max_chars=7)) == [
        ["aaa", "bb"], ["c"], ["dddddddddd"], ["e"],
    ]  # fmt: skip
    assert list(make_batches([])) == []


@pytest.mark.parametrize(
    ("command", "timeout_s", "message"),
    [
        ("no-such-translator --to fr", 5, "'no-such-translator --to fr' was not found"),
        (FAIL, 20, "failed with 1: no such language"),
        (make_command("print('one')"), 20, "wrote 1 lines for 2"),
        (make_command("import time; time.sleep(9)"), 0.2, r"took more than 0\.2 s"),
    ],
)
def test_a_command_that_does_not_translate_is_told(command: str, timeout_s: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        run_translator(command, ["a", "b"], timeout_s=timeout_s)
