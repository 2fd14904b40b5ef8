"""Reads `params/*.yaml` into typed, strict sections, and knows the keys of each section.

A file may have a section `recipe`: the sections named in `Params.heirs` inherit the keys that they do not set.
A task receives whole sections; a stage depends on exactly the keys that its sections consist of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, create_model
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.error import MarkedYAMLError

from flows.engine.errors import EngineError
from flows.engine.names import suggest_names
from flows.engine.project import ROOT
from flows.engine.redact import strip_secrets

P = TypeVar("P", bound="Params")

RECIPE = "recipe"
# Of a member, a size ...: it becomes part of the names of stages, which DVC and a shell read.
NAME = re.compile(r"[A-Za-z0-9_-]+")
KEY = "[key]"
"""The part of a fault's place by which pydantic says that a mapping's key is wrong, not its value."""
PLAIN_WORDS = {
    "Input should be": "must be", "a valid string": "a text", "a valid number": "a number",
    "a valid integer": "a whole number", "a valid boolean": "true or false",
    "greater than or equal to": "at least", "less than or equal to": "at most",
    "greater than": "above", "less than": "below", "should have": "must have",
}  # fmt: skip


class Params(BaseModel):
    """The sections of one flow's params file; each flow defines a subclass."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    heirs: ClassVar[tuple[str, ...]] = ()
    """The sections, and mappings of sections, that inherit from the section `recipe` the keys that they do not set."""
    _content: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    def key_of(self, value: object) -> str | None:
        """Return the dotted key of a section, or of a mapping of sections; None if it is not in the file."""
        return next((key for key, section in self.sections() if section is value), None)

    def sections(self) -> Iterator[tuple[str, Any]]:
        """Yield each section and each mapping of sections with its dotted key."""
        for key in type(self).model_fields:
            value = getattr(self, key)
            if isinstance(value, BaseModel | Mapping):
                yield key, value
            if isinstance(value, Mapping):
                yield from ((f"{key}.{name}", section) for name, section in value.items())

    def track(self, key: str) -> dict[str, Any]:
        """Return the file's value at each key that a section, or a mapping of sections, consists of."""
        content = dig(self._content, key)
        recipe: Mapping[str, Any] = self._content.get(RECIPE, {})
        return {key: content} | {f"{RECIPE}.{name}": recipe[name] for name in recipe if self._takes(key, content, name)}

    def _takes(self, key: str, content: Any, name: str) -> bool:
        """Return whether the section at `key`, or one nested in it, inherits a key of the recipe."""
        heir = key.partition(".")[0]
        if heir not in self.heirs or name not in find_heir(type(self), heir).model_fields:
            return False
        is_section = _is_section(find_type(type(self), key.split(".")))
        return any(name not in own for own in ([content] if is_section else content.values()))


def params_file(flow: str) -> str:
    """Return a flow's params file, relative to the project."""
    return f"params/{flow}.yaml"


def load_params(flow: str, model: type[P]) -> P:
    """Read and check a flow's params file. Raises EngineError with all errors in one message."""
    name = params_file(flow)
    return check_params(read_yaml(name), model, name)


def read_yaml(name: str) -> dict[str, Any]:
    """Read one of the project's YAML files as plain values."""
    try:
        text = (ROOT / name).read_text(encoding="utf-8")
    except OSError as error:
        raise EngineError(f"{name} cannot be read ({error.strerror}): restore it with `git restore {name}`") from error
    return parse_yaml(text, name, YAML(typ="safe", pure=True))


def parse_yaml(text: str, name: str, yaml: YAML) -> dict[str, Any]:
    """Return the sections in the text of the file `name`, read by `yaml`."""
    try:
        content = yaml.load(text)
    except YAMLError as error:
        raise EngineError(f"{name} is not valid YAML: {explain_yaml(error)}") from error
    if not isinstance(content, dict):
        raise EngineError(f"{name} must consist of sections, `name:` and indented keys, but it contains {content!r}")
    return content


def explain_yaml(error: YAMLError) -> str:
    """Return where a text stops being YAML, and why, in one line."""
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    where = f"line {error.problem_mark.line + 1}: {' '.join(str(error.problem).split())}"
    if error.context is None or error.context_mark is None:
        return where
    context = error.context.replace("flow sequence", "list in brackets").replace("flow mapping", "mapping in braces")
    return f"{where}, {context} from line {error.context_mark.line + 1} on"


