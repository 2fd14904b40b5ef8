"""One computed project for all fault tests; each breaks a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audio_project import AudioProject
from tests.warm import WarmPython


@pytest.fixture(scope="session")
def audio_base(warm: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> AudioProject:
    """The sounds flow, computed up to its features."""
    made = AudioProject.create(tmp_path_factory.mktemp("audio") / "base", warm)
    made.compute_features()
    return made


@pytest.fixture
def project(audio_base: AudioProject, tmp_path: Path) -> AudioProject:
    """A copy that a test may break."""
    return audio_base.copy(tmp_path / "project")
