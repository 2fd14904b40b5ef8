"""The try page shows the same predictions and the same error messages as `predict`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from flows.engine.tracking import sender
from flows.engine.tracking.journal import NewVersion
from tasks.learning.answers import ask_model
from tests.browser import needs_chromium, open_page
from tests.engine.mlflow_store import REPOSITORY, begin
from tests.engine.test_packing import make_export
from tests.engine.try_page import put, read_shares, send, serve_page
from tests.engine.versions import JUDGE, TEST_DATA, make_version

ALIASES = ("champion", "challenger")


def register(root: Path, domain: str, versions: int) -> Path:
    """Register equal versions of a small model, so that the first is champion; return the export."""
    exported = make_export(root / "export", domain)
    predictions = make_version(root / "judged").predictions
    for _ in range(versions):
        journal = begin(root, f"{domain}-export")
        journal.model(NewVersion(domain, exported, f"tasks.{domain}.predict", predictions, JUDGE), TEST_DATA)
        journal.end("FINISHED")
        sender.follow_journals(0)
    return exported / "model.pt"


@needs_chromium
@pytest.mark.parametrize(("domain", "versions"), [("images", 2), ("text", 1)])
def test_a_click_shows_what_predict_says_and_nothing_else_is_asked(root: Path, domain: str, versions: int) -> None:
    model = register(root, domain, versions)
    predict = import_module(f"tasks.{domain}.predict")
    given: Path | str = "a good day, or bad"
    if domain == "images":
        given = root / "some picture.png"
        given.write_bytes(predict.open_model(model).draw_example())
    (answer,) = ask_model(predict.open_model(model), [given], top=3)
    wanted = [f"{label} {share:.1%}" for label, share in answer.classes]
    store = f"sqlite:///{root}/mlflow.db"
    with (
        serve_page(REPOSITORY, domain, root / "page.log", MLFLOW_TRACKING_URI=store) as address,
        open_page(address) as opened,
    ):
        assert address.startswith("http://127.0.0.1:")
        put(opened, given)
        send(opened)
        assert [read_shares(opened, alias) for alias in ALIASES[:versions]] == [wanted] * versions
        assert opened.page.locator(".contender").count() == versions
        assert opened.page.locator(".contender img").count() == (versions if domain == "images" else 0)
        opened.check_quiet()


@needs_chromium
def test_what_cannot_be_read_is_refused_in_the_words_of_the_command_line(root: Path) -> None:
    register(root, "text", 1)
    with (
        serve_page(REPOSITORY, "text", root / "page.log", MLFLOW_TRACKING_URI=f"sqlite:///{root}/mlflow.db") as address,
        open_page(address) as opened,
    ):
        send(opened)
        refusal = opened.page.locator(".refusal").text_content()
        assert refusal == "text 1 of 1 is empty: a text needs at least one word"
        opened.check_quiet()