def check_params(content: Mapping[str, Any], model: type[P], name: str) -> P:
    """Convert plain values to typed params. Raises EngineError with all errors in one message."""
    recipe = content.get(RECIPE, {})
    if model.heirs and not isinstance(recipe, Mapping):
        raise EngineError(f"{name}: {RECIPE} is {recipe!r}, but has keys of its own: write {RECIPE}.KEY=VALUE")
    filled = fill_in(content, model)
    found = [detail for detail in _list_faults(model, filled) if not _is_renamed(detail, model, content)]
    faults = [_explain(detail, model, content) for detail in found]
    if model.heirs:
        faults += [
            _explain({**detail, "loc": (RECIPE, *detail["loc"])}, model, content)
            for detail in _list_faults(make_recipe(model), recipe)
        ]
    faults += [
        f"{key}.{given} is no name: it must consist of letters, digits, - and _"
        for key in model.model_fields
        if is_mapping(model, [key]) and isinstance(content.get(key), Mapping)
        for given in content[key]
        if isinstance(given, str) and not NAME.fullmatch(given)
    ]
    if faults:
        raise EngineError(f"{name}: " + "; ".join(dict.fromkeys(faults)))
    params = model.model_validate(filled)
    params._content = content
    return params


def _list_faults(model: type[BaseModel], content: Any) -> list[ErrorDetails]:
    try:
        model.model_validate(content)
    except ValidationError as error:
        return _join_branches(error.errors(), model)
    return []


def _join_branches(faults: list[ErrorDetails], model: type[BaseModel]) -> list[ErrorDetails]:
    """Return one fault for a value that fits none of several types; pydantic has one for each, with the type's name."""
    joined: dict[tuple[int | str, ...], ErrorDetails] = {}
    for fault in faults:
        loc = fault["loc"]
        if KEY in loc:
            loc = loc[: loc.index(KEY) + 1]
        elif get_origin(find_type(model, [str(part) for part in loc[:-1]])) in (Union, UnionType):
            loc = loc[:-1]
        rule = _word_plainly(fault, model)
        if loc in joined:
            rule = joined[loc]["msg"] + ", or " + rule.removeprefix("must be ")
        joined[loc] = {**fault, "loc": loc, "msg": rule}
    return list(joined.values())


