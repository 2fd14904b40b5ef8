"""What a run prints where there is no terminal."""

from __future__ import annotations

import pytest

from flows.engine.console import ConsoleReport


def test_a_short_stage_prints_its_last_figures_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    report = ConsoleReport("audio-fit")
    report.begin()
    for done in (1, 2, 3):
        report.progress(done, 3, "files")
    for done in (1, 2, 3):
        report.progress(done, 3, "epochs", loss=1 / done)
    assert capsys.readouterr().err.splitlines() == ["audio-fit: 3/3 epochs loss 0.3333"]
