"""Registered models: their versions, and which of them is champion."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flows.engine.errors import EngineError
from flows.engine.names import suggest_names
from flows.engine.tags import CHAMPION_SINCE, CHAMPION_UNTIL, CHAMPIONS, OUTPUT_MD5

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model; `aliases` maps each alias to its version number."""

    name: str
    aliases: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Version:
    """One version of a registered model; `number` is MLflow's, as text; `run_id` is the exporting run."""

    name: str
    number: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    run_id: str
    created_ms: int


@dataclass(frozen=True)
class Registry:
    """MLflow's registered models."""

    client: MlflowClient

    def list_models(self) -> list[RegisteredModel]:
        """Return the registered models by name."""
        found = sorted(self.client.search_registered_models(), key=lambda model: model.name)
        return [
            RegisteredModel(item.name, {alias: str(number) for alias, number in item.aliases.items()}, item.tags)
            for item in found
        ]

    def list_versions(self, name: str) -> list[Version]:
        """Return a model's versions, the newest first. Raises EngineError when there is no such model."""
        aliases = sorted(self._get_model(name).aliases.items())
        found = self.client.search_model_versions(f"name = '{name}'")
        return [
            Version(
                name,
                str(item.version),
                tuple(alias for alias, number in aliases if number == str(item.version)),
                item.tags,
                item.run_id or "",
                item.creation_timestamp,
            )
            for item in sorted(found, key=lambda item: -int(item.version))
        ]

    def find_made_by(self, run_ids: Collection[str], name: str) -> Version | None:
        """Return the newest version of a model that one of these runs registered, or None."""
        return next((version for version in self._list_if_known(name) if version.run_id in run_ids), None)

    def find_of_output(self, output: str, name: str) -> Version | None:
        """Return the newest version of a model that was registered from a stage's output with this md5, or None."""
        return next((found for found in self._list_if_known(name) if found.tags.get(OUTPUT_MD5) == output), None)

    def get_version(self, name: str, number: str) -> Version:
        """Return one version. Raises EngineError when there is no such model or version."""
        versions = {version.number: version for version in self.list_versions(name)}
        if number not in versions:
            known = suggest_names(
                number, versions, listed_as="its versions are", more="`python -m flows models` lists all"
            )
            raise EngineError(f"{name} has no version {number}; {known}")
        return versions[number]

    def find_champion(self, name: str) -> Version | None:
        """Return the version with the alias `champion`, or None."""
        return next((version for version in self.list_versions(name) if CHAMPION in version.aliases), None)

    def list_champions(self, name: str) -> list[str]:
        """Return the existing versions that were champion, the current one last, even if MLflow's page set it."""
        versions = self.list_versions(name)
        champions = self._get_model(name).tags.get(CHAMPIONS, "").split()
        now = [version.number for version in versions if CHAMPION in version.aliases]
        there = {version.number for version in versions}
        return [number for number in champions if number in there and number not in now] + now

    def challenge(self, name: str, version: str) -> None:
        """Move the alias `challenger` to a version."""
        self.client.set_registered_model_alias(name, CHALLENGER, version)

    def promote(self, name: str, version: str) -> None:
        """Make a version champion and remember the previous one. Raises EngineError when there is no such version."""
        self.get_version(name, version)
        earlier = [number for number in self.list_champions(name) if number != version]
        self._crown(name, version, [*earlier, version])

    def rollback(self, name: str) -> str:
        """Make the previous champion champion again; return its version. Raises EngineError when there is none."""
        champion = self.find_champion(name)
        earlier = [n for n in self.list_champions(name) if champion is None or n != champion.number]
        if not earlier:
            present = f"version {champion.number}" if champion else "now"
            raise EngineError(
                f"{name} had no champion before {present}; choose one: `python -m flows models promote {name} VERSION`"
            )
        self._crown(name, earlier[-1], earlier)
        return earlier[-1]

    def _crown(self, name: str, version: str, champions: list[str]) -> None:
        """Move the alias. The history is written first, so an interruption loses nothing."""
        before = self.find_champion(name)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.client.set_registered_model_tag(name, CHAMPIONS, " ".join(champions))
        self.client.set_model_version_tag(name, version, CHAMPION_SINCE, now)
        if before is not None and before.number != version:
            self.client.set_model_version_tag(name, before.number, CHAMPION_UNTIL, now)
        self.client.set_registered_model_alias(name, CHAMPION, version)
        if self._get_model(name).aliases.get(CHALLENGER) == version:
            self.client.delete_registered_model_alias(name, CHALLENGER)

    def _list_if_known(self, name: str) -> list[Version]:
        return self.list_versions(name) if name in {model.name for model in self.list_models()} else []

    def _get_model(self, name: str) -> RegisteredModel:
        models = {model.name: model for model in self.list_models()}
        if name not in models:
            raise EngineError(
                f"no model {name!r} is registered; the registered models are {', '.join(models) or 'none'} "
                "(`python -m flows run FLOW` registers the model of a flow)"
            )
        return models[name]
