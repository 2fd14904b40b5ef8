"""Presets and overrides: checked first, then the params file and dvc.yaml are rewritten together."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML, YAMLError

from flows.engine.errors import EngineError
from flows.engine.files import write_whole
from flows.engine.graph import load_pipeline, render_graph
from flows.engine.params import check_params, dig, params_file, read_yaml
from flows.engine.project import ROOT
from flows.engine.redact import strip_secrets


def apply_overrides(flow: str, *, preset: str, overrides: list[str]) -> str:
    """Rewrite a flow's params file and dvc.yaml, both or neither, comments kept; return a line that says so.

    A preset starts from the committed file; overrides alone from the file as it stands.
    Raises EngineError, before anything is written, when a key or a value is not valid.
    """
    name = params_file(flow)
    model = load_pipeline(flow).model
    text = _read_committed(name) if preset else (ROOT / name).read_text(encoding="utf-8")
    yaml = YAML()
    yaml.width = 110
    content = yaml.load(text)
    if preset:
        _merge(content, _read_preset(flow, preset))
    for override in overrides:
        _set(content, override, name)
    written = StringIO()
    yaml.dump(content, written)
    plain = YAML(typ="safe", pure=True).load(written.getvalue())
    graph = render_graph({flow: check_params(plain, model, name)})
    write_whole({ROOT / name: written.getvalue(), ROOT / "dvc.yaml": graph})
    said = ", ".join([*([f"preset {preset}"] if preset else []), *overrides])
    return f"{name} and dvc.yaml now hold {strip_secrets(said)}; `git restore params dvc.yaml` undoes that"


def _read_committed(name: str) -> str:
    shown = subprocess.run(["git", "show", f"HEAD:./{name}"], cwd=ROOT, capture_output=True, text=True, check=False)
    if shown.returncode:
        raise EngineError(f"a preset starts from the committed {name}, and git has none: {shown.stderr.strip()}")
    return shown.stdout


def _read_preset(flow: str, preset: str) -> Mapping[str, Any]:
    names = sorted(p.stem.removeprefix(f"{flow}-") for p in (ROOT / "params/presets").glob(f"{flow}-*.yaml"))
    if preset not in names:
        raise EngineError(f"there is no preset {preset!r} for {flow}; there are: {', '.join(names) or 'none'}")
    return read_yaml(f"params/presets/{flow}-{preset}.yaml")


def _merge(content: Any, preset: Mapping[str, Any]) -> None:
    """Lay a preset over the params: keys one by one, a mapping of sections (members) as a whole."""
    for key, value in preset.items():
        known = content.get(key)
        holds_sections = isinstance(known, Mapping) and any(isinstance(one, Mapping) for one in known.values())
        if isinstance(known, Mapping) and not holds_sections:
            content[key].update(value)
        else:
            content[key] = value


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
