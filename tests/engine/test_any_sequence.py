"""Whatever is edited, run, killed, deleted or away, in any order: no result is wrong, no finished work is done again.

TRIFOLD_STEPS sets how many steps are drawn, TRIFOLD_SEED which; `make bench ROW=any_sequence` draws 300 by a new seed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from hypothesis.strategies import floats, sampled_from

from tests.engine.node_checks import list_processes
from tests.engine.tiny_project import STAGES, TinyProject
from tests.project import Started

STEPS = int(os.environ.get("TRIFOLD_STEPS", "12"))
SEED = int(os.environ.get("TRIFOLD_SEED", "1"))
COMMANDS = {
    "prefect": ("python", "-m", "flows", "run", "tiny"),
    "dvc": ("python", "-m", "dvc", "repro"),
    "nodes": ("python", "-m", "flows", "run", "tiny", "--on", "processes:2"),
}
# What is edited: the file, the text that it has at first, and the other text.
EDITS = {
    "input": ("input.txt", "quick", "slow"),
    "param": ("params/tiny.yaml", '" / "', '" + "'),
    "member": ("params/tiny.yaml", '"?"', '"."'),
    "code": ("tasks/members/reverse.py", "[::-1]", "[::-1].title()"),
}
# What determines each stage's result, and the stages whose results it reads.
SEEN = {
    "read": ("input",),
    "change-upper": ("input",),
    "change-reverse": ("input", "member", "code"),
    "join": ("input", "member", "code", "param"),
}
READ = {"change-upper": ("read",), "change-reverse": ("read",), "join": ("change-upper", "change-reverse")}
Truth = Callable[[TinyProject], dict[str, str]]
Result = tuple[str, tuple[bool, ...]]


class Person(RuleBasedStateMachine):
    """A person who works with one checkout after the other, all with one remote."""

    def __init__(self, base: TinyProject, truth: Truth, folder: Path) -> None:
        super().__init__()
        self.truth, self.folder = truth, folder
        self.remote = folder / "remote"
        self.project = base.copy_sources(folder / "checkout0")
        self.project.call("python", "-m", "dvc", "remote", "add", "-d", "shelf", str(self.remote)).check()
        self.edited = dict.fromkeys(EDITS, False)
        self.finished: set[Result] = set()  # in this checkout or in the remote
        self.sent: set[Result] = set()
        self.is_away = False
        self.checkouts = 1
        self.steps = self.kills = 0

    @invariant()
    def count(self) -> None:
        self.steps += 1

    @rule(what=sampled_from(sorted(EDITS)))
    def edit(self, what: str) -> None:
        name, first, other = EDITS[what]
        old, new = (other, first) if self.edited[what] else (first, other)
        self.project.edit(name, old, new)
        self.edited[what] = not self.edited[what]

    @rule(driver=sampled_from(sorted(COMMANDS)))
    def run(self, driver: str) -> None:
        if driver == "nodes" and self.is_away:
            return
        self._finish(driver)

    @rule(driver=sampled_from(sorted(COMMANDS)), after_s=floats(0.5, 6.0))
    def kill_run(self, driver: str, after_s: float) -> None:
        if driver == "nodes" and self.is_away:
            return
        self.kills += 1
        run = self._start(driver)
        time.sleep(after_s)
        _kill(run)
        self.project.wait_until(lambda: not list_processes(self.project))
        self._note_begun(self.project.computed())

    @precondition(lambda self: not self.is_away)
    @rule(after_s=floats(0.5, 6.0))
    def kill_on_a_node(self, after_s: float) -> None:
        self.kills += 1
        run = self._start("nodes")
        time.sleep(after_s)
        processes = list_processes(self.project)
        if processes:
            random.Random(after_s).choice(processes).kill()
        run.finish().check()
        begun = self.project.computed()
        assert len(begun) <= len(set(begun)) + 1, "only what was killed is computed again"
        self._note_finished(list(dict.fromkeys(begun)))

    @rule(stage=sampled_from(STAGES))
    def delete_output(self, stage: str) -> None:
        shutil.rmtree(self.project.output(stage).parent, ignore_errors=True)

    @rule()
    def delete_data(self) -> None:
        shutil.rmtree(self.project.root / "data", ignore_errors=True)

    @rule()
    def take_remote_away_or_back(self) -> None:
        kept = self.remote.with_name("kept")
        if self.is_away:
            self.remote.unlink()
            if kept.exists():
                kept.rename(self.remote)
        else:
            if self.remote.exists():
                self.remote.rename(kept)
            self.remote.write_text("a file, so that no folder can be made here")
        self.is_away = not self.is_away

    @rule()
    def go_to_another_checkout(self) -> None:
        self.project = self.project.copy_sources(self.folder / f"checkout{self.checkouts}")
        self.checkouts += 1
        self.finished = set() if self.is_away else set(self.sent)

    def _start(self, driver: str) -> Started:
        # A person writes dvc.yaml again after an edit: `flows run` does so itself.
        if driver == "dvc":
            self.project.call("python", "-m", "flows", "graph", "--write").check()
        return self.project.start(*COMMANDS[driver])

    def _finish(self, driver: str) -> None:
        done = self._start(driver).finish()
        if "RWLock-file" in done.output:
            # A killed `dvc repro` left DVC's list of locks torn. Any command of the project deletes it.
            self.project.call("python", "-m", "flows", "status").check()
            done = self._start(driver).finish()
        done.check()
        begun = self.project.computed()
        assert len(begun) == len(set(begun)), done.output
        self._note_finished(begun)

    def _note_begun(self, stages: list[str]) -> None:
        """A stage that was begun must not have been finished before; what it reads is finished by now."""
        for stage in stages:
            assert self._name(stage) not in self.finished, f"{stage} was computed again"
        for stage in stages:
            self.finished |= {self._name(before) for before in READ.get(stage, ())}

    def _note_finished(self, stages: list[str]) -> None:
        self._note_begun(stages)
        assert self.project.outputs() == self.truth(self.project)
        self.finished |= {self._name(stage) for stage in STAGES}
        if not self.is_away:
            self.sent |= self.finished

    def _name(self, stage: str) -> Result:
        return stage, tuple(self.edited[what] for what in SEEN[stage])


def _kill(run: Started) -> None:
    """Kill a driver alone; what it started must notice by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(run.pid, signal.SIGKILL)
    run.wait()


@pytest.mark.timeout(3600)
def test_any_sequence_of_edits_runs_and_kills(tiny_base: TinyProject, truth: Truth, tmp_path: Path) -> None:
    people: list[Person] = []

    def come() -> Person:
        people.append(Person(tiny_base, truth, tmp_path / str(len(people))))
        return people[-1]

    print(f"TRIFOLD_SEED={SEED} TRIFOLD_STEPS={STEPS}")
    for round in itertools.count():
        run_state_machine_as_test(
            seed(SEED + round)(come),
            settings=settings(
                max_examples=2,  # the first repeats the simplest step
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
        real = people[1::2]
        n_steps, n_kills = sum(person.steps for person in real), sum(person.kills for person in real)
        print(f"{n_steps} steps, {n_kills} of them kills")
        if n_steps >= STEPS:
            return
