"""Presets and overrides change both files or neither, keep comments, and start from the right file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.tiny_project import TinyProject

FILES = ("params/tiny.yaml", "dvc.yaml")


@pytest.fixture
def tiny(tiny_base: TinyProject, tmp_path: Path) -> TinyProject:
    """The tiny project in git, with two presets."""
    project = tiny_base.copy(tmp_path / "tiny")
    presets = project.root / "params/presets"
    presets.mkdir()
    (presets / "tiny-plus.yaml").write_text('join:\n  separator: " + "\n')
    (presets / "tiny-loud.yaml").write_text('members:\n  shout:\n    mark: "!"\n')
    (presets / "tiny-typo.yaml").write_text('members:\n  shout:\n    marc: "!"\n')
    (project.root / ".gitignore").write_text("/data/*\n/.trifold/\n/.env\n__pycache__/\n")
    project.call("git", "init", "-q").check()
    project.call("git", "add", "-A").check()
    project.call("git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", "commit", "-qm", "all").check()
    return project


def read(project: TinyProject) -> str:
    return (project.root / FILES[0]).read_text()


def run(project: TinyProject, *options: str) -> str:
    return project.call("python", "-m", "flows", "run", "tiny", *options).check().output


def test_an_override_is_written_with_the_comments_kept(tiny: TinyProject) -> None:
    told = run(tiny, "--set", "members.upper.mark='#'")
    assert "members.upper.mark='#'" in told.splitlines()[0], "the run's first line says so"
    assert 'mark: "#"  # what stands at the end' in read(tiny)
    assert "path: input.txt  # a text file, relative to the project" in read(tiny)
    assert tiny.output("join").read_text().count("#") == 2


def test_overrides_stay_until_a_preset_starts_from_the_committed_file(tiny: TinyProject) -> None:
    run(tiny, "--set", "notes.comment=mine", "--set", "source.path=input.txt")
    run(tiny)
    assert "comment: mine" in read(tiny), "a run takes the file as it stands"
    run(tiny, "--preset", "plus")
    assert "nobody reads this" in read(tiny)
    assert '" + "' in read(tiny) or "' + '" in read(tiny)
    assert " + " in tiny.output("join").read_text()


@pytest.mark.parametrize(("edit", "copies"), [("# mine\n", 1), ("", 0)])
def test_an_edited_file_is_copied_before_it_is_replaced(tiny: TinyProject, edit: str, copies: int) -> None:
    edited = read(tiny) + edit
    (tiny.root / FILES[0]).write_text(edited)
    said = run(tiny, "--preset", "plus").splitlines()[0]
    kept = list(tiny.root.glob(".trifold/replaced/*"))
    assert [path.read_text() for path in kept] == [edited] * copies
    words = [f"is kept in {path.relative_to(tiny.root)}" for path in kept] or [
        "to undo: `git restore params/tiny.yaml dvc.yaml`"
    ]
    assert said.endswith(words[0])


def test_an_override_changes_one_key_of_what_the_one_before_it_set(tiny: TinyProject) -> None:
    run(tiny, "--set", "members.mine={mark: '!', gap: '-'}", "--set", "members.mine.gap=+")
    assert "  mine:\n    mark: '!'\n    gap: +\n" in read(tiny)


def test_a_preset_replaces_members_as_a_whole(tiny: TinyProject) -> None:
    run(tiny, "--preset", "loud")
    assert "shout" in read(tiny)
    assert "reverse" not in read(tiny)
    assert "tiny-change-shout" in (tiny.root / "dvc.yaml").read_text()
    assert "tiny-change-reverse" not in (tiny.root / "dvc.yaml").read_text()


def test_what_a_preset_says_of_the_recipe_is_laid_over_key_by_key(tiny: TinyProject) -> None:
    (tiny.root / "params/presets/tiny-far.yaml").write_text(
        'recipe:\n  before: "<"\nmembers:\n  shout:\n    mark: "!"\n'
    )
    run(tiny, "--preset", "far")
    assert 'gap: " "  # what stands between' in read(tiny), "what the preset leaves out stays"
    assert tiny.output("join").read_text().startswith("<THE QUICK")


def test_a_key_of_the_recipe_becomes_a_members_own_and_a_new_name_a_new_member(tiny: TinyProject) -> None:
    run(tiny, "--set", "members.reverse.before=<", "--set", "members.mine.mark='!'")
    written = """members:
  upper:
    mark: "!"  # what stands at the end
    before: ">"
    gap: "  "
  reverse:
    mark: "?"
    gap: "-"
    before: <
  mine:
    mark: '!'

