"""A stage: one call of a task function in a flow, with everything that determines its result."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from flows.engine.errors import EngineError
from flows.engine.graph.definitions import hash_text
from flows.engine.graph.fingerprint import Code
from flows.engine.graph.params import Params, params_file
from flows.engine.names import suggest_names
from flows.engine.project import ROOT

PLAIN = (bool, int, float, str)
LONGEST_NAME = 150


@dataclass(frozen=True)
class Artifact:
    """The output folder of a stage, or a file in it, relative to the project."""

    stage: str
    path: str
    file: str = ""

    def part(self, file: str) -> Artifact:
        """Return a file of this folder: a stage that reads no other stays fresh when others change."""
        return Artifact(self.stage, f"{self.path}/{file}", file)


class Role(Enum):
    """The role of a stage's output for the report, the registry and the benchmarks, independent of the stage's name.

    A flow that has a report or registers a model has exactly one stage of each role in `ONCE`, and at least one fit.
    """

    ARCHIVE = "the raw data"
    CLEAN_TABLE = "the clean table"
    FOLDS = "the folds"
    RANGE_TEST = "a learning-rate range test"
    FIT = "a fit"
    PREDICTIONS = "the ensemble's predictions"
    EVALUATION = "the evaluation"
    AUDIT = "the label audit"


TEST_DATA = (Role.ARCHIVE, Role.CLEAN_TABLE, Role.FOLDS)
ONCE = (*TEST_DATA, Role.PREDICTIONS, Role.EVALUATION)


@dataclass(frozen=True)
class Registered:
    """How a stage's output becomes a version of the registered model that has the flow's name.

    The module `loader` opens the model and reads its inputs, as `tasks/audio/predict.py` does. `judge` compares the
    table `test.csv` of the flow's predictions with the champion's (`engine/registry/gate.py`), by the metric that the
    params have at the dotted key `metric`. `explainer` draws which parts of a file supported the class; None where that
    cannot be drawn.
    """

    loader: ModuleType
    judge: ModuleType
    metric: str
    explainer: ModuleType | None = None


@dataclass(frozen=True)
class Published:
    """What a stage's output is published as: metrics files, plots with their axes for DVC, a registered model."""

    metrics: tuple[str, ...] = ()
    plots: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    model: Registered | None = None


