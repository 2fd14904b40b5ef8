"""Every shell command in the documents is run, here or in another test, or is listed below with the reason why not."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.readme_commands import COMMANDS
from tests.audio_project import AudioProject
from tests.documents import LANGUAGES, read_blocks, read_commands
from tests.project import REPOSITORY

# The worker that computed the sounds flow runs them, in a copy of it.
pytestmark = pytest.mark.xdist_group("audio flow")

# What takes seconds where the flow was computed, and a word that it prints.
QUICK = {
    "python -m flows run audio": "cached",
    "python -m flows status audio": "fresh",
    "python -m flows graph": "audio-spectrograms-shard-0",
    "python -m flows predict audio some.wav": "some.wav",
    "python -m flows runs": "finished",
    "python -m flows models": "champion",
    "python -m flows gc": "nothing was deleted",
    "python -m flows doctor": "Python",
    "dvc dag; dvc status; dvc params diff; dvc metrics show; dvc plots show": "audio-export",
}
SERVE = "mlflow models serve --env-manager local -m models:/audio@champion --port 5001"
# By another test, which names what differs.
ELSEWHERE = {
    "sh -c 'python -m flows run audio --on \"ray://$(hostname -i):6379\"'": "tests/engine/test_network.py",
    "dvc push --run-cache": "tests/engine/test_team.py",
    "dvc remote add --default store /mnt/shared/trifold": "tests/engine/test_shared.py",
    "python -m flows run audio --on processes:2": "tests/engine/test_nodes.py",
    "python -m flows nodes up": "tests/engine/test_ray.py",
    "python -m flows nodes join HEAD": "tests/engine/test_ray.py",
    "python -m flows run audio --on nodes": "tests/engine/test_ray.py",
    "python -m flows nodes": "tests/engine/test_ray.py",
    "python -m flows nodes down": "tests/engine/test_ray.py",
    "dvc pull": "tests/engine/test_team.py",
    "dvc remote add --force -d team s3://BUCKET/dvc": "tests/engine/test_team.py",
    "prefect server start": "tests/engine/team_servers.py",
    "mlflow server": "tests/engine/team_servers.py",
    SERVE: "tests/engine/test_packing.py",
    "python -m flows try audio": "tests/engine/try_page.py",
    next(command for command in read_commands() if "curl" in command): "tests/engine/test_packing.py",
}
# The data of docs/own-data.md; the test checks that a run accepts the settings of each printed command.
ELSEWHERE |= {
    command: "tests/engine/test_inspect.py"
    for command in read_commands()
    if command.startswith("python -m flows inspect") or "/home/ann/" in command
}
PRESET = "tests/engine/test_presets.py, on small data of the same layout"
CLUSTER = "needs a cluster or a Docker daemon, which no machine of the tests has"
TEAM = "names a team's own servers or repository; tests/engine/test_team.py has some of its own"
LEFT_OUT = {
    "make test": "it is what runs this",
    "make nodes": "CI runs it before its tests",
    "python -m flows run audio --preset esc10": f"{PRESET}; on real data `make bench ROW=esc10`",
    "python -m flows run images --preset imagenette": f"{PRESET}; on real data `make bench ROW=imagenette`",
    "python -m flows run images --preset ants-and-bees": f"{PRESET}; on real data `make bench ROW=ants_and_bees`",
    "python -m flows run images --preset catfish": PRESET,
    "python -m flows run text --preset sentiment140": f"{PRESET}; on real data `make bench ROW=text_accuracy`",
    "export PREFECT_API_URL=http://prefect.example.com/api MLFLOW_TRACKING_URI=http://mlflow.example.com": TEAM,
    'git commit -m "DVC\'s remote" .dvc/config': TEAM,
}


def test_every_command_that_the_pages_show_is_run_or_left_out_for_a_reason() -> None:
    cluster = {command: CLUSTER for command in read_commands() if command.split()[0] in ("docker", "kubectl")}
    places = [QUICK, ELSEWHERE, LEFT_OUT, cluster, dict.fromkeys(COMMANDS, "make bench ROW=readme_commands")]
    known = [command for place in places for command in place]
    assert sorted(known) == sorted(set(read_commands())), "each stands in one place, and in a page"
    assert all((REPOSITORY / file).is_file() for file in ELSEWHERE.values())


def test_every_block_says_what_it_holds() -> None:
    assert {language for language, _ in read_blocks()} <= LANGUAGES


def test_the_flow_that_the_readme_shows_is_the_one_that_runs() -> None:
    (shown,) = (text for language, text in read_blocks() if language == "python")
    assert (REPOSITORY / "flows/audio.py").read_text(encoding="utf-8").endswith(shown)


@pytest.fixture(scope="module")
def checkout(audio_run: AudioProject, tmp_path_factory: pytest.TempPathFactory) -> AudioProject:
    """A clone in which the sounds flow was run, and a sound to ask about."""
    project = audio_run.copy(tmp_path_factory.mktemp("documents") / "checkout")
    for name in ("pyproject.toml", ".gitignore", "prefect.yaml"):
        shutil.copy(REPOSITORY / name, project.root)
    shutil.copy(project.extract("audio", "*.wav"), project.root / "some.wav")
    (project.root / ".dvc/.gitignore").write_text("/cache\n/tmp\n")
    for command in ("git init -q", "git add -A", "git -c user.name=t -c user.email=t@t.invalid commit -qm all"):
        project.call(*command.split()).check()
    project.call("dvc", "config", "core.no_scm", "false").check()
    return project


@pytest.mark.parametrize("command", QUICK)
def test_a_command_of_the_pages_does_what_it_says(checkout: AudioProject, command: str) -> None:
    done = checkout.call("bash", "-euo", "pipefail", "-c", command).check()
    assert QUICK[command] in done.output
    assert "Traceback" not in done.output
