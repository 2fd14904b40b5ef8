"""A kill costs at most an epoch, and changes nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from tasks.audio.members.melnet import MelNet
from tasks.learning.checkpoints import FILE, read_checkpoint, write_checkpoint
from tasks.learning.train import fit as fit_member
from tests.tasks.learning.toys import COMPUTE, RecordingReport, Toy, list_inputs, make_member, make_toy

ROOT = Path(__file__).parents[3]
KILLED = """
import sys, time
from pathlib import Path
from tests.tasks.learning.test_checkpoints import fit
from tests.tasks.learning.toys import Toy

def wait_to_be_killed():
    Path(sys.argv[1], "reached").touch()
    time.sleep(100)

fit(Toy(Path(sys.argv[1])), wait_to_be_killed)
"""


class BreakError(Exception):
    """Ends a training where a test wants it to end."""


class Breaking(RecordingReport):
    """A report that does something at the fourth epoch, before its checkpoint is written."""

    def __init__(self, at_fourth: Callable[[], None]) -> None:
        super().__init__()
        self.at_fourth = at_fourth

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        super().metrics(figures, step)
        if step == 4:
            self.at_fourth()


class Stopping(RecordingReport):
    """A report that ends the training in its fourth epoch, at the second batch."""

    batches = 0

    def check(self) -> None:
        self.batches += len(self.figures) == 3
        if self.batches == 2:
            raise BreakError


def fit(
    toy: Toy, at_fourth: Callable[[], None] = lambda: None, report: RecordingReport | None = None, **values: object
) -> int:
    """Fit a member; return the number of epochs that were trained."""
    report = report or Breaking(at_fourth)
    (toy.folder("lr") / "lr.json").write_text('{"lr": 0.01}')
    member = make_member(epochs=7, patience=50, **values)
    out, kept = toy.folder("out"), toy.folder("kept")
    names, inputs = {"name": "toy", "fold": 5}, list_inputs(toy)
    fit_member(member, COMPUTE, toy.folder("lr"), **names, out=out, report=report, checkpoints=kept, **inputs)
    return len(report.figures)


def check_same_files(one: Toy, other: Toy) -> None:
    for file in ("state_dict.pt", "history.csv", "test.csv", "valid.csv", "history.png", "fit.json"):
        assert (one.root / "out" / file).read_bytes() == (other.root / "out" / file).read_bytes(), file


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_after_a_stop_at_a_batch_the_weights_end_as_the_same_bytes(tmp_path: Path, optimiser: str) -> None:
    stopped, undisturbed = make_toy(tmp_path / "stopped"), make_toy(tmp_path / "undisturbed")
    with pytest.raises(BreakError):
        fit(stopped, report=Stopping(), optimiser=optimiser)
    assert (fit(stopped, optimiser=optimiser), fit(undisturbed, optimiser=optimiser)) == (4, 7)
    check_same_files(stopped, undisturbed)


def test_a_resumed_training_keeps_the_threads_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto` is resolved once for a result, whatever the machine offers when it goes on."""
    monkeypatch.setattr(sys.modules[__name__], "COMPUTE", COMPUTE.model_copy(update={"threads": "auto"}))
    stopped, undisturbed = make_toy(tmp_path / "stopped"), make_toy(tmp_path / "undisturbed")
    monkeypatch.setattr("tasks.learning.device.count_cores", lambda: 1)
    with pytest.raises(BreakError):
        fit(stopped, report=Stopping())
    fit(undisturbed)
    monkeypatch.setattr("tasks.learning.device.count_cores", lambda: 2)
    fit(stopped)
    check_same_files(stopped, undisturbed)
    assert json.loads((stopped.root / "out/fit.json").read_text())["arithmetic"]["threads"] == 1


def test_after_sigkill_the_weights_end_as_the_same_bytes(tmp_path: Path) -> None:
    killed, undisturbed = make_toy(tmp_path / "killed"), make_toy(tmp_path / "undisturbed")
    with subprocess.Popen([sys.executable, "-c", KILLED, str(killed.root)], cwd=ROOT) as running:
        deadline_s = time.monotonic() + 200
        while not (killed.root / "reached").exists() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        os.kill(running.pid, signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    assert not any((killed.root / "out").iterdir())
    assert (fit(killed), fit(undisturbed)) == (4, 7)
    check_same_files(killed, undisturbed)


@pytest.mark.parametrize("head_epochs", [0, 2, 4])
def test_given_weights_resume_in_either_phase(tmp_path: Path, head_epochs: int) -> None:
    weights = tmp_path / "given.pt"
    torch.save(MelNet(16, 9, width=4, dropout=0.0).state_dict(), weights)
    values = {"weights": str(weights), "head_epochs": head_epochs}
    broken, undisturbed = make_toy(tmp_path / "broken"), make_toy(tmp_path / "undisturbed")

    def interrupt() -> None:
        raise BreakError

    with pytest.raises(BreakError):
        fit(broken, interrupt, **values)
    assert (fit(broken, **values), fit(undisturbed, **values)) == (4 + head_epochs, 7 + head_epochs)
    check_same_files(broken, undisturbed)


@pytest.mark.parametrize("damage", ["cut", "altered", "text", "empty", "code"])
def test_a_corrupt_checkpoint_is_set_aside_and_said(tmp_path: Path, damage: str) -> None:
    write_checkpoint(tmp_path, {"epochs": 3, "weights": torch.arange(5000.0)})
    path, content = tmp_path / FILE, (tmp_path / FILE).read_bytes()
    damaged = {
        "cut": content[: len(content) // 2],
        "altered": b"\0" * 300 + content[300:-300] + b"\0" * 300,
        "text": b"no checkpoint",
        "empty": b"",
    }
    if damage == "code":
        torch.save({"run": Path}, path)
    else:
        path.write_bytes(damaged[damage])
    report = RecordingReport()
    assert read_checkpoint(tmp_path, report) is None
    assert len(report.messages) == 1 and "renamed to" in report.messages[0] and "starts again" in report.messages[0]
    assert not path.exists() and path.with_suffix(".broken").exists()
    assert read_checkpoint(tmp_path, report) is None and len(report.messages) == 1


def test_what_is_written_is_read_and_nothing_temporary_stays(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, {"epochs": 1})
    write_checkpoint(tmp_path, {"epochs": 2})
    assert read_checkpoint(tmp_path, RecordingReport()) == {"epochs": 2}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
