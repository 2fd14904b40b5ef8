"""Results are shared over DVC's default remote, one at a time, by both drivers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows.engine.cache import lease, shared
from tests.engine.tiny_project import STAGES, TinyProject

RUN = ("python", "-m", "flows", "run", "tiny")


class Team:
    """Checkouts of the same sources; they have only a remote in common."""

    def __init__(self, sources: TinyProject, place: Path) -> None:
        self.sources, self.place, self.remote = sources, place, place / "remote"

    def join(self, name: str) -> TinyProject:
        """Return one more checkout, in which nothing was computed."""
        project = self.sources.copy_sources(self.place / name)
        project.call("python", "-m", "dvc", "remote", "add", "-f", "-d", "shelf", str(self.remote)).check()
        return project

    def list_entries(self) -> list[Path]:
        """Return the entries of results in the remote."""
        return [path for path in self.remote.glob("runs/*/*/*") if path.is_file()]


@pytest.fixture
def team(tiny_base: TinyProject, tmp_path: Path) -> Team:
    return Team(tiny_base, tmp_path)


def list_waiting(project: TinyProject) -> list[Path]:
    return list((project.root / ".trifold/unsent").glob("*"))


@pytest.mark.parametrize(("first", "second"), [("prefect", "dvc"), ("dvc", "prefect")])
def test_what_one_checkout_computed_another_fetches(team: Team, first: str, second: str) -> None:
    one = team.join("one")
    one.drive(first).check()
    assert sorted(one.computed()) == sorted(STAGES)
    assert (len(team.list_entries()), list_waiting(one)) == (len(STAGES), [])
    other = team.join("other")
    done = other.drive(second).check()
    assert (other.computed(), other.outputs()) == ([], one.outputs())
    assert "tiny-join: fetching from DVC's remote" in done.output
    assert other.locked() == other.lock_anew()
    other.edit("params/tiny.yaml", '" / "', '" + "')
    other.drive(second).check()
    assert (other.computed(), len(team.list_entries())) == (["join"], len(STAGES) + 1)


def test_a_result_that_is_only_partly_there_or_damaged_is_computed(team: Team) -> None:
    one = team.join("one")
    one.drive("prefect").check()
    texts = {name: text.encode() for name, text in one.outputs().items()}
    objects = [path for path in team.remote.glob("files/md5/*/*") if path.is_file()]
    (lost,) = [path for path in objects if path.read_bytes() == texts["change-upper"]]
    (damaged,) = [path for path in objects if path.read_bytes() == texts["join"]]
    lost.unlink()
    damaged.chmod(0o644)
    damaged.write_bytes(b"something else\n")
    other = team.join("other")
    done = other.drive("prefect").check()
    assert (other.computed(), other.outputs()) == (["change-upper", "join"], one.outputs())
    for stage in ("change-upper", "join"):
        assert f"tiny-{stage}: the remote lacks " in done.output


def test_without_the_remote_all_is_computed_and_sent_by_a_later_run(team: Team) -> None:
    team.remote.write_text("a file, so that no folder can be made here")
    one = team.join("one")
    done = one.drive("prefect").check()
    assert sorted(one.computed()) == sorted(STAGES)
    assert len(list_waiting(one)) == len(STAGES)
    assert f"{len(STAGES)} results are not yet in DVC's remote" in done.output
    assert done.output.count("DVC's remote takes no results") == 1
    team.remote.unlink()
    one.drive("prefect").check()
    assert (one.computed(), list_waiting(one), len(team.list_entries())) == ([], [], len(STAGES))
    other = team.join("other")
    other.drive("prefect").check()
    assert other.computed() == []


def test_of_two_results_with_the_same_key_the_first_stays_and_the_second_is_named(team: Team) -> None:
    one = team.join("one")
    one.drive("prefect").check()
    entries = team.list_entries()
    kept = entries[0].relative_to(team.remote)
    second = one.root / ".dvc/cache" / kept.with_name("0" * 64)
    shutil.copy(one.root / ".dvc/cache" / kept, second)
    (one.root / ".trifold/unsent" / kept.parent.name).write_text(f"tiny-read {second.name}")
    done = one.drive("prefect").check()
    assert "tiny-read: the remote has other bytes for the same command, code, params and inputs" in done.output
    assert (team.list_entries(), list_waiting(one)) == (entries, [])


def test_force_computes_what_the_remote_has(team: Team) -> None:
    team.join("one").drive("prefect").check()
    other = team.join("other")
    other.call(*RUN, "--force").check()
    assert sorted(other.computed()) == sorted(STAGES)


def test_a_remote_that_can_hold_no_run_cache_is_not_asked(tiny_base: TinyProject, tmp_path: Path) -> None:
    project = tiny_base.copy(tmp_path / "tiny")
    project.call("python", "-m", "dvc", "remote", "add", "-d", "web", "https://127.0.0.1:9/shelf").check()
    project.edit("params/tiny.yaml", '" / "', '" + "')
    done = project.drive("prefect").check()
    assert (project.computed(), list_waiting(project)) == (["join"], [])
    assert "remote" not in done.output


@pytest.mark.parametrize("second", ["prefect", "dvc"])
def test_what_one_checkout_computes_now_another_waits_for(team: Team, second: str) -> None:
    one, other = team.join("one"), team.join("other")
    gate = one.hold("join")
    first = one.start_driver("prefect")
    one.wait_until(lambda: any(team.remote.glob("leases/*")))
    late = other.start_driver(second)
    other.wait_until(lambda: late.log.exists() and "another run computes this stage" in late.log.read_text())
    gate.unlink()
    first.finish().check()
    late.finish().check()
    assert (other.computed(), other.outputs()) == ([], one.outputs())
    assert not any(team.remote.glob("leases/*"))


def test_a_lease_whose_holder_died_delays_only_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, said = iter(["a", "b", "b", "b", "b"]), []
    monkeypatch.setattr(lease, "STALE_S", 0.5)
    monkeypatch.setattr(lease, "POLL_S", 0.2)
    monkeypatch.setattr(shared, "ask", lambda do, check: next(texts, "b"))
    assert lease.await_holder("key", lambda: None, lambda: said.append("waiting"))
    assert said == ["waiting"]
    monkeypatch.setattr(shared, "ask", lambda do, check: "")
    assert not lease.await_holder("key", lambda: None, lambda: said.append("waiting again"))
