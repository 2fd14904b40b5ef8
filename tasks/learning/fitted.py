"""The description of a fit, stored in its folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.learning.compute import Arithmetic


@dataclass(frozen=True)
class Fit:
    """Which member was fitted in which round, the figures needed to rebuild its network, and how it was computed.

    `size` names the size at which it was fitted; it is empty for a member with a single fit per round.
    """

    member: str
    fold: int
    n_classes: int
    input_shape: tuple[int, ...]
    size: str = ""
    arithmetic: Arithmetic | None = None

    @property
    def label(self) -> str:
        """A name that is unique in its round, such as `resnet` or `resnet-small`."""
        return f"{self.member}-{self.size}" if self.size else self.member


def write_fit(folder: Path, fit: Fit) -> None:
    """Write `fit.json`."""
    (folder / "fit.json").write_text(json.dumps(asdict(fit), indent=2, sort_keys=True) + "\n")


def read_fit(folder: Path) -> Fit:
    """Read `fit.json`."""
    values = json.loads((folder / "fit.json").read_text())
    arithmetic = Arithmetic(**values["arithmetic"]) if values["arithmetic"] else None
    return Fit(**(values | {"input_shape": tuple(values["input_shape"]), "arithmetic": arithmetic}))
