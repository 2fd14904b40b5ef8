"""What commands print where there is no terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.commands.app import app
from flows.engine.console import ConsoleReport, print_results, print_table
from tests.project import REPOSITORY


def test_a_short_stage_prints_its_last_figures_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    report = ConsoleReport("audio-fit")
    report.begin()
    for done in (1, 2, 3):
        report.progress(done, 3, "files")
    for done in (1, 2, 3):
        report.progress(done, 3, "epochs", loss=1 / done)
    assert capsys.readouterr().err.splitlines() == ["audio-fit: 3/3 epochs loss 0.3333"]


@pytest.mark.parametrize("closed", ["before the bar", "after the bar"])
def test_a_terminal_that_is_closed_fails_no_stage(closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, given = pty.openpty()
    with os.fdopen(given, "w") as terminal, Path(os.devnull).open("w") as nowhere:
        monkeypatch.setattr(sys, "stderr", terminal)
        report = ConsoleReport("tiny-join")
        with report:
            report.begin()
            if closed == "after the bar":
                report.progress(1, 2, "texts")
            os.close(ours)
            report.say("half of it is done")
            report.progress(2, 2, "texts", loss=0.5)
        os.dup2(nowhere.fileno(), given)  # as at SIGHUP; else closing the stream would write what it still holds


@pytest.mark.parametrize(
    "cell", ["love it [/sarcasm]", "[rant] so tired [/rant]", "img[copy].jpg", "[INST]", ":cat:", "caf\udce9.jpg"]
)
def test_a_table_shows_a_text_as_it_is(cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["given"], [[cell]])
    print_results([(cell, "ran", 1.0, "")])
    assert capsys.readouterr().out.count(cell.replace("\udce9", r"\udce9")) == 2


@pytest.mark.parametrize("text", ["-_- so bored", "--- what a day", "-1 for this"])
def test_a_text_that_begins_with_a_dash_is_refused_with_the_way_to_give_it(text: str) -> None:
    refused = CliRunner().invoke(app, ["predict", "text", text], env={"COLUMNS": "200"})
    assert refused.exit_code == 2
    assert "No such option" in refused.output and "Put -- before what is given" in refused.output


@pytest.mark.parametrize("module", ["flows", "flows.engine.tracking.sender"])
def test_where_files_cannot_be_locked_one_line_says_where_it_runs(module: str) -> None:
    code = f"import runpy, sys; sys.modules['fcntl'] = None; runpy.run_module({module!r}, run_name='__main__')"
    refused = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("error: ") and "trifold runs on Linux and macOS; on Windows, run it in WSL" in line
