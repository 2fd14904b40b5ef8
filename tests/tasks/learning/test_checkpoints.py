"""A kill costs at most an epoch, and changes nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tasks.audio.members.melnet import MelNet
from tasks.learning.checkpoints import FILE, read_checkpoint, write_checkpoint
from tests.tasks.learning.toys import Told, make_toy

ROOT = Path(__file__).parents[3]
FIT = """
import sys
from pathlib import Path
from tasks.audio.train import fit_member
from tests.tasks.learning.toys import COMPUTE, Told, make_member

class Slow(Told):
    def progress(self, done, total, unit, **figures):
        if sys.argv[2] == "slow" and done == 4:
            Path(sys.argv[1], "reached").touch()
            __import__("time").sleep(60)

root = Path(sys.argv[1])
(root / "out").mkdir(exist_ok=True), (root / "kept").mkdir(exist_ok=True)
told = Slow()
places = [root / name for name in ("features", "folds", "bands5", "lr")]
values = dict(epochs=7, weights=sys.argv[3], head_epochs=int(sys.argv[4]), ema_decay=0.9, patience=50)
fit_member(*places, make_member(**values), COMPUTE, name="toy", fold=5,
           out=root / "out", report=told, checkpoints=root / "kept")
print(len(told.figures))
"""


def run_fit(root: Path, pace: str, weights: str, head_epochs: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FIT, str(root), pace, weights, str(head_epochs)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kill_in_fourth_epoch(root: Path, weights: str, head_epochs: int) -> None:
    with run_fit(root, "slow", weights, head_epochs) as running:
        deadline_s = time.monotonic() + 100
        while not (root / "reached").exists() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        os.kill(running.pid, signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("start", "head_epochs"), [("scratch", 0), ("given weights, head first", 2)])
def test_after_sigkill_the_weights_end_as_the_same_bytes(tmp_path: Path, start: str, head_epochs: int) -> None:
    weights = "none"
    if head_epochs:
        weights = str(tmp_path / "given.pt")
        torch.save(MelNet(16, 9, width=4, dropout=0.0).state_dict(), weights)
    for name in ("killed", "undisturbed"):
        toy = make_toy(tmp_path / name)
        (toy.folder("lr") / "lr.json").write_text('{"lr": 0.01}')
    kill_in_fourth_epoch(tmp_path / "killed", weights, head_epochs)
    assert not (tmp_path / "killed" / "out" / "state_dict.pt").exists()
    epochs = {}
    for name in ("killed", "undisturbed"):
        with run_fit(tmp_path / name, "fast", weights, head_epochs) as running:
            epochs[name] = int(running.communicate(timeout=100)[0])
    assert epochs == {"killed": 7 + head_epochs - 3, "undisturbed": 7 + head_epochs}
    files = ("state_dict.pt", "history.csv", "test.csv", "valid.csv", "history.png", "fit.json")
    for file in files:
        assert (tmp_path / "killed/out" / file).read_bytes() == (tmp_path / "undisturbed/out" / file).read_bytes(), file


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
    told = Told()
    assert read_checkpoint(tmp_path, told) is None
    assert len(told.said) == 1 and "set aside" in told.said[0] and "starts over" in told.said[0]
    assert not path.exists() and path.with_suffix(".broken").exists()
    assert read_checkpoint(tmp_path, told) is None and len(told.said) == 1


def test_what_is_written_is_read_and_nothing_temporary_stays(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, {"epochs": 1})
    write_checkpoint(tmp_path, {"epochs": 2})
    assert read_checkpoint(tmp_path, Told()) == {"epochs": 2}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
