"""The project's folders and flows."""

import re
from pathlib import Path

from flows.engine.errors import EngineError

ROOT = Path(__file__).resolve().parents[2]
# `dvc exp run --temp` and `--queue` compute in a copy in the project's `.dvc/tmp/exps`, which DVC deletes at the end.
ORIGIN = next((place.parents[2] for place in ROOT.parents if place.parts[-3:] == (".dvc", "tmp", "exps")), ROOT)
STATE = ORIGIN / ".trifold"
# A module with a line that begins like this is a flow.
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
                f"flows/{name}.py is a flow, but params/{name}.yaml is missing: `git restore params/{name}.yaml` "
                "restores it; for a new flow, create it with the flow's sections"
            )
    return sorted(modules.keys() & with_params)


def make_state_folder(*parts: str) -> Path:
    """Return a folder below `.trifold`; it is created when missing."""
    folder = STATE.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
