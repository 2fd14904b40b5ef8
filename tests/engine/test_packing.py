"""A model in MLflow predicts as `predict` does: from any folder, without the project, over HTTP."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from flows.engine.registry.packing import pack_model
from flows.engine.tracking import sender
from tests.engine.mlflow_store import REPOSITORY
from tests.engine.versions import export, make_version

LABELS = ["bad", "good", "so, so"]
STARTS_S = 240
LOAD = """
import base64, json, sys, pandas as pd
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
column, given = json.load(sys.stdin)
given = base64.b64decode(given) if column == "binary" else given
import tasks
assert tasks.__path__[0].startswith(sys.argv[1]), tasks.__path__
print(json.dumps(model.predict(pd.DataFrame({column: [given]})).iloc[0].tolist()))
"""


class TinyPictures(torch.nn.Module):
    """Pictures (batch, 3, height, width) uint8 to probabilities of three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.labels = LABELS

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return (pictures.float() / 255).mean((2, 3)).softmax(1)


class TinyTexts(torch.nn.Module):
    """Word numbers (batch, longest) to probabilities of three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.labels = LABELS
        self.n_words = 5
        self.pad_id = 1

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return torch.stack([(words == 2).sum(1), (words == 3).sum(1), (words == 0).sum(1)], 1).float().softmax(1)


def make_export(folder: Path, domain: str) -> Path:
    """Write an export of a domain, with whatever lies beside its model."""
    if domain == "audio":
        return make_version(folder).exported
    folder.mkdir(parents=True)
    model = TinyPictures() if domain == "images" else TinyTexts()
    torch.jit.script(model.eval()).save(folder / "model.pt")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 3, 20, 30)).astype(np.uint8)
    np.save(folder / "example.npy", pictures if domain == "images" else np.array([[2, 4, 0, 1]]))
    if domain == "text":
        wash = {"mark_addresses": True, "mark_names": True, "shorten_elongated": True}
        told = {"tokeniser": "spacy", "lower": True, "wash": wash}
        (folder / "tokeniser.json").write_text(json.dumps(told))
        (folder / "vocabulary.json").write_text(json.dumps(["<unk>", "<pad>", "bad", "good", "day"]))
    return folder


def pack(folder: Path, domain: str) -> tuple[Path, Path]:
    """Return a domain's export and what is packed of it."""
    from mlflow.models import Model

    exported, packed = make_export(folder / "export", domain), folder / "packed"
    pack_model(exported, packed, loader=f"tasks.{domain}.predict", model=Model())
    return exported, packed


@pytest.mark.parametrize("domain", ["audio", "images", "text"])
def test_a_packed_model_answers_as_predict_in_another_folder_without_the_project(tmp_path: Path, domain: str) -> None:
    exported, packed = pack(tmp_path / "here", domain)
    served = import_module(f"tasks.{domain}.predict").open_model(exported / "model.pt")
    request = served.make_request()
    wanted = served.predict(request).iloc[0].tolist()
    elsewhere = shutil.move(packed, tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "here")

    given = request.iloc[0, 0]
    question = base64.b64encode(given).decode() if isinstance(given, bytes) else given
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOAD, elsewhere],
        input=json.dumps([served.column, question]),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == wanted
    assert sum(wanted) == pytest.approx(1, abs=1e-5)


def test_nothing_in_it_is_pickled_and_its_libraries_are_named(tmp_path: Path) -> None:
    _, packed = pack(tmp_path / "here", "text")
    files = {path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()}
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".pth"))]
    assert {"data/export/model.pt", "data/export/vocabulary.json", "code/tasks/text/encode.py"} <= files
    assert not [name for name in files if name.startswith("code/flows") or "train" in name]
    named = {line.partition("==")[0] for line in (packed / "requirements.txt").read_text().splitlines()}
    assert {"torch", "numpy", "pyarrow", "spacy", "mlflow"} <= named


@contextmanager
def serve(root: Path) -> Iterator[int]:
    """Run MLflow's own server for the champion in `root`, and end it and all that it started."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    mlflow = Path(sys.executable).with_name("mlflow")
    command = [mlflow, "models", "serve", "--env-manager", "local", "-m", "models:/audio@champion", "--port", str(port)]
    env = {**os.environ, "PATH": f"{mlflow.parent}{os.pathsep}{os.environ['PATH']}"}
    with (root / "serve.log").open("w") as log:
        server = subprocess.Popen(command, cwd=root, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline_s = time.monotonic() + STARTS_S
        while subprocess.run(["curl", "-sf", f"http://127.0.0.1:{port}/ping"], capture_output=True).returncode:
            assert server.poll() is None and time.monotonic() < deadline_s, (root / "serve.log").read_text()
            time.sleep(0.5)
        yield port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def test_mlflows_server_gives_the_probabilities_of_predict_by_the_documented_line(root: Path) -> None:
    from tasks.audio.predict import open_model
    from tasks.learning.answers import ask_model

    export(root, "flow", 150)
    sender.follow_journals(0)
    exported = root / "flow/export"
    wav = import_module("tasks.audio.predict").open_model(exported / "model.pt").draw_example()
    (root / "some.wav").write_bytes(wav)
    (answer,) = ask_model(open_model(exported / "model.pt"), [root / "some.wav"], top=3)
    (line,) = re.findall(r"^.*curl .*5001/invocations.*$", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
    with serve(root) as port:
        told = subprocess.run(["sh", "-c", line.replace("5001", str(port))], cwd=root, capture_output=True, text=True)
        (root / "some.wav").write_text("nothing to hear")
        bad = subprocess.run(["sh", "-c", line.replace("5001", str(port))], cwd=root, capture_output=True, text=True)
    assert json.loads(told.stdout) == {"predictions": [dict(answer.classes)]}, told
    assert "row 1 cannot be read as a sound" in bad.stdout
