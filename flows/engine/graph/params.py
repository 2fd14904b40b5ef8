"""`params/*.yaml` to typed, strict sections, each of which knows its own dotted key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML, YAMLError

from flows.engine.errors import EngineError
from flows.engine.project import ROOT
from flows.engine.redact import strip_secrets

P = TypeVar("P", bound="Params")


class Params(BaseModel):
    """All the sections of one flow's params file; a flow derives its own from it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def key_of(self, value: object) -> str | None:
        """Return the dotted key under which a section (or a mapping of sections) stands, or None."""
        return next((key for key, section in self.sections() if section is value), None)

    def sections(self) -> Iterator[tuple[str, Any]]:
        """Yield each section and each mapping of sections with its dotted key."""
        for key in type(self).model_fields:
            value = getattr(self, key)
            if isinstance(value, BaseModel | Mapping):
                yield key, value
            if isinstance(value, Mapping):
                yield from ((f"{key}.{name}", section) for name, section in value.items())


def params_file(flow: str) -> str:
    """Return a flow's params file, relative to the project."""
    return f"params/{flow}.yaml"


def load_params(flow: str, model: type[P]) -> P:
    """Read and check a flow's params file. Raises EngineError naming every fault in one message."""
    name = params_file(flow)
    return check_params(read_yaml(name), model, name)


def read_yaml(name: str) -> dict[str, Any]:
    """Read one of the project's YAML files as plain values."""
    try:
        content = YAML(typ="safe", pure=True).load((ROOT / name).read_text(encoding="utf-8"))
    except OSError as error:
        raise EngineError(f"{name} cannot be read ({error.strerror}): restore it with `git checkout {name}`") from error
    except YAMLError as error:
        raise EngineError(f"{name} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise EngineError(f"{name} must hold sections, `name:` and indented keys; it holds {content!r}")
    return content


def check_params(content: dict[str, Any], model: type[P], name: str) -> P:
    """Turn plain values into typed params. Raises EngineError naming every fault in one message."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        faults = [_explain(detail, model, content) for detail in error.errors()]
        raise EngineError(f"{name}: " + "; ".join(faults)) from None


def _explain(detail: ErrorDetails, model: type[BaseModel], content: Any) -> str:
    where = [part for part in detail["loc"] if isinstance(part, str)]
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key} is not a key here; valid keys: {', '.join(list_keys(model, where[:-1]))}"
    if detail["type"] == "missing":
        return f"{key} is missing"
    rule = detail["msg"].removeprefix("Value error, ")
    if isinstance(detail["input"], Mapping | BaseModel):
        return f"{key}: {rule}" if key else rule
    return f"{key} is {strip_secrets(repr(detail['input']))}: {rule[0].lower()}{rule[1:]}"


def list_keys(model: type[BaseModel], where: list[str]) -> list[str]:
    """Return the valid keys of the section at `where` in a params model."""
    annotation: Any = model
    for part in where:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[part].annotation if part in annotation.model_fields else None
        else:
            annotation = getattr(annotation, "__args__", (None, None))[-1]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return ["any name"]


def dig(content: Any, key: str) -> Any:
    """Return what stands at a dotted key in nested mappings, or None."""
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            return None
        content = content[part]
    return content