@dataclass(frozen=True)
class Stage:
    """One call of a task function with everything that determines its result: one Prefect task run, one DVC stage."""

    name: str
    flow: str
    function: Callable[..., None]
    arguments: Mapping[str, Any]
    params: Params
    learns: bool
    published: Published
    role: Role | None = None
    extra_deps: tuple[str, ...] = ()
    # The output is updated file by file, because other processes read it meanwhile.
    persists: bool = False
    # The fingerprint of its code as the driver read it; the stage's process compares it with the code on disk.
    fingerprint: str = ""

    @property
    def artifact(self) -> Artifact:
        """The output folder."""
        folder = self.name.removeprefix(f"{self.flow}-")
        return Artifact(self.name, f"data/{self.flow}/{folder}" if self.flow else f"data/{folder}")

    @cached_property
    def inputs(self) -> list[Artifact]:
        """The artifacts that the stage reads, in the order of its arguments."""
        return [a for value in self.arguments.values() for a in as_list(value) if isinstance(a, Artifact)]

    @cached_property
    def sections(self) -> dict[str, Any]:
        """The params sections that the stage reads, by dotted key."""
        keys = ((self.params.key_of(value), value) for value in self.arguments.values())
        return {key: value for key, value in keys if key is not None}

    @cached_property
    def code(self) -> Code:
        """The code that determines the result: the function, its sections' classes, and the modules that those name."""
        classes = {type(section) for section in self.list_sections()}
        named = {module for section in self.list_sections() for module in section.modules()}
        begins = {_name_definition(self.function), *map(_name_definition, classes)}
        # The loader opens its output.
        loaders = {self.published.model.loader.__name__} if self.published.model else set()
        return Code(self._name_code(classes, named), frozenset(begins), frozenset(named | loaders))

    def _name_code(self, classes: set[type], modules: set[str]) -> str:
        """Return the task's name and what distinguishes this code, such as `learning.train.fit.audio.melnet`."""
        place = self.function.__module__.removeprefix("tasks.")
        words = [module.removeprefix("tasks.").split(".") for module in sorted(modules)]
        domains = sorted({parts[0] for parts in words} - {place.partition(".")[0]})
        known = set(re.findall(r"\w+", str(inspect.signature(self.function))))
        apart = [*(parts[-1] for parts in words), *sorted({item.__name__ for item in classes} - known)]
        name = ".".join(filter(None, [place, self.function.__name__, "+".join(domains), "+".join(apart)]))
        return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}~{hash_text(name)}"

    @cached_property
    def files(self) -> list[str]:
        """Files and folders outside the pipeline that the stage's sections name, as DVC names them."""
        return sorted({_name_path(name) for section in self.list_sections() for name in section.files()})

    @property
    def deps(self) -> list[str]:
        """Everything whose change makes the stage run again, except its params and its command."""
        code = [self.code.path] if self.flow else []
        return list(dict.fromkeys([*code, *(a.path for a in self.inputs), *self.extra_deps, *self.files]))

    @property
    def command(self) -> str:
        """The command that `dvc repro` runs. It contains the plain values, so changing one changes the command."""
        plain = [
            shlex.quote(f"{key}={json.dumps(value)}")
            for key, value in self.arguments.items()
            if isinstance(value, PLAIN) and value is not None
        ]
        return " ".join([f"python -m flows stage {self.name}", *plain])

    @property
    def values(self) -> dict[str, Any]:
        """The plain values of every section that the stage reads, by dotted key."""
        return {key: _dump(value) for key, value in self.sections.items()}

    @cached_property
    def tracked(self) -> dict[str, Any]:
        """The params file's value at each key that the stage reads, as DVC compares it."""
        return {key: value for section in self.sections for key, value in self.params.track(section).items()}

    def list_sections(self) -> Iterator[Any]:
        """Return the sections that the stage reads, those of a mapping one by one."""
        for value in self.sections.values():
            yield from value.values() if isinstance(value, Mapping) else [value]


def _name_path(name: str) -> str:
    """Return a path relative to the project if it is inside, else absolute."""
    path = Path(os.path.normpath(ROOT / Path(name).expanduser()))
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _name_definition(defined: Callable[..., None] | type) -> str:
    return f"{defined.__module__}:{defined.__qualname__.partition('.')[0]}"


def _dump(section: Any) -> Any:
    if isinstance(section, Mapping):
        return {name: _dump(item) for name, item in section.items()}
    return section.model_dump()


def as_list(value: Any) -> list[Any]:
    """Return the items of a list or tuple, or the value alone."""
    return list(value) if isinstance(value, list | tuple) else [value]


def suggest_stages(name: str, known: Collection[str]) -> str:
    """Return which stages there are, for a message about a wrong name."""
    return suggest_names(name, known, listed_as="the stages are", more="`python -m flows graph` lists all stages")


def refuse_missing_files(stages: Iterable[Stage]) -> None:
    """Raise EngineError when a stage's sections name a file or folder outside the pipeline that does not exist."""
    for stage in stages:
        if missing := [name for name in stage.files if not (ROOT / name).exists()]:
            raise EngineError(
                f"{stage.name} needs {missing[0]}, which does not exist: correct the path in --set or in "
                f"{params_file(stage.flow)}"
            )


def choose_stages(stages: list[Stage], names: list[str]) -> list[Stage]:
    """Return the named stages and all stages that they need, in order; by default all stages."""
    known = {stage.name: stage for stage in stages}
    if unknown := [name for name in names if name not in known]:
        raise EngineError(f"there is no stage {unknown[0]!r}; {suggest_stages(unknown[0], known)}")
    wanted, waiting = set(), list(names or known)
    while waiting:
        if (name := waiting.pop()) not in wanted:
            wanted.add(name)
            waiting += [artifact.stage for artifact in known[name].inputs]
    return [stage for stage in stages if stage.name in wanted]
