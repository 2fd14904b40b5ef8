"""The params files and presets: no repetition, a stage's keys, and the lines for a new member."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import BaseModel
from ruamel.yaml import YAML

from flows.engine.errors import EngineError
from flows.engine.graph.dvc_yaml import load_pipeline
from flows.engine.graph.overrides import read_changed
from flows.engine.graph.params import RECIPE, check_params, dig, is_mapping, parse_yaml, read_yaml
from flows.engine.graph.stage import Role
from flows.engine.project import ROOT, list_flows
from tasks.learning.networks import build_network
from tasks.learning.recipe import list_networks
from tests.tasks.problem import make_problem

PRESETS = [
    (flow, path.stem.removeprefix(f"{flow}-"))
    for flow in list_flows()
    for path in sorted((ROOT / "params/presets").glob(f"{flow}-*.yaml"))
]
FILES = [(flow, "") for flow in list_flows()] + PRESETS


def read(flow: str, preset: str = "", *overrides: str) -> Any:
    return read_changed(flow, preset=preset, overrides=list(overrides))


def list_leaves(content: Mapping[str, Any], *where: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from list_leaves(value, *where, key)
        else:
            yield (*where, key), value


RENAMED = {
    "recipe": ("thaw_epochs", "recipe.thaw_epochs was renamed: write recipe.unfreeze_epochs"),
    "members.lstm": ("thaw_epochs", "members.lstm.thaw_epochs was renamed: write members.lstm.unfreeze_epochs"),
    "ngrams.nbsvm": ("freedom", "ngrams.nbsvm.freedom was renamed: write ngrams.nbsvm.c"),
}


@pytest.mark.parametrize("section", RENAMED)
def test_a_renamed_key_is_refused_with_its_new_name(section: str) -> None:
    key, message = RENAMED[section]
    content, model = read_yaml("params/text.yaml"), load_pipeline("text").model
    dig(content, section)[key] = 1
    with pytest.raises(EngineError, match=re.escape(message)):
        check_params(content, model, "params/text.yaml")
    with pytest.raises(EngineError, match=re.escape(message)):
        read("text", "", f"{section}.{key}=1")


SEPARATOR = "must be auto (recognised), tab, or the one character between values: no letter, digit, quote or blank"


@pytest.mark.parametrize(
    ("flow", "override", "message"),
    [
        ("audio", "recipe.lr=fast", "recipe.lr is 'fast': must be 'auto', or a number"),
        ("audio", "compute.threads=0", "compute.threads is 0: must be at least 1, or 'auto'"),
        ("audio", "recipe=3", "recipe is 3, but has keys of its own: write recipe.KEY=VALUE"),
        ("audio", "source=3", "source is 3, but has keys of its own: write source.KEY=VALUE"),
        ("text", "clean.separator=tabs", f"clean.separator is 'tabs': {SEPARATOR}"),
        ("text", "clean.separator=\\t", f"clean.separator is '\\\\t': {SEPARATOR}"),
        ("text", "clean.columns.label={a: b}", "clean.columns.label: must be a text, or a whole number"),
        ("text", "clean.columns.text=null", "clean.columns.text is None: must be a text, or a whole number"),
        (
            "text",
            "clean.labels=[good]",
            "clean.labels is ['good'], but has keys of its own: write clean.labels.KEY=VALUE",
        ),
        ("text", "clean.labels={1: 2}", "clean.labels.1 is 2: must be a text (a number in quotes)"),
        (
            "text",
            "clean.labels={1.5: good}",
            "clean.labels has the key 1.5, but a key must be a text (a number in quotes), or a whole number",
        ),
        ("text", "tokens.lower=1", "tokens.lower is 1: must be true or false"),
        ("audio", "members={}", "members is empty: add one or more, as in the committed file"),
        ("images", "folds.mode=date", "folds.mode is 'date': must be 'holdout', 'cross_validation' or 'own'"),
        ("audio", "compute.replicas=3", "compute.replicas is 3: must be 1, 2, 4, 8, 16, 32 or 64"),
        (
            "images",
            "members.compactnet.network=resnet18",
            "members.compactnet.network is 'resnet18': was removed: write `network: torchvision` with `model: "
            "resnet18`",
        ),
        (
            "images",
            "source.archive=addresses",
            "source.archive is addresses, but addresses.file is empty: --set addresses.file=PATH names a CSV table "
            "with the columns url, class and type",
        ),
        ("images", "sizes.tiny=32", "sizes.tiny is 32, but has keys of its own: write sizes.tiny.KEY=VALUE"),
    ],
)
def test_a_wrong_value_has_one_message(flow: str, override: str, message: str) -> None:
    with pytest.raises(EngineError) as error:
        read(flow, "", override)
    assert str(error.value) == f"params/{flow}.yaml: {message}"


def test_a_path_keeps_its_capitals_in_a_message() -> None:
    with pytest.raises(EngineError, match=r"transformers\.d\.weights is 'FOLDER': FOLDER: there is no such folder"):
        read("text", "", "transformers.d={weights: FOLDER}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sample:\n  clips: [1\n",
            "line 3: expected ',' or ']', but got '<stream end>', while parsing a list in brackets from",
        ),
        ("a:\n  b: 1\n  b: 2\n", 'line 3: found duplicate key "b" with value "2"'),
    ],
)
def test_invalid_yaml_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(EngineError) as error:
        parse_yaml(text, "params/audio.yaml", YAML(typ="safe", pure=True))
    assert str(error.value).startswith(f"params/audio.yaml is not valid YAML: {message}")
    assert "\n" not in str(error.value) and "http" not in str(error.value)


@pytest.mark.parametrize("text", [",", "|"])
def test_a_separator_that_yaml_reads_otherwise_is_refused_with_its_quotes(text: str) -> None:
    with pytest.raises(EngineError) as error:
        read("text", "", f"clean.separator={text}")
    assert f"{text!r} is not valid YAML: " in str(error.value)
    assert str(error.value).endswith(f"; if it is meant as a text: --set 'clean.separator=\"{text}\"'")
    assert read("text", "", f'clean.separator="{text}"').clean.separator == text


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "members.lstm.epoch=1",
            "did you mean epochs or head_epochs or unfreeze_epochs (params/text.yaml explains all keys)?",
        ),
        ("member.lstm.epochs=1", "did you mean members (params/text.yaml explains all keys)?"),
        (
            "members.lstm.zzzzzz=1",
            "members.lstm.zzzzzz is not a key of params/text.yaml; params/text.yaml explains all keys",
        ),
        ("clean.columns.txt=1", "valid keys: label, text, user, date"),
        (
            "members.lstm={epoch: 1}",
            "did you mean epochs or head_epochs or unfreeze_epochs (the committed file explains all keys)?",
        ),
    ],
)
def test_a_wrong_key_is_answered_with_few_right_ones(override: str, message: str) -> None:
    with pytest.raises(EngineError) as error:
        read("text", "", override)
    assert message in str(error.value)
    assert len(str(error.value)) < 300


def test_an_unknown_flow_is_named_before_anything_is_read() -> None:
    with pytest.raises(EngineError, match="there is no flow 'sound'; the flows are audio, images, text"):
        read("sound")


def test_a_member_has_one_rate_at_all_sizes() -> None:
    with pytest.raises(EngineError, match=r"sizes\.small\.lr was removed .*set members\.NAME\.lr"):
        read("images", "imagenette", "sizes.small.lr=0.01")
    for changes, tests in ([], 1), (["members.xresnet.lr=0.01"], 0):
        stages = load_pipeline("images").trace(read("images", "imagenette", *changes))
        assert len([stage for stage in stages if stage.role is Role.RANGE_TEST]) == tests


@pytest.mark.parametrize(("flow", "preset"), PRESETS)
def test_a_preset_holds_only_what_differs_from_the_committed_file(flow: str, preset: str) -> None:
    committed, model = read_yaml(f"params/{flow}.yaml"), load_pipeline(flow).model
    said = read_yaml(f"params/presets/{flow}-{preset}.yaml")
    recipe = committed[RECIPE] | said[RECIPE]
    for where, value in list_leaves(said):
        held = recipe.get(where[-1]) if is_mapping(model, where[:1]) else dig(committed, where)
        assert value != held, f"{'.'.join(where)} says what holds anyway"


@pytest.mark.parametrize("flow", list_flows())
def test_a_member_says_only_what_differs_from_the_recipe(flow: str) -> None:
    content, model = read_yaml(f"params/{flow}.yaml"), load_pipeline(flow).model
    for where, value in list_leaves({heir: content[heir] for heir in model.heirs}):
        assert value != content[RECIPE].get(where[-1]), f"{'.'.join(where)} says what the recipe says"


@pytest.mark.parametrize("flow", list_flows())
def test_every_key_is_explained_where_it_is_said_first(flow: str) -> None:
    explained = {"transformers"}  # by the lines above it
    for line in (ROOT / f"params/{flow}.yaml").read_text().splitlines():
        key, colon, rest = line.strip().partition(":")
        if not colon or key.startswith("#") or not rest.partition("#")[0].strip():
            continue
        assert "#" in rest or key in explained, line
        explained.add(key)


@pytest.mark.parametrize(("flow", "preset"), FILES)
def test_a_stage_depends_on_each_key_that_its_sections_are_made_of_once(flow: str, preset: str) -> None:
    for stage in load_pipeline(flow).trace(read(flow, preset)):
        taken = {key.removeprefix(f"{RECIPE}.") for key in stage.tracked if key.startswith(f"{RECIPE}.")}
        heirs = [key for key in stage.sections if key.partition(".")[0] in stage.params.heirs]
        single = [key for key in heirs if isinstance(stage.sections[key], BaseModel)]
        own = [key for section in single for key in stage.tracked[section]]
        needed = [key for section in single for key in type(stage.sections[section]).model_fields]
        if heirs == single:
            assert sorted([*own, *taken]) == sorted(needed), stage.name


@pytest.mark.parametrize(("flow", "network"), [(flow, name) for flow in list_flows() for name in list_networks(flow)])
def test_a_member_needs_no_more_than_its_network_is_named(flow: str, network: str, tmp_path: Path) -> None:
    needs = import_module(f"tests.tasks.{flow}.problem").NEEDS.get(network, {})
    params = read(flow, "", *(f"members.mine.{key}={value}" for key, value in {"network": network, **needs}.items()))
    lesson, _ = make_problem(tmp_path, flow, network).prepare()
    with torch.device("meta"):
        build_network(params.members["mine"], lesson.n_classes, lesson.input_shape)
    fits = [
        stage
        for stage in load_pipeline(flow).trace(params)
        if "members.mine" in stage.tracked and "-fit-" in stage.name
    ]
    assert fits and all("recipe.seed" in stage.tracked for stage in fits)
