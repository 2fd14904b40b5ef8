"""A section names the modules that a task imports because of it, and no others are imported by name."""

import pytest

from tests.tasks.learning.toys import make_member


def test_a_module_that_the_section_names_is_imported() -> None:
    member = make_member()
    assert [member.import_module(name).__name__ for name in member.modules()] == list(member.modules())


def test_a_module_that_it_does_not_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"add tasks\.audio\.script to it"):
        make_member().import_module("tasks.audio.script")
