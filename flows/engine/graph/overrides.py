"""Presets and overrides: they are checked first, then the params file and dvc.yaml are rewritten together."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.tokens import CommentToken

from flows.engine.errors import EngineError
from flows.engine.files import write_whole
from flows.engine.graph.dvc_yaml import load_pipeline, render_graph
from flows.engine.graph.params import (
    Params,
    check_params,
    explain_change,
    find_type,
    is_mapping,
    list_keys,
    params_file,
    parse_yaml,
    read_yaml,
    suggest_keys,
)
from flows.engine.machine import explain_refusal
from flows.engine.names import suggest_names
from flows.engine.project import ROOT, make_state_folder
from flows.engine.redact import strip_secrets


def apply_overrides(flow: str, *, preset: str, overrides: list[str]) -> str:
    """Rewrite a flow's params file and dvc.yaml, both or neither, and keep comments; return a message for the user.

    A preset starts from the committed file, overrides alone from the current file. A file that was edited since the
    last commit is first copied to `.trifold/replaced`.
    Raises EngineError, before anything is written, when a key or a value is not valid.
    """
    text = _change_file(flow, preset, overrides)
    params = _check(flow, text)
    undo = _keep_edited(flow, text) or f"; to undo: `git restore {params_file(flow)} dvc.yaml`"
    _write(flow, text, params)
    return f"{params_file(flow)} and dvc.yaml now have {_describe(preset, overrides)}{undo}"


def start_from_committed(flow: str, *, preset: str, overrides: list[str]) -> str:
    """Reset a flow's params file to the committed one and apply these changes; return a message for the user.

    A file that was edited since the last commit is first copied to `.trifold/replaced`. Raises
    EngineError as `apply_overrides` does, and where git has no such file.
    """
    name = params_file(flow)
    text = _read_committed(name)
    if preset or overrides:
        text = _change(flow, text, preset, overrides)
    params = _check(flow, text)
    message = f"{name} as committed" + (f", with {_describe(preset, overrides)}" if preset or overrides else "")
    message += _keep_edited(flow, text)
    _write(flow, text, params)
    return message


def _keep_edited(flow: str, text: str) -> str:
    """Copy a params file that differs from the committed one before `text` replaces it; return where, or nothing."""
    name = params_file(flow)
    standing = (ROOT / name).read_text(encoding="utf-8")
    if standing in (text, _show_committed(name).stdout):
        return ""
    digest = hashlib.blake2b(standing.encode(), digest_size=4).hexdigest()
    kept = make_state_folder("replaced") / f"{flow}-{digest}.yaml"
    kept.write_text(standing, encoding="utf-8")
    return f"; the previous file is kept in {kept.relative_to(ROOT)}"


def read_changed(flow: str, *, preset: str, overrides: list[str]) -> Params:
    """Return the params that `apply_overrides` would write; nothing is written."""
    load_pipeline(flow)  # names the flows when there is no such flow
    return _check(flow, _change_file(flow, preset, overrides))


def _change_file(flow: str, preset: str, overrides: list[str]) -> str:
    name = params_file(flow)
    text = _read_committed(name) if preset else (ROOT / name).read_text(encoding="utf-8")
    return _change(flow, text, preset, overrides)


def _lay_preset(content: Any, preset: Mapping[str, Any], model: type[Params]) -> None:
    """Apply a preset to the params.

    The keys of a section, including the recipe, are replaced one by one. A mapping of sections, such as the
    members, is replaced as a whole: a preset that has members must have all of them.
    """
    for key, value in preset.items():
        if is_mapping(model, [key]) or not isinstance(content.get(key), Mapping):
            content[key] = _convert(value)
        else:
            for name, setting in value.items():
                _put(content[key], name, setting)


def _convert(value: Any) -> Any:
    """Return plain mappings as those of the params file, so that an override can change a key in them."""
    return CommentedMap({key: _convert(one) for key, one in value.items()}) if isinstance(value, Mapping) else value


def _describe(preset: str, overrides: list[str]) -> str:
    return strip_secrets(", ".join([*([f"preset {preset}"] if preset else []), *overrides]))


def _change(flow: str, text: str, preset: str, overrides: list[str]) -> str:
    """Return the text of a params file after applying a preset and then overrides, with its comments."""
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 110, True
    content = parse_yaml(text, params_file(flow), yaml)
    if preset:
        _lay_preset(content, _read_preset(flow, preset), load_pipeline(flow).model)
    for override in overrides:
        _set(content, override, flow)
    written = StringIO()
    yaml.dump(content, written)
    return written.getvalue()


def _write(flow: str, text: str, params: Params) -> None:
    """Write the text of a params file, which has these params, and dvc.yaml, each only if it changed."""
    texts = {params_file(flow): text, "dvc.yaml": render_graph({flow: params})}
    write_whole({ROOT / name: text for name, text in texts.items() if not _holds(ROOT / name, text)})


def _check(flow: str, text: str) -> Params:
    content = parse_yaml(text, params_file(flow), YAML(typ="safe", pure=True))
    return check_params(content, load_pipeline(flow).model, params_file(flow))


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _read_committed(name: str) -> str:
    shown = _show_committed(name)
    if shown.returncode:
        if refusal := explain_refusal(ROOT):
            raise EngineError(refusal)
        raise EngineError(
            f"a preset or a deployment starts from the committed {name}, but git has none ({shown.stderr.strip()}): "
            f"commit it with `git add {name}` and `git commit`"
        )
    return shown.stdout


def _show_committed(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "show", f"HEAD:./{name}"], cwd=ROOT, capture_output=True, text=True, check=False)


def _read_preset(flow: str, preset: str) -> Mapping[str, Any]:
    names = sorted(p.stem.removeprefix(f"{flow}-") for p in (ROOT / "params/presets").glob(f"{flow}-*.yaml"))
    if preset not in names:
        known = suggest_names(preset, names, listed_as="its presets are", more="params/presets/ has all presets")
        raise EngineError(f"there is no preset {preset!r} for {flow}; {known}")
    name = f"params/presets/{flow}-{preset}.yaml"
    content, model = read_yaml(name), load_pipeline(flow).model
    for where in _list_places(content, model):
        if find_type(model, where) is None:
            valid = _suggest_keys(model, where, more=f"{params_file(flow)} explains all keys")
            raise EngineError(f"{name}: {'.'.join(where)} is not a key; {valid}")
    return content


def _list_places(content: Mapping[str, Any], model: type[Params], at: Sequence[str] = ()) -> Iterator[list[str]]:
    """Yield where each key of a preset is, those of its sections included."""
    for key, value in content.items():
        where = [*at, str(key)]
        yield where
        if isinstance(value, Mapping) and list_keys(model, where):
            yield from _list_places(value, model, where)


def _set(content: Any, override: str, flow: str) -> None:
    """Set one key; a section is added where any name is valid, as for members."""
    key, equals, text = override.partition("=")
    where = key.split(".")
    model, name = load_pipeline(flow).model, params_file(flow)
    if find_type(model, where) is None and (change := explain_change(model, where)):
        raise EngineError(f"--set {override}: {key} {change}")
    if find_type(model, where) is None:
        valid = _suggest_keys(model, where, more=f"{name} explains all keys")
        raise EngineError(f"--set {override}: {key} is not a key of {name}; {valid}")
    if not equals:
        below = ".KEY" if list_keys(model, where) else ""
        raise EngineError(f"--set {override} has no value: write {key}{below}=VALUE")
    try:
        value = _read_value(text)
    except YAMLError as error:
        quoted = shlex.quote(f"{key}={json.dumps(text, ensure_ascii=False)}")
        fault = getattr(error, "problem", None) or error
        raise EngineError(
            f"--set {override}: {text!r} is not valid YAML: {fault}; if it is meant as a text: --set {quoted}"
        ) from None
    while len(where) > 1 and isinstance(content.get(where[0]), CommentedMap):
        content = content[where.pop(0)]
    for part in reversed(where[1:]):
        value = CommentedMap({part: value})
    _put(content, where[0], _convert(value))


def _read_value(text: str) -> Any:
    """Return a value as YAML reads it, "" for nothing. Raises YAMLError also for the start of a text of many lines."""
    if text in ("|", ">"):
        raise YAMLError(f"no text follows {text}")
    return YAML(typ="safe", pure=True).load(text) if text else ""


def _put(section: CommentedMap, key: str, value: Any) -> None:
    """Set a key; a new key is inserted before the blank lines and comments that precede the next section."""
    after = None if key in section else _cut_trailing(section)
    section[key] = value
    if after:
        place, last = _find_last(section)
        place.ca.items[last] = [None, None, after, None]


def _cut_trailing(section: CommentedMap) -> CommentToken | None:
    """Remove the lines after a section from its last key, whose own comment stays, and return them."""
    place, last = _find_last(section)
    token = (place.ca.items.get(last) or [None] * 3)[2]
    own, newline, rest = token.value.partition("\n") if token else ("", "", "")
    if not rest:
        return None
    token.value = own + newline
    return CommentToken(newline + rest, token.start_mark, None)


def _find_last(section: CommentedMap) -> tuple[CommentedMap, str]:
    """Return the last key of a section, or of its last nested section, and the mapping that holds the key."""
    last = next(reversed(section), "")
    below = section.get(last)
    return _find_last(below) if isinstance(below, CommentedMap) and below else (section, last)


def _suggest_keys(model: type[Params], where: list[str], *, more: str) -> str:
    """Return which keys the deepest existing section on the path to an invalid key has."""
    *parents, wrong = where
    while parents and not list_keys(model, parents):
        *parents, wrong = parents
    return suggest_keys(wrong, model, parents, more=more)