join:  # the last stage
"""
    assert written in read(tiny)
    assert 'before: ""  # what stands before' in read(tiny), "the recipe is not touched"
    upper, reverse, mine = tiny.output("join").read_text().split(" / ")
    assert upper.startswith(">") and reverse.startswith("<") and not mine.startswith((">", "<"))
    assert set(tiny.computed()) == {"change-reverse", "change-upper", "join"}, "the new member is an upper, too"


WRONG = {
    "an unknown key": (("--set", "join.seperator=x"), "valid keys: separator"),
    "an unknown key of the recipe": (
        ("--set", "recipe.befor=x"),
        "recipe.befor is not a key of params/tiny.yaml; valid keys: mark, before, gap",
    ),
    "an unknown key of a member": (
        ("--set", "members.upper.befor=x"),
        "members.upper.befor is not a key of params/tiny.yaml; valid keys: mark, before, gap",
    ),
    "a wrong type in the recipe": (
        ("--set", "recipe.before=3"),
        "recipe.before is 3: must be a text (a number in quotes)",
    ),
    "a wrong type in place of the recipe's": (("--set", "members.reverse.before=3"), "members.reverse.before is 3"),
    "a wrong type that no member takes over": (("--set", "recipe.gap=3"), "recipe.gap is 3"),
    "a new member that lacks a key": (
        ("--set", "members.mine.before=x"),
        "members.mine.mark is missing: add it, or add it to recipe for all members",
    ),
    "a section in a place for a value": (("--set", "join.separator.x=1"), "join.separator"),
    "an unknown section": (("--set", "jion.separator=x"), "join"),
    "a wrong type": (("--set", "join.separator=3"), "join.separator is 3"),
    "no value": (("--set", "join.separator"), "has no value: write join.separator=VALUE"),
    "no value for a section": (("--set", "join"), "has no value: write join.KEY=VALUE"),
    "no YAML": (("--set", "join.separator=[1"), "YAML"),
    "an unknown preset": (("--preset", "minus"), "loud, plus"),
    "a preset with an unknown key": (
        ("--preset", "typo"),
        "params/presets/tiny-typo.yaml: members.shout.marc is not a key; valid keys: mark, before, gap",
    ),
    "a name that DVC cannot read": (
        ("--set", "members.mi@ne.mark=x"),
        "members.mi@ne is no name: it must consist of letters, digits, - and _",
    ),
    "a path that does not exist": (
        ("--set", "source.path=gone.txt"),
        "error: tiny-read needs gone.txt, which does not exist: correct the path in --set or in params/tiny.yaml",
    ),
    "one right, one wrong": (("--set", "notes.comment=x", "--set", "join.separator=3"), "join.separator is 3"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_valid_changes_nothing(tiny: TinyProject, case: str) -> None:
    options, words = WRONG[case]
    before = {name: (tiny.root / name).read_text() for name in FILES}
    for dry in [[], ["--dry"]]:
        done = tiny.call("python", "-m", "flows", "run", "tiny", *options, *dry)
        assert done.code == 1
        assert words in done.output
        assert len(done.output.splitlines()) == 1, "nothing is listed, and no traceback printed"
    assert {name: (tiny.root / name).read_text() for name in FILES} == before
    assert tiny.computed() == []


@pytest.mark.parametrize("text", ["source: [", "source:\n\tpath: a", "", "[1, 2]"])
def test_a_params_file_that_is_no_yaml_is_one_line(tiny: TinyProject, text: str) -> None:
    (tiny.root / FILES[0]).write_text(text)
    done = tiny.call("python", "-m", "flows", "run", "tiny", "--dry", "--set", "join.separator=x")
    assert done.output.startswith("error: params/tiny.yaml ")
    assert len(done.output.splitlines()) == 1


def test_the_plan_of_a_preset_starts_from_the_committed_file_as_its_run_does(tiny: TinyProject) -> None:
    tiny.edit("params/tiny.yaml", '"?"', '"."')
    before = read(tiny)
    told = run(tiny, "--dry", "--preset", "plus")
    assert "tiny-join" in told and "tiny-change-reverse" not in told
    assert read(tiny) == before
    tiny.computed()
    run(tiny, "--preset", "plus")
    assert tiny.computed() == ["join"]
