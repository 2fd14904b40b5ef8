"""Runs tasks one by one, each in a process that has the libraries but nothing of the project imported. For tests only.

Each line of standard input names a file with a pickled function and its arguments, and a file for the records.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import sys
from pathlib import Path

HEAVY = (
    "torch",
    "torch.utils.data",
    "torchaudio",
    "torchvision.transforms",
    "matplotlib.backends.backend_agg",
    "matplotlib.pyplot",
    "pandas",
    "pyarrow.compute",
    "pyarrow.csv",
    "pydantic",
    "rich.progress",
    "scipy.fftpack",
    "scipy.signal",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "spacy.lang.en",
)


class Quiet:
    """A report that says nothing."""

    def __getattr__(self, name: str) -> object:
        return lambda *args, **kwargs: None


def run_task(pickled: Path, records: Path) -> None:
    """Call a function with its arguments, and note what of tasks/ runs and which of its modules are imported."""
    os.environ["PROFILED_RECORDS"] = str(records)
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    importlib.import_module("sitecustomize").watch()
    function, arguments = pickle.loads(pickled.read_bytes())
    function(**arguments)
    sys.settrace(None)
    with records.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"imported": sorted(name for name in sys.modules if name.split(".")[0] == "tasks")}))


def serve() -> None:
    """Fork for each line; print how the child ended."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                run_task(*map(Path, json.loads(line)))
                code = 0
            except BaseException:  # noqa: BLE001 - told as the interpreter tells it
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    sys.path[0] = str(Path.cwd())
    sys.path.append(str(Path(__file__).parent))
    sys.modules["tests.profiled.stages"] = sys.modules["__main__"]  # where its class is looked for
    for name in HEAVY:
        importlib.import_module(name)
    serve()