def _word_plainly(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """Return the rule that a value breaks, as `must be ...` where pydantic has it in its own words."""
    if fault["type"] == "string_pattern_mismatch":
        *place, name = [str(part) for part in fault["loc"]]
        return f"must be {find_type(model, place).model_fields[name].description}"
    rule = fault["msg"].removeprefix("Value error, ")
    for theirs, plain in PLAIN_WORDS.items():
        rule = rule.replace(theirs, plain)
    if fault["type"] == "string_type" and isinstance(fault["input"], int | float):
        rule += " (a number in quotes)"
    return rule


def fill_in(content: Mapping[str, Any], model: type[Params]) -> dict[str, Any]:
    """Return the content of a params file with the recipe's keys copied into each heir that does not set them."""
    recipe = content.get(RECIPE)
    if not model.heirs or not isinstance(recipe, Mapping):
        return {key: value for key, value in content.items() if key != RECIPE or not model.heirs}
    filled = {key: value for key, value in content.items() if key != RECIPE}
    for heir in [name for name in model.heirs if isinstance(filled.get(name), Mapping)]:
        fields = find_heir(model, heir).model_fields
        shared = {key: value for key, value in recipe.items() if key in fields}
        if _is_section(find_type(model, [heir])):
            filled[heir] = {**shared, **filled[heir]}
        else:
            filled[heir] = {
                name: {**shared, **own} if isinstance(own, Mapping) else own for name, own in filled[heir].items()
            }
    return filled


@cache
def make_recipe(model: type[Params]) -> type[BaseModel]:
    """Return the type of a file's section `recipe`: all keys of all heirs, none of them required."""
    fields: dict[str, Any] = {
        key: (Annotated[field.annotation, field], None)
        for heir in model.heirs
        for key, field in find_heir(model, heir).model_fields.items()
    }
    return create_model("Recipe", __config__=ConfigDict(extra="forbid", strict=True), **fields)


def find_heir(model: type[Params], heir: str) -> type[BaseModel]:
    """Return the type of an heir, or of the sections in it where it is a mapping."""
    found = find_type(model, [heir])
    section: type[BaseModel] = found if _is_section(found) else get_args(found)[-1]
    return section


def find_type(model: type[BaseModel], where: Sequence[str]) -> Any:
    """Return the type of the value at `where` in a params model; None if there can be none."""
    found: Any = model
    for part in where:
        if part == RECIPE and found is model and issubclass(model, Params) and model.heirs:
            found = make_recipe(model)
        elif _is_section(found):
            found = found.model_fields[part].annotation if part in found.model_fields else None
        else:
            found = get_args(found)[-1] if get_origin(found) is dict else None
    return found


def is_mapping(model: type[BaseModel], where: Sequence[str]) -> bool:
    """Return whether `where` in a params model is a mapping with sections of any name."""
    return get_origin(find_type(model, where)) is dict


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def list_keys(model: type[BaseModel], where: Sequence[str]) -> list[str]:
    """Return the valid keys at `where` in a params model: `any name` for a mapping, none if no section can be there."""
    found = find_type(model, where)
    if is_mapping(model, where):
        return ["any name"]
    recipe = [RECIPE] if found is model and issubclass(model, Params) and model.heirs else []
    return [*recipe, *found.model_fields] if _is_section(found) else []


def suggest_keys(wrong: str, model: type[BaseModel], where: Sequence[str], *, more: str) -> str:
    """Return which keys the section at `where` has, for a message about a wrong one."""
    return suggest_names(wrong, list_keys(model, where), listed_as="valid keys:", more=more)


def explain_change(model: type[BaseModel], where: Sequence[str]) -> str:
    """Return what became of a key that an earlier version had, as its section's `renamed` and `removed` say."""
    *parents, key = where
    for section in _list_sections(model, parents):
        if new_name := getattr(section, "renamed", {}).get(key):
            return f"was renamed: write {'.'.join([*parents, new_name])}"
        if reason := getattr(section, "removed", {}).get(key):
            return f"was removed ({reason}): delete it"
    return ""


def _list_sections(model: type[BaseModel], where: Sequence[str]) -> list[Any]:
    """Return the type of the section at `where`; the heirs' types where it is the recipe."""
    if list(where) == [RECIPE] and issubclass(model, Params):
        return [find_heir(model, heir) for heir in model.heirs]
    return [find_type(model, where)]


def _is_renamed(detail: ErrorDetails, model: type[Params], content: Mapping[str, Any]) -> bool:
    """Tell whether a key is missing because the file has it under its old name."""
    if detail["type"] != "missing":
        return False
    *place, name = detail["loc"]
    renamed: Mapping[str, str] = getattr(find_type(model, [str(part) for part in place]), "renamed", {})
    given = {**(dig(content, place) or {}), **(dig(content, [RECIPE]) or {})}
    return any(new == name and old in given for old, new in renamed.items())


def _explain(detail: ErrorDetails, model: type[BaseModel], content: Any) -> str:
    where = [str(part) for part in _locate(detail["loc"], model, content)]
    key = ".".join(where)
    if detail["type"] == "extra_forbidden":
        valid = suggest_keys(where[-1], model, where[:-1], more="the committed file explains all keys")
        return f"{key} {explain_change(model, where) or f'is not a key here; {valid}'}"
    if detail["type"] == "missing":
        inherits = issubclass(model, Params) and where[0] in model.heirs
        return f"{key} is missing: add it" + (f", or add it to {RECIPE} for all {where[0]}" if inherits else "")
    if detail["type"] in ("model_type", "dict_type"):
        return f"{key} is {strip_secrets(repr(detail['input']))}, but has keys of its own: write {key}.KEY=VALUE"
    if detail["type"] == "too_short" and isinstance(detail["input"], Mapping):
        return f"{key} is empty: add one or more, as in the committed file"
    rule = detail["msg"]
    if where[-1:] == [KEY]:
        return f"{'.'.join(where[:-2])} has the key {detail['input']!r}, but a key {rule}"
    if isinstance(detail["input"], Mapping | BaseModel):
        return f"{key}: {rule}" if key else rule
    if detail["type"] != "value_error":
        rule = rule[0].lower() + rule[1:]
    return f"{key} is {strip_secrets(repr(detail['input']))}: {rule}"


def _locate(loc: tuple[int | str, ...], model: type[BaseModel], content: Mapping[str, Any]) -> tuple[int | str, ...]:
    """Return the place of an invalid value in the file: in the recipe, if an heir inherits it."""
    if not (issubclass(model, Params) and loc and loc[0] in model.heirs):
        return loc
    own, recipe = dig(content, loc[:-1]), dig(content, [RECIPE])
    inherited = isinstance(own, Mapping) and loc[-1] not in own and isinstance(recipe, Mapping) and loc[-1] in recipe
    return (RECIPE, loc[-1]) if inherited else loc


def dig(content: Any, where: str | Sequence[str | int]) -> Any:
    """Return the value at a dotted key in nested mappings, or None."""
    for part in where.split(".") if isinstance(where, str) else where:
        if not isinstance(content, Mapping) or part not in content:
            return None
        content = content[part]
    return content
