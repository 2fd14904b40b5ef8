"""Presets and overrides: checked first, then the params file and dvc.yaml are rewritten together."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from flows.engine.errors import EngineError
from flows.engine.files import write_whole
from flows.engine.graph.dvc_yaml import load_pipeline, render_graph
from flows.engine.graph.params import check_params, dig, params_file, read_yaml
from flows.engine.project import ROOT, make_state_folder
from flows.engine.redact import strip_secrets


def apply_overrides(flow: str, *, preset: str, overrides: list[str]) -> str:
    """Rewrite a flow's params file and dvc.yaml, both or neither, comments kept; return a line that says so.

    A preset starts from the committed file; overrides alone from the file as it stands.
    Raises EngineError, before anything is written, when a key or a value is not valid.
    """
    name = params_file(flow)
    text = _read_committed(name) if preset else (ROOT / name).read_text(encoding="utf-8")
    _write(flow, _change(flow, text, preset, overrides))
    held = _describe(preset, overrides)
    return f"{name} and dvc.yaml now hold {held}; `git restore params dvc.yaml` undoes that"


def start_from_committed(flow: str, *, preset: str, overrides: list[str]) -> str:
    """Rewrite a flow's params file to the committed one with these changes; return a line that says so.

    What stood there otherwise, such as an edit that was not committed, is kept in `.trifold/replaced`. Raises
    EngineError as `apply_overrides` does, and where git has no such file.
    """
    name = params_file(flow)
    text = committed = _read_committed(name)
    if preset or overrides:
        text = _change(flow, committed, preset, overrides)
    standing = (ROOT / name).read_text(encoding="utf-8")
    told = f"{name} as committed" + (f", with {_describe(preset, overrides)}" if preset or overrides else "")
    if standing not in (committed, text):
        digest = hashlib.blake2b(standing.encode(), digest_size=4).hexdigest()
        kept = make_state_folder("replaced") / f"{flow}-{digest}.yaml"
        kept.write_text(standing, encoding="utf-8")
        told += f"; what stood there is kept in {kept.relative_to(ROOT)}"
    _write(flow, text)
    return told


def merge_preset(content: Any, preset: Mapping[str, Any]) -> None:
    """Lay a preset over the params: keys one by one, a mapping of sections (members) as a whole."""
    for key, value in preset.items():
        known = content.get(key)
        holds_sections = isinstance(known, Mapping) and any(isinstance(one, Mapping) for one in known.values())
        if isinstance(known, Mapping) and not holds_sections:
            content[key].update(value)
        else:
            content[key] = value


def _describe(preset: str, overrides: list[str]) -> str:
    return strip_secrets(", ".join([*([f"preset {preset}"] if preset else []), *overrides]))


def _change(flow: str, text: str, preset: str, overrides: list[str]) -> str:
    """Return the text of a params file with a preset and then overrides laid over it, comments kept."""
    yaml = YAML()
    yaml.width = 110
    content = yaml.load(text)
    if preset:
        merge_preset(content, _read_preset(flow, preset))
    for override in overrides:
        _set(content, override, params_file(flow))
    written = StringIO()
    yaml.dump(content, written)
    return written.getvalue()


def _write(flow: str, text: str) -> None:
    """Check the text of a params file, then write it and dvc.yaml, each where it differs."""
    name = params_file(flow)
    plain = YAML(typ="safe", pure=True).load(text)
    texts = {name: text, "dvc.yaml": render_graph({flow: check_params(plain, load_pipeline(flow).model, name)})}
    write_whole({ROOT / name: text for name, text in texts.items() if not _holds(ROOT / name, text)})


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _read_committed(name: str) -> str:
    shown = subprocess.run(["git", "show", f"HEAD:./{name}"], cwd=ROOT, capture_output=True, text=True, check=False)
    if shown.returncode:
        raise EngineError(
            f"a preset or a deployment starts from the committed {name}, and git has none: {shown.stderr.strip()}"
        )
    return shown.stdout


def _read_preset(flow: str, preset: str) -> Mapping[str, Any]:
    names = sorted(p.stem.removeprefix(f"{flow}-") for p in (ROOT / "params/presets").glob(f"{flow}-*.yaml"))
    if preset not in names:
        raise EngineError(f"there is no preset {preset!r} for {flow}; there are: {', '.join(names) or 'none'}")
    return read_yaml(f"params/presets/{flow}-{preset}.yaml")


def _set(content: Any, override: str, name: str) -> None:
    key, equals, text = override.partition("=")
    *where, last = key.split(".")
    section = dig(content, ".".join(where)) if where else content
    if not equals or not isinstance(section, Mapping) or last not in section:
        valid = ", ".join(_list_valid(content, where))
        raise EngineError(f"--set {override}: {key} is not a key of {name} (write KEY=VALUE); valid keys: {valid}")
    try:
        section[last] = YAML(typ="safe", pure=True).load(text)  # type: ignore[index]
    except YAMLError:
        raise EngineError(f"--set {override}: {text!r} is not a YAML value; write {key}=VALUE") from None


def _list_valid(content: Any, where: list[str]) -> list[str]:
    """Return the keys at the deepest section that there is on the way to a wrong one."""
    while where and not isinstance(dig(content, ".".join(where)), Mapping):
        where = where[:-1]
    return [".".join([*where, one]) for one in (dig(content, ".".join(where)) if where else content)]
