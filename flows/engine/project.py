"""Where things are: the project's folder and what is in it."""

import re
from pathlib import Path

from flows.engine.errors import EngineError

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".trifold"
# What makes a module a flow, at the beginning of a line.
_PIPELINE = re.compile(r"^@(\w+\.)*pipeline\(", re.MULTILINE)


def list_flows() -> list[str]:
    """Return the names of the project's flows: each has a module in `flows/` and a file in `params/`.

    Raises EngineError when a flow has no params file: without it, its stages would leave dvc.yaml unnoticed.
    """
    modules = {path.stem: path for path in (ROOT / "flows").glob("*.py")}
    with_params = {path.stem for path in (ROOT / "params").glob("*.yaml")}
    for name in sorted(modules.keys() - with_params):
        if _PIPELINE.search(modules[name].read_text(encoding="utf-8")):
            raise EngineError(
                f"flows/{name}.py is a flow, and params/{name}.yaml is missing: `git restore params/{name}.yaml` "
                "brings it back; a new flow needs one with its sections"
            )
    return sorted(modules.keys() & with_params)


def make_state_folder(*parts: str) -> Path:
    """Return a folder below the ignored state folder, made when it is missing."""
    folder = STATE.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
