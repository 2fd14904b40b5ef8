"""What a user, or a deployment, asks one flow to run."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field


@dataclass
class Request:
    """A preset, overrides, stages and nodes; by default the params as they are, all stages, and this machine."""

    preset: str = ""
    overrides: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    on: str = ""

    def as_command(self, flow: str) -> str:
        """Return the command that repeats this request, quoted for a shell.

        Without `--force`, so that finished stages are not computed again.
        """
        options = [("--preset", self.preset)] if self.preset else []
        options += [("--set", override) for override in self.overrides]
        options += [("--stage", stage) for stage in self.stages]
        options += [("--on", self.on)] if self.on else []
        words = [word for option in options for word in option]
        return shlex.join(["python", "-m", "flows", "run", flow, *words])
