"""TorchScript files that are the same bytes each time and need only torch."""

import io
import multiprocessing
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.learning.checkpoints import save_to_bytes, write_whole

TOLERANCE = 1e-4
CONSTANTS = re.compile(rb"(?:^  \w+ : Final\[.*\n)+", re.MULTILINE)
DEBUG_RECORDS = re.compile(r"\.debug_pkl$|^\.data/|^(version|byteorder)$")
ALONE = """
import io, sys, torch
model = torch.jit.load(sys.argv[1])
with torch.inference_mode():
    answer = model(torch.load(io.BytesIO(sys.stdin.buffer.read()), weights_only=True))
buffer = io.BytesIO()
torch.save(answer, buffer)
sys.stdout.buffer.write(buffer.getvalue())
"""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class ExportError(Exception):
    """The exported file gives other results than the Python model: a bug in the project, not a mistake of the user."""


def run_fresh(work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Call a function in a new process: the file holds a number that torch counts up with each class it scripts."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()


def save_script(model: torch.nn.Module, path: Path) -> None:
    """Script a module in evaluation mode and save it without its source paths.

    `torch.jit.load` of the file returns a module with the attributes of the original.
    """
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(model.eval()), buffer)
    write_whole(path, make_reproducible(buffer.getvalue()))


def make_reproducible(archive: bytes) -> bytes:
    """Return a TorchScript archive without the records that name the Python source files.

    A class's constants are sorted, because torch lists them in the order of the process's hashes.
    """
    reader: Any = torch._C.PyTorchFileReader(io.BytesIO(archive))
    stripped = io.BytesIO()
    writer: Any = torch._C.PyTorchFileWriter(stripped)
    for name in reader.get_all_records():
        if not DEBUG_RECORDS.search(name):
            record = reader.get_record(name)
            if name.endswith(".py"):
                record = CONSTANTS.sub(_sort_lines, record)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    return stripped.getvalue()


def _sort_lines(lines: re.Match[bytes]) -> bytes:
    return b"".join(sorted(lines.group().splitlines(keepends=True)))


def check_alone(model: Path, example: NDArray[np.generic], expected: NDArray[np.float32]) -> float:
    """Run a TorchScript file in a new process with torch alone; return its largest difference from `expected`.

    Raises ExportError when it fails there or the difference is above 1e-4.
    """
    batch = save_to_bytes(torch.from_numpy(example))
    command = [sys.executable, "-I", "-c", ALONE, str(model)]
    done = subprocess.run(command, input=batch, capture_output=True, check=False)
    if done.returncode:
        raise ExportError(f"{model.name} does not run with torch alone: {done.stderr.decode()[-2000:]}")
    answer = torch.load(io.BytesIO(done.stdout), weights_only=True).numpy()
    if answer.shape != expected.shape:
        raise ExportError(f"{model.name} returns the shape {answer.shape}, the Python model {expected.shape}")
    furthest = float(np.abs(answer - expected).max())
    if not furthest <= TOLERANCE:
        raise ExportError(f"{model.name} differs from the Python model by {furthest:.2g}, more than {TOLERANCE:g}")
    return furthest
