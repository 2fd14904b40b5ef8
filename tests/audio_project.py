"""The sounds flow on a small archive, computed up to its features: what the fault tests break."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
import zipfile
from pathlib import Path

from tests.project import Finished, Project
from tests.warm import WarmPython

# What comes last but for training: seconds, where the whole flow takes a minute.
FEATURES = "audio-bands-spectrograms-fold5"


class AudioProject(Project):
    """A checkout of the sounds flow alone, with its committed params made smaller."""

    said = ""  # what its first whole run printed

    @classmethod
    def create(cls, root: Path, warm: WarmPython) -> AudioProject:
        """Lay out a fresh checkout; nothing is computed."""
        project = cls.check_out(root, warm)
        project.set_param("sample.clips_per_fold", "2")
        project.set_param("folds.mode", "holdout")
        project.set_param("compute.threads", "1")  # the tests beside it want a core too
        project.make_repository()
        return project

    def compute_features(self) -> None:
        """Compute everything but training."""
        self.call("python", "-m", "dvc", "repro", "-q", FEATURES).check()

    def copy(self, root: Path) -> AudioProject:
        """Copy the checkout with all that was computed."""
        shutil.copytree(self.root, root, symlinks=True)
        return AudioProject(root, self.warm)

    def set_param(self, key: str, value: str) -> None:
        """Change one value in params/audio.yaml as a person would with an editor."""
        section, _, name = key.partition(".")
        lines = (self.root / "params/audio.yaml").read_text().splitlines()
        start = lines.index(next(line for line in lines if line.startswith(f"{section}:")))
        at = next(n for n in range(start + 1, len(lines)) if lines[n].split("#")[0].strip().startswith(f"{name}:"))
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        lines[at] = f"{indent}{name}: {value}"
        (self.root / "params/audio.yaml").write_text("\n".join(lines) + "\n")

    def run_stage(self, name: str) -> Finished:
        """Bring one stage up to date."""
        return self.call("python", "-m", "flows", "stage", f"audio-{name}")

    def use_source(self, archive: Path, digest: str = "") -> None:
        """Have the flow read other data than the sample's."""
        self.set_param("source.archive", str(archive))
        self.set_param("source.digest", f'"{digest}"')
        self.call("python", "-m", "flows", "graph", "--write").check()
        self.update_code()

    def update_code(self) -> None:
        """Run the first stage, so that a refused stage has no reason to change dvc.lock or data/code."""
        self.call("python", "-m", "flows", "stage", "code").check()

    def remake_archive(self, place: Path, change: ArchiveChange) -> Path:
        """Write a copy of the sample's archive with some of its files changed."""
        with zipfile.ZipFile(self.root / "data/audio/sample/archive.zip") as old, zipfile.ZipFile(place, "w") as new:
            for name in old.namelist():
                for changed, content in change(name, old.read(name)):
                    new.writestr(changed, content)
        return place

    def snapshot(self) -> dict[str, str]:
        """Return the digest of dvc.lock and of every file below data/."""
        files = [self.root / "dvc.lock", *sorted((self.root / "data").rglob("*"))]
        return {
            str(path.relative_to(self.root)): hashlib.md5(path.read_bytes()).hexdigest()
            for path in files
            if path.is_file()
        }


class ArchiveChange:
    """What becomes of one file of an archive; as it stands, nothing."""

    def __call__(self, name: str, content: bytes) -> list[tuple[str, bytes]]:
        return [(name, content)]


class TableChange(ArchiveChange):
    """Changes the rows of meta/esc50.csv."""

    def __call__(self, name: str, content: bytes) -> list[tuple[str, bytes]]:
        if not name.endswith("esc50.csv"):
            return [(name, content)]
        rows = self.change(list(csv.DictReader(io.StringIO(content.decode()))))
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        return [(name, text.getvalue().encode())]

    def change(self, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        """Return the rows as they shall be."""
        raise NotImplementedError


class WithoutColumn(TableChange):
    def change(self, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{key: value for key, value in row.items() if key not in ("category", "target")} for row in rows]


class WithLabelOutside(TableChange):
    def change(self, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{**row, "target": "-3"} for row in rows]


class WithoutClassInFold(TableChange):
    def change(self, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        return [row for row in rows if not (row["fold"] == "5" and row["target"] == "0")]


class Escaping(ArchiveChange):
    def __call__(self, name: str, content: bytes) -> list[tuple[str, bytes]]:
        more = [("../outside.txt", b"escaped")] if name.endswith("esc50.csv") else []
        return [(name, content), *more]


class Bomb(ArchiveChange):
    def __call__(self, name: str, content: bytes) -> list[tuple[str, bytes]]:
        more = [("ESC-50-sample/audio/zeros.wav", bytes(120_000_000))] if name.endswith("esc50.csv") else []
        return [(name, content), *more]


class WithBadFiles(ArchiveChange):
    """Makes the first clip empty and the second a text."""

    def __init__(self) -> None:
        self._bad = iter([b"", b"this is no sound\n"])

    def __call__(self, name: str, content: bytes) -> list[tuple[str, bytes]]:
        return [(name, next(self._bad, content) if name.endswith(".wav") else content)]
