"""Where things are: the project's folder and what is in it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".trifold"


def list_flows() -> list[str]:
    """Return the names of the project's flows: each has a module in `flows/` and a file in `params/`."""
    return sorted(p.stem for p in (ROOT / "params").glob("*.yaml") if (ROOT / "flows" / f"{p.stem}.py").is_file())


def make_state_folder(*parts: str) -> Path:
    """Return a folder below the ignored state folder, made when it is missing."""
    folder = STATE.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
