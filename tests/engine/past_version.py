"""What a project of the previous version (8811685) left behind, in that version's own names."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.engine.mlflow_store import open_client
from tests.engine.tiny_project import TinyProject
from tests.engine.versions import make_version

TEST_DATA = {"data.md5.audio-clean": "abc.dir", "data.md5.audio-folds": "def.dir"}
ENDED_MS = 1_700_000_000_000
GRAPH = {
    "cmd": "python -m flows stage graph",
    "deps": [{"path": "flows", "hash": "md5", "md5": "3fc022a311c4aa785647e0cbb972df40.dir", "size": 320959}],
    "outs": [{"path": "data/graph", "hash": "md5", "md5": "48cba6a8461c6ba3a4d1b1cb20cd87c4.dir", "size": 35}],
}
# What each stage of the tiny flow depended on, in the place of a fingerprint.
FILES = [{"path": f"tasks/{name}.py", "hash": "md5", "md5": "27b5f747408d084045d3bd0f82e8b2af"} for name in ("a", "b")]


def keep_past_lock(project: TinyProject) -> None:
    """Have dvc.lock and dvc.yaml hold what the previous version wrote: a stage `graph`, and files of code."""
    for name in ("dvc.lock", "dvc.yaml"):
        path = project.root / name
        content: dict[str, Any] = yaml.safe_load(path.read_text())
        stages = {"graph": GRAPH if name == "dvc.lock" else _shorten(GRAPH)}
        for stage, entry in content["stages"].items():
            if stage != "code":
                kept = [dep for dep in entry["deps"] if not str(dep).count("data/code/")]
                files = FILES if name == "dvc.lock" else [file["path"] for file in FILES]
                stages[stage] = {**entry, "deps": [*kept, *files]}
        path.write_text(yaml.safe_dump({**content, "stages": stages}, sort_keys=False))
    shutil.rmtree(project.root / "data/code")
    # DVC's record of what was computed from which inputs: of these inputs nothing was.
    shutil.rmtree(project.root / ".dvc/cache/runs")


def _shorten(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a stage as dvc.yaml has it."""
    paths = {key: [one["path"] for one in entry[key]] for key in ("deps", "outs")}
    return {"cmd": entry["cmd"], **paths}


def make_past_store(root: Path) -> None:
    """Write a store with a run of the sounds flow, its export's run, and the version that is champion."""
    from mlflow.models import Model

    from flows.engine.registry.packing import pack_model

    client = open_client(root)
    experiment = client.create_experiment("audio", artifact_location=(root / "mlruns/1").as_uri())
    parent = _make_run(client, experiment, "audio", {"journal": "1", "output.md5.audio-clean": "abc.dir"})
    told = {"journal": "2", "stage": "audio-export", "output.md5": "ghi.dir", "mlflow.parentRunId": parent}
    export = _make_run(client, experiment, "audio-export", told)
    client.log_metric(parent, "ensemble.accuracy", 0.75)
    version, packed = make_version(root / "made", 150), root / "packed"
    pack_model(version.exported, packed, loader=version.loader, model=Model())
    shutil.copyfile(version.predictions, packed / "predictions.csv")
    client.create_registered_model("audio", tags={"champions": "1"})
    tags = {"run": export, "figure.accuracy": "0.75", "gate": "champion", "champion.since": "2026-11-26T01:00:00+00:00"}
    verdict = {"verdict": "audio version 1 becomes champion: there was no champion to beat"}
    client.create_model_version("audio", packed.as_uri(), run_id=export, tags={**tags, **verdict, **TEST_DATA})
    client.set_registered_model_alias("audio", "champion", "1")


def _make_run(client: Any, experiment: str, name: str, tags: dict[str, str]) -> str:
    run = client.create_run(experiment, start_time=ENDED_MS, tags=tags, run_name=name)
    client.set_terminated(run.info.run_id, "FINISHED", ENDED_MS)
    return str(run.info.run_id)
